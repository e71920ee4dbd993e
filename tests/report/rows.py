"""Made-up studies, written straight into the tables of a database: nothing of them was run.

``ablation`` names its arms (scratch, three ranges; three seeds; two arms were tried again);
``sampled`` has two objectives, and arms that a sampler proposed, some of which were stopped early.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa

from explorer import store
from explorer.store import Database, tables

BEGIN = datetime(2026, 11, 23, 6, 0)  # noqa: DTZ001 - the times of the tables are naive
ARMS: dict[str, dict[str, list[float]] | None] = {
    "scratch": None,
    "none": {"frequency": [0, 0]},
    "best_practice": {"frequency": [0, 20]},
    "high": {"frequency": [20, 60]},
}
SCORES = {
    "scratch": [0.70, 0.72, 0.71],
    "none": [0.69, 0.73, 0.72],
    "best_practice": [0.80, 0.82, 0.83],
    "high": [0.78, 0.81, 0.80],
}
SPACE = {
    "frequency": {"low": [0, 200], "high": [0, 200], "default": [0, 20]},
    "orbits": {"low": [1, 200], "high": [1, 200], "default": [1, 200]},
    "noise": {"low": [0, 20], "high": [0, 20], "default": [0, 4]},
}
DEFAULTS = {p: ends["default"] for p, ends in SPACE.items()}


def define(name: str, **changes: Any) -> dict[str, Any]:
    """Return a definition as ``Study.definition()`` makes it, as far as a report reads it."""
    return {
        "name": name,
        "description": "Which frequencies?\n",
        "baseline": "scratch",
        "replicates": 3,
        "seed": 0,
        "arms": ARMS,
        "sampler": None,
        "vary": [],
        "objectives": [{"accuracy": "maximize"}],
        "pruner": {"name": "none"},
        "search_space": {"name": "visual_atom", "formula": "visual_atom", "parameters": SPACE},
        "arm_spaces": {},
        "arm_changes": {},
        "protocol": {
            "name": "laptop",
            "dataset": {"categories": 32, "instances": 128, "canvas": 128},
            "pretrain": {"epochs": 2, "rungs": [0.5, 1.0]},
            "downstream": [{"name": "digits"}],
        },
        **changes,
    }


def make_study(
    database: Database, name: str, rows: Iterable[Mapping[str, Any]] = (), **changes: Any
) -> str:
    """Make a study of these rows (see :func:`row`), and return its name."""
    definition = define(name, **changes)
    ways = [way for entry in definition["objectives"] for way in entry.values()]
    study = optuna.create_study(study_name=name, directions=ways, storage=database.optuna)
    study.set_user_attr("definition", definition)
    add_rows(database, name, rows)
    return name


def add_rows(database: Database, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a study that is there."""
    details: dict[str, list[dict[str, Any]]] = {"rungs": [], "epochs": []}
    with database.engine.begin() as connection:
        last = connection.execute(sa.select(sa.func.max(tables.replicates.c.id))).scalar() or 0
        plain = []
        for key, entry in enumerate(rows, last + 1):
            columns = {column.name: entry.get(column.name) for column in tables.replicates.c}
            plain.append(columns | {"id": key, "study": name})
            for kind, found in details.items():
                found += [{"replicate_id": key, **detail} for detail in entry.get(kind, ())]
        for table, found in ((tables.replicates, plain), (tables.rungs, details["rungs"]),
                             (tables.epochs, details["epochs"])):  # fmt: skip
            if found:
                connection.execute(table.insert(), found)


