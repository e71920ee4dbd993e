"""A sampled study with all that a study can have, made up by a seed: nothing of it was run."""

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from explorer.variety import MEASURES
from tests.store import put

VARIED = {
    "frequency": IntDistribution(0, 200),
    "orbits": IntDistribution(1, 200),
    "noise": FloatDistribution(0, 20),
}
DEFAULTS = {"frequency": [0, 20], "orbits": [1, 200], "noise": [0, 16]}
FIXED = {"amplitude": [0.5, 0.5], "position": [-1, 1]}
RUNGS = (2048, 4096, 8192, 16384)
EPOCHS = 4
BEGIN = datetime(2026, 11, 23, 6, 0)  # noqa: DTZ001 - Optuna's times are naive local ones


def definition(name: str, samples: int, replicates: int, **changes: Any) -> dict[str, Any]:
    def bounds(one: Any) -> list[float]:
        return [one.low, one.high]

    varied = {p: {"low": bounds(d), "high": bounds(d)} for p, d in VARIED.items()}
    space = {p: {**ends, "default": DEFAULTS[p]} for p, ends in varied.items()}
    space |= {p: {"low": r, "high": r, "default": r} for p, r in FIXED.items()}
    return {
        "name": name,
        "description": "Which ranges?",
        "baseline": "best_practice",
        "replicates": replicates,
        "seed": 0,
        "arms": {"scratch": None, "best_practice": {"frequency": [0, 20]}},
        "sampler": {"name": "tpe", "samples": samples},
        "vary": list(VARIED),
        "search_space": {"name": "visual_atom", "formula": "visual_atom", "parameters": space},
        "protocol": {
            "name": "laptop",
            "dataset": {"categories": 32, "instances": 128, "canvas": 128},
            "pretrain": {"epochs": EPOCHS},
            "downstream": {"name": "digits"},
        },
        **changes,
    }


def quality(ranges: dict[str, list[float]]) -> float:
    """Return what an arm's ranges are worth: best around frequencies of 30 and little noise."""
    middle = sum(ranges["frequency"]) / 2
    peak = math.exp(-(((math.log(middle + 5) - math.log(30)) / 0.9) ** 2))
    return 0.62 + 0.17 * peak + 0.03 * ranges["orbits"][1] / 200 - 0.004 * ranges["noise"][1]


def rich_study(
    storage: RDBStorage,
    *,
    name: str = "rich",
    samples: int = 40,
    replicates: int = 2,
    **changes: Any,
) -> optuna.Study:
    """Make a study of two named arms and ``samples`` sampled ones; some trials are stopped."""
    random = np.random.default_rng(0)
    said = definition(name, samples, replicates, **changes)
    directions = [way for o in said.get("objectives", [{"": "maximize"}]) for way in o.values()]
    study = optuna.create_study(study_name=name, directions=directions, storage=storage)
    study.set_user_attr("definition", said)
    study.set_user_attr("explorer_version", "0.1.0")
    arms: dict[str, dict[str, list[float]] | None] = {
        "scratch": None,
        "best_practice": {**DEFAULTS, **FIXED},
    }
    for i in range(samples):
        drawn = {
            p: sorted(random.integers(d.low, d.high + 1, 2).tolist())
            if isinstance(d, IntDistribution)
            else sorted(np.round(random.uniform(d.low, d.high, 2), 3).tolist())
            for p, d in VARIED.items()
        }
        arms[f"sample-{i:04d}"] = {**drawn, **FIXED}
    made = []
    for i, (arm, ranges) in enumerate(arms.items()):
        for replicate in range(replicates):
            stopped = i > 5 and i % 7 == 0 and replicate > 0 and len(directions) == 1
            found = _trial(random, arm, replicate, ranges, stopped=stopped)
            if len(directions) > 1:
                found = _with_two_values(found)
            found.datetime_start = BEGIN + timedelta(minutes=len(made))
            seconds = found.user_attrs["seconds.total"]
            found.datetime_complete = found.datetime_start + timedelta(seconds=seconds)
            made.append(found)
    study.add_trials(made)
    for one in study.get_trials(deepcopy=False):
        put.add_epochs(storage, one._trial_id, _epochs(random, one.user_attrs["ranges"]))
    return study


