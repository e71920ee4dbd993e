"""How well short trials order ranges as long ones do: one study under several protocols.

Every rung of every protocol, and its end, is a measurement that a study could stop at. Each is
compared with the end of the longest protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from explorer import store as db
from explorer.errors import InputError, nearest
from explorer.report.agreement import (
    Agreement,
    Estimate,
    intraclass,
    kendall,
    rank_agreement,
    spearman,
)
from explorer.report.definition import definition, find_study
from explorer.report.frame import load
from explorer.report.one_trial import agreement_of_one, best_arm, chances_of_pick
from explorer.report.slots import progress, slots

SEPARATOR = "@"
"""Between the name of a study and the protocol that it ran under."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What one measurement is worth.

    Attributes:
        protocol: Name of the protocol.
        measurement: ``probe`` or ``loss`` (of pre-training, low before high) at a rung,
            ``accuracy`` at the end of a trial.
        images: Pre-training images seen by then; ``None`` where trials do not say.
        seconds: Mean wall-clock seconds of a pre-trained trial up to there.
        arms: Arms that have a value.
        trials: Trials that it was measured in.
        intraclass: Share of its variance that is between arms.
        kendall: Agreement in order with the reference by Kendall's tau; ``None`` for the reference
            itself.
        spearman: The same by Spearman's coefficient.
        single: Kendall's tau with the reference that one trial an arm has in the mean. A trial of
            the reference's own protocol is compared with the means of the others there.
        best: Chance that one trial an arm picks the arm that is best in the reference.
        loss: Accuracy that the arm picked so lacks in the reference, in the mean.
    """

    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    arms: int
    trials: int
    intraclass: Estimate | None
    kendall: Agreement | None
    spearman: Agreement | None
    single: float | None
    best: float | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class FidelityReport:
    """What every measurement of a study under several protocols is worth.

    Attributes:
        study: Name of the study.
        reference: The longest protocol, whose end all are compared with.
        reference_study: Name of the study under it.
        arms: Mean accuracy of every arm at that end, best first.
        rows: The measurements, protocol by protocol from the shortest, in the order of a trial.
        missing: Trials that are planned and not complete, over all protocols.
    """

    study: str
    reference: str
    reference_study: str
    arms: Mapping[str, float]
    rows: tuple[Fidelity, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class _Measured:
    protocol: str
    measurement: str
    images: int | None
    seconds: float | None
    values: Mapping[str, list[float]]


def members(name: str, storage: BaseStorage) -> list[str]:
    """Return the names under which a study is in a storage: its own and ``name@protocol``."""
    names = optuna.get_all_study_names(storage)
    return sorted(n for n in names if n == name or n.startswith(f"{name}{SEPARATOR}"))


def fidelity(name: str, storage: BaseStorage) -> FidelityReport:
    """Compare the protocols that a study has run under.

    The arm that is not pre-trained has no rungs and no ranges; it is left out. A pruned trial
    counts at the rungs that it reached.

    Args:
        name: Name of the study, without a protocol.
        storage: Where it is.

    Raises:
        InputError: If the study has not run under two protocols with at least three common arms.
    """
    found = [find_study(one, storage) for one in members(name, storage)]
    if not found:
        known = {n.partition(SEPARATOR)[0] for n in optuna.get_all_study_names(storage)}
        raise InputError("study", None, name, f"not in this database; {nearest(name, known)}")
    ordered = sorted(found, key=_length)
    pairs = [slots(load(study)) for study in ordered]
    measured = [m for study, own in zip(ordered, pairs, strict=True) for m in _measured(study, own)]
    reference = next((m for m in reversed(measured) if m.measurement == "accuracy"), None)
    if reference is None or len({m.protocol for m in measured}) < 2:
        remedy = "has not finished trials under two protocols; run it again with another --protocol"
        raise InputError("study", None, name, remedy)
    if len(reference.values) < 3:
        remedy = f"has only {len(reference.values)} arms under {reference.protocol}; three order"
        raise InputError("study", None, name, remedy)
    means = {arm: float(np.mean(values)) for arm, values in reference.values.items()}
    named = {definition(s).protocol: s.study_name for s in ordered}
    states = [progress(own, definition(s)) for s, own in zip(ordered, pairs, strict=True)]
    return FidelityReport(
        study=name,
        reference=reference.protocol,
        reference_study=named[reference.protocol],
        arms=dict(sorted(means.items(), key=lambda item: -item[1])),
        rows=tuple(_row(m, reference) for m in measured),
        missing=sum(state.total - state.complete for state in states),
    )


def _row(measured: _Measured, reference: _Measured) -> Fidelity:
    picked = chances_of_pick({a: v for a, v in measured.values.items() if a in reference.values})
    means = {arm: float(np.mean(reference.values[arm])) for arm in picked}
    best = best_arm(reference.values)
    paired = measured.protocol == reference.protocol
    agree = {
        statistic: None
        if measured is reference
        else rank_agreement(measured.values, reference.values, statistic, paired=paired)
        for statistic in (kendall, spearman)
    }
    return Fidelity(
        protocol=measured.protocol,
        measurement=measured.measurement,
        images=measured.images,
        seconds=measured.seconds,
        arms=len(measured.values),
        trials=sum(map(len, measured.values.values())),
        intraclass=intraclass(measured.values),
        kendall=agree[kendall],
        spearman=agree[spearman],
        single=agreement_of_one(measured.values, reference.values, paired=paired),
        best=picked.get(best) if best else None,
        loss=max(means.values()) - sum(picked[arm] * means[arm] for arm in picked)
        if means
        else None,
    )


def _measured(
    study: optuna.Study, pairs: Mapping[tuple[str, int], Mapping[str, Any]]
) -> list[_Measured]:
    protocol = definition(study).protocol
    counted = {row["number"] for row in pairs.values()}
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.number in counted and trial.user_attrs.get("ranges")
    ]
    reached_by = {trial.number: db.rung_values(trial) for trial in trials}
    rungs = sorted({step for steps in reached_by.values() for step in steps})
    found = []
    for step in rungs:
        here = [trial for trial in trials if step in reached_by[trial.number]]
        more = [trial.user_attrs.get("rungs", {}).get(str(step), {}) for trial in here]
        reached = _mean([said.get("seconds") for said in more])
        values = _by_arm(here, [reached_by[trial.number][step] for trial in here])
        found.append(_Measured(protocol, "probe", step, reached, values))
        if all("loss" in said for said in more):
            # The arm that is learned fastest counts as the best.
            losses = _by_arm(here, [-said["loss"] for said in more])
            found.append(_Measured(protocol, "loss", step, reached, losses))
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    seconds = [trial.user_attrs.get("seconds.total") for trial in ended]
    values = _by_arm(ended, [trial.values[0] for trial in ended])
    if values:
        images = max(rungs) if rungs else None
        found.append(_Measured(protocol, "accuracy", images, _mean(seconds), values))
    return [measured for measured in found if measured.values]


def _by_arm(trials: Sequence[FrozenTrial], values: Sequence[float]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for trial, value in zip(trials, values, strict=True):
        found.setdefault(trial.user_attrs["arm"], []).append(value)
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _length(study: optuna.Study) -> float:
    """Return how many pre-training images a trial of a study sees."""
    protocol = (study.user_attrs.get("definition") or {}).get("protocol") or {}
    dataset, pretrain = protocol.get("dataset") or {}, protocol.get("pretrain") or {}
    sizes = (dataset.get("categories"), dataset.get("instances"), pretrain.get("epochs"))
    return float(np.prod([size or 0 for size in sizes]))