def row(
    arm: str,
    replicate: int,
    accuracy: float | None = None,
    *,
    ranges: Mapping[str, Any] | None = None,
    state: str = "COMPLETE",
    attempt: int = 1,
    minute: int = 0,
    variety: Mapping[str, float] | None = None,
    tasks: Mapping[str, float] | None = None,
    companions: Mapping[str, float] | None = None,
    scored: bool = True,
    **columns: Any,
) -> dict[str, Any]:
    """Return a row of ``explorer_replicates`` with its ``rungs`` and ``epochs``.

    It takes a minute from ``minute`` after :data:`BEGIN` on. Without ``ranges`` nothing was
    pre-trained; ``variety`` follows from them, and ``tasks`` is one, unless given. What is not
    ``scored`` was not trained either.
    """
    full = None if ranges is None else {**DEFAULTS, **ranges}
    started = BEGIN + timedelta(minutes=minute)
    begun, ended = state != "WAITING", state in {"COMPLETE", "PRUNED", "FAIL"}
    scores: dict[str, Any] | None = None
    if state == "COMPLETE":
        high = full["frequency"][1] if full else 0
        made = {"vendi_features": 100.0 + high + replicate, "edge_density": 0.1}
        scores = {
            "accuracies": (tasks or {"digits": accuracy}) if scored else {},
            "repeats": {},
            "variety": (made if full else {}) if variety is None else variety,
            "companions": companions or {},
            "seconds": {**({"pretrain": 40.0} if full else {}), "finetune": 20.0, "total": 60.0},
            "pretrain_loss": 2.5 if full else None,
            "remarks": [],
            "dataset": "b57c" if full else None,
        }
    reached = scored and full is not None and state in {"COMPLETE", "PRUNED", "RUNNING"}
    probes = [(4096, 0.3), (8192, 0.4)][: 2 if state == "COMPLETE" else 1]
    train = scored and full is not None and state == "COMPLETE"
    return {
        "arm": arm,
        "replicate": replicate,
        "attempt": attempt,
        "seed": replicate,
        "formula": None if full is None else "visual_atom",
        "ranges": None if full is None else json.dumps(full),
        "trial": None,
        "state": state,
        "run": "a" * 32 if begun else None,
        "accuracy": accuracy,
        "scores": None if scores is None else json.dumps(scores),
        "seconds": 60.0 if ended else None,
        "host": "box" if begun else None,
        "device": "cpu" if begun else None,
        "started": started if begun else None,
        "ended": started + timedelta(minutes=1) if ended else None,
        "rungs": [
            {"images_seen": n, "accuracy": p, "loss": 3.0 - p, "seconds": n / 256}
            for n, p in (probes if reached else ())
        ],
        "epochs": [
            {"phase": phase, "epoch": epoch, "images_seen": 4096 * epoch, "loss": 3.0 / epoch,
             "accuracy": 0.2 * epoch, "seconds": 9.0}
            for phase in ("pretrain", "finetune") for epoch in (1, 2) if train
        ],
        **columns,
    }  # fmt: skip


def ablation_rows() -> list[dict[str, Any]]:
    """Return every row of the ablation, replicate by replicate as a run takes them."""
    return [
        row(arm, replicate, SCORES[arm][replicate], ranges=ranges, minute=4 * replicate + i)
        for replicate in range(3)
        for i, (arm, ranges) in enumerate(ARMS.items())
    ]


def ablation(database: Database, name: str = "ablation") -> str:
    """A finished study of named arms; two replicates were lost once and taken again."""
    rows = ablation_rows()
    lost = {"state": "FAIL", "failure_kind": "worker died", "reason": "worker died: SIGKILL"}
    first = [row("none", 0, ranges=ARMS["none"], **lost), row("scratch", 1, **lost)]
    for again in rows:
        if (again["arm"], again["replicate"]) in {("none", 0), ("scratch", 1)}:
            again["attempt"] = 2
    return make_study(database, name, [*first, *rows])


def unfinished(database: Database, name: str = "unfinished") -> str:
    """A study of which two replicates run, one has failed, and six wait."""
    wrong = {"state": "FAIL", "failure_kind": "error", "reason": "ValueError: loss is nan"}
    rows = ablation_rows()[:3]
    rows.append(row("high", 0, ranges=ARMS["high"], minute=3, **wrong))
    rows += [row("scratch", 1, state="RUNNING", minute=4)]
    rows += [row("none", 1, ranges=ARMS["none"], state="RUNNING", minute=5)]
    rows += [row(arm, r, ranges=ARMS[arm], state="WAITING") for arm, r in (
        ("best_practice", 1), ("high", 1), *((arm, 2) for arm in ARMS))]  # fmt: skip
    return make_study(database, name, rows)