def _trial(
    random: np.random.Generator,
    arm: str,
    replicate: int,
    ranges: dict[str, list[float]] | None,
    *,
    stopped: bool,
) -> FrozenTrial:
    attrs: dict[str, Any] = {"arm": arm, "replicate": replicate, "seed": replicate, "attempt": 1}
    attrs |= {"ranges": ranges, "formula": "visual_atom", "host": "box", "device": "cpu"}
    if arm.startswith("sample"):
        attrs["sampled"] = replicate == 0
    accuracy = (0.6 if ranges is None else quality(ranges)) + float(random.normal(0, 0.012))
    if ranges is None:
        attrs |= {"seconds.finetune": 20.0, "seconds.total": 20.0, "accuracy.digits": accuracy}
        return create_trial(value=accuracy, user_attrs=attrs)
    render = 4 + 0.05 * ranges["orbits"][1]
    reached = RUNGS[:2] if stopped else RUNGS
    probes = {}
    noted = {}
    for step in reached:
        share = step / RUNGS[-1]
        grown = 0.25 + (accuracy - 0.35) * (0.4 + 0.6 * share**0.5)
        probes[step] = grown + float(random.normal(0, 0.05 * (1.1 - share)))
        loss = 3.4 - 2 * accuracy * share**0.4 + float(random.normal(0, 0.04))
        noted[str(step)] = {"loss": loss, "seconds": render + 40 * share}
    attrs |= {"rungs": noted, "seconds.render": render, "seconds.pretrain": 40.0}
    attrs["seconds.total"] = render + (20.0 if stopped else 62.0)
    attrs["pretrain_loss"] = noted[str(reached[-1])]["loss"]
    for k, measure in enumerate(MEASURES):
        related = (k % 3 - 1) * accuracy + float(random.normal(0, 0.05))
        attrs[f"variety.{measure}"] = 10 + 5 * related
    if stopped:
        attrs["stopped"] = "median: below the median of the others"
    else:
        attrs["accuracy.digits"] = accuracy
    params = {f"{p}.{end}": v for p in VARIED for end, v in zip(ENDS, ranges[p], strict=True)}
    return create_trial(
        state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
        value=probes[reached[-1]] if stopped else accuracy,
        params=params,
        distributions={f"{p}.{end}": d for p, d in VARIED.items() for end in ENDS},
        user_attrs=attrs,
        intermediate_values=probes,
    )


ENDS = ("low", "high")


def _with_two_values(one: FrozenTrial) -> FrozenTrial:
    """Give a trial its second value, and put its rungs where Optuna has no place for them."""
    attrs = dict(one.user_attrs)
    for step, value in one.intermediate_values.items():
        attrs["rungs"] = attrs["rungs"] | {
            str(step): {**attrs["rungs"][str(step)], "accuracy": value}
        }
    return create_trial(
        values=[one.value, attrs.get("variety.vendi_features", -math.inf)],
        params=one.params,
        distributions=one.distributions,
        user_attrs=attrs,
    )


def _epochs(
    random: np.random.Generator, ranges: dict[str, list[float]] | None
) -> list[dict[str, Any]]:
    worth = 0.6 if ranges is None else quality(ranges)
    rows = []
    for phase, images in (("pretrain", 4096), ("finetune", 500)):
        if phase == "pretrain" and ranges is None:
            continue
        for epoch in range(1, EPOCHS + 1):
            loss = 3.2 * math.exp(-worth * epoch / 2) + float(random.normal(0, 0.02)) + 0.2
            rows.append(
                {
                    "phase": phase,
                    "epoch": epoch,
                    "images_seen": epoch * images,
                    "loss": loss,
                    "accuracy": worth * epoch / EPOCHS,
                    "seconds": 5.0,
                }
            )
    return rows