def quality(ranges: Mapping[str, Any]) -> float:
    """Return what ranges are worth: best around frequencies of 30 and little noise."""
    middle = sum(ranges["frequency"]) / 2
    peak = np.exp(-(((np.log(middle + 5) - np.log(30)) / 0.9) ** 2))
    return float(0.62 + 0.17 * peak + 0.03 * ranges["orbits"][1] / 200 - 0.004 * ranges["noise"][1])


def sampled(
    database: Database,
    name: str = "sampled",
    *,
    samples: int = 24,
    replicates: int = 2,
    scatter: float = 0.01,
    **changes: Any,
) -> str:
    """A study with two objectives: two named arms and ``samples`` sampled ones.

    Every eighth sampled arm was stopped at its first rung, the third has a failed replicate.
    """
    random = np.random.default_rng(0)
    arms: dict[str, Any] = {"scratch": None, "best_practice": {}}
    for number in range(samples):
        arms[f"sample-{number:04}"] = {
            p: sorted(int(v) for v in random.integers(ends["low"][0], ends["low"][1] + 1, 2))
            for p, ends in SPACE.items()
        }
    rows = []
    for index, (arm, ranges) in enumerate(arms.items()):
        number = index - 2 if arm.startswith("sample-") else None
        trial = None if ranges is None else index - 1
        for replicate in range(replicates):
            minute = 2 * index + replicate
            common = {"ranges": ranges, "minute": minute, "trial": trial}
            if number is not None and number % 8 == 7:
                stopped = "stopped at 4096 images by median"
                rows.append(row(arm, replicate, state="PRUNED", reason=stopped, **common))
                continue
            if number == 3 and replicate == 1:
                wrong = {"failure_kind": "error", "reason": "CUDA out of memory"}
                rows.append(row(arm, replicate, state="FAIL", **wrong, **common))
                continue
            value = 0.6 if ranges is None else quality({**DEFAULTS, **ranges})
            variety = None
            if ranges is not None:
                wide = float(np.ptp(ranges.get("frequency", [0, 20])))
                vendi = 10 + wide / 10 + random.normal(0, 0.3)
                variety = {"vendi_features": vendi, "edge_density": 0.4 + random.normal(0, 0.01)}
            accuracy = value + scatter * random.standard_normal()
            rows.append(row(arm, replicate, accuracy, variety=variety, **common))
    known = {
        "baseline": "best_practice",
        "replicates": replicates,
        "arms": {"scratch": None, "best_practice": {"frequency": [0, 20]}},
        "sampler": {"name": "tpe", "samples": samples},
        "vary": list(SPACE),
        "objectives": [{"accuracy": "maximize"}, {"variety.vendi_features": "maximize"}],
        "pruner": {"name": "median"},
    }
    return make_study(database, name, rows, **known | changes)


def from_csv(
    database: Database, name: str, path: Path, arms: Mapping[str, Any], **changes: Any
) -> str:
    """Make a study of the complete rows of a csv that ``report --trials`` wrote."""
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for entry in csv.DictReader(file):
            if entry["state"] != "COMPLETE":
                continue
            variety = {
                key.removeprefix("variety."): float(value)
                for key, value in entry.items()
                if key.startswith("variety.") and value
            }
            rows.append(row(entry["arm"], int(entry["replicate"]), float(entry["accuracy"]),
                            ranges=arms[entry["arm"]], variety=variety))  # fmt: skip
    return make_study(database, name, rows, arms=arms, **changes)


def connect(folder: Path) -> Database:
    """Make a database in a folder."""
    return store.connect(f"sqlite:///{folder}/explorer.db", create=True)
