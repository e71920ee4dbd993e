"""A large finished study, made by inserting its rows as explorer leaves them in a database."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from explorer import search
from explorer import store as db
from explorer import study as config
from explorer.store.rows import attr_rows, param_rows
from explorer.variety import MEASURES

_STUDY = """\
description: A study to measure on.
search_space: visual_atom
protocol: laptop
replicates: {replicates}
"""
_SAMPLED = """\
sampler: {{name: {sampler}, samples: {samples}}}
vary: [frequency, orbits, noise, line_width]
"""
_RUNGS = (2048, 4096, 8192)
_PHASES = ("render", "variety", "pretrain", "probe", "finetune", "total")
_TABLES = (
    "trials",
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "explorer_epochs",
)
_AT_ONCE = 500
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)

_Rows = dict[str, list[dict[str, Any]]]


def plan(
    folder: Path,
    *,
    replicates: int,
    samples: int = 0,
    sampler: str = "random",
    arms: int = 0,
    name: str | None = None,
) -> config.Study:
    """Return a study of so many arms and from scratch.

    Args:
        folder: Where its file is written.
        replicates: Replicates of each arm.
        samples: Arms that a sampler proposes, varying four ranges.
        sampler: The sampler.
        arms: Arms that the file names.
        name: What it is called; a name of its own where ``None``.
    """
    text = _STUDY.format(replicates=replicates)
    if samples:
        text += _SAMPLED.format(sampler=sampler, samples=samples)
    text += "arms: {" + ", ".join(f"arm{i:03d}: {{orbits: [1, {i + 1}]}}" for i in range(arms))
    path = folder / f"{name or f'bench-{uuid4().hex[:12]}'}.yaml"
    path.write_text(text + "}\n", encoding="utf-8")
    return config.load_study(str(path))


@contextmanager
def filled(storage: db.Database, planned: config.Study) -> Iterator[int]:
    """Have a study finished in a database for the length of a block, and delete it then.

    Yields:
        The number of rows that its trials are made of.
    """
    study = search.open_study(storage, planned)
    study_id = study._study_id  # noqa: SLF001 - the rows of its trials name it
    try:
        with storage.engine.begin() as connection:
            rows = _insert(connection, study_id, planned)
        with storage.engine.begin() as connection:
            connection.execute(sa.text("ANALYZE"))  # as a server does by itself, after a while
        yield rows
    finally:
        with storage.engine.begin() as connection:
            _delete(connection, study_id)
        optuna.delete_study(study_name=planned.name, storage=storage)


def _insert(connection: sa.Connection, study_id: int, planned: config.Study) -> int:
    tables = _tables(connection)
    trials = tables["trials"]
    head = sa.insert(trials).returning(trials.c.trial_id, sort_by_parameter_order=True)
    maker = _Maker(planned)
    slots = maker.slots()
    count = 0
    for first in range(0, len(slots), _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, len(slots)))
        heads = [
            {
                "number": number,
                "study_id": study_id,
                "state": TrialState.COMPLETE.name,
                "datetime_start": _BEGAN + timedelta(minutes=number),
                "datetime_complete": _BEGAN + timedelta(minutes=number + 1),
            }
            for number in some
        ]
        rows: _Rows = {name: [] for name in _TABLES[1:]}
        for trial_id, number in zip(connection.execute(head, heads).scalars(), some, strict=True):
            maker.add(rows, trial_id, *slots[number])
        for name, of_table in rows.items():
            if of_table:
                connection.execute(sa.insert(tables[name]), of_table)
            count += len(of_table)
        count += len(heads)
    return count


def _delete(connection: sa.Connection, study_id: int) -> None:
    """Delete the trials by a statement a table; Optuna would do it row by row."""
    tables = _tables(connection)
    trials = tables["trials"]
    of_study = sa.select(trials.c.trial_id).where(trials.c.study_id == study_id)
    for name in reversed(_TABLES):
        connection.execute(sa.delete(tables[name]).where(tables[name].c.trial_id.in_(of_study)))


def _tables(connection: sa.Connection) -> dict[str, sa.Table]:
    metadata = sa.MetaData()
    metadata.reflect(connection, only=_TABLES)
    return dict(metadata.tables)


class _Maker:
    """Makes up what a trial has reported; the high ends of two ranges decide over its accuracy."""

    def __init__(self, planned: config.Study) -> None:
        self._planned = planned
        self._random = np.random.default_rng(0)
        self._distributions = search.distributions(planned)
        self._params: dict[str, dict[str, float]] = {}

    def slots(self) -> list[tuple[str, int]]:
        sampler = self._planned.file.sampler
        samples = [f"sample-{i:04d}" for i in range(sampler.samples if sampler else 0)]
        arms = [*self._planned.arms, *samples]
        return [(arm, r) for arm in arms for r in range(self._planned.file.replicates)]

    def add(self, rows: _Rows, trial_id: int, arm: str, replicate: int) -> None:
        """Add the rows of a trial to those of each table."""
        if arm not in self._params:
            self._params[arm] = self._chosen(arm)
        params = self._params[arm]
        accuracy = 0.3 + 0.02 * float(self._random.standard_normal())
        if params:
            frequency, noise = params.get("frequency.high", 20), params.get("noise.high", 4)
            accuracy += 0.3 * (1 - math.exp(-frequency / 300) - noise / 40)
        attrs = self._attrs(arm, replicate, accuracy, params)
        rows["trial_user_attributes"] += attr_rows(trial_id, attrs)
        rows["trial_params"] += param_rows(trial_id, params, self._distributions)
        rows["trial_values"].append(
            {"trial_id": trial_id, "objective": 0, "value": accuracy, "value_type": "FINITE"}
        )
        rows["trial_intermediate_values"] += [
            {
                "trial_id": trial_id,
                "step": step,
                "intermediate_value": accuracy * (0.6 + 0.1 * i),
                "intermediate_value_type": "FINITE",
            }
            for i, step in enumerate(_RUNGS if params else ())
        ]
        rows["explorer_epochs"] += [
            {
                "trial_id": trial_id,
                "phase": phase,
                "epoch": epoch,
                "images_seen": 500 * epoch,
                "loss": 2.0 / epoch,
                "accuracy": accuracy,
                "seconds": 5.0,
            }
            for phase, epochs in ((("pretrain", 1),) if params else ()) + (("finetune", 4),)
            for epoch in range(1, epochs + 1)
        ]

    def _chosen(self, arm: str) -> dict[str, float]:
        if arm in self._planned.arms:
            ranges = self._planned.arms[arm]
            return {} if ranges is None else search.to_params(self._planned, ranges)
        params: dict[str, float] = {}
        for parameter in self._planned.varied:
            ends = [self._end(self._distributions[f"{parameter}.{end}"]) for end in ("low", "high")]
            params[f"{parameter}.low"], params[f"{parameter}.high"] = sorted(ends)
        return params

    def _end(self, distribution: BaseDistribution) -> float:
        least, greatest = search.space.bounds(distribution)
        value = float(self._random.uniform(least, greatest))
        return float(distribution.to_internal_repr(round(value, 3)))

    def _attrs(
        self, arm: str, replicate: int, accuracy: float, params: dict[str, float]
    ) -> dict[str, Any]:
        attrs: dict[str, Any] = {
            "arm": arm,
            "replicate": replicate,
            "seed": replicate,
            "attempt": 1,
            "formula": self._planned.space.formula,
            "ranges": search.to_ranges(self._planned, params) if params else None,
            "run": "0" * 32,
            **({} if arm in self._planned.arms else {"sampled": True}),
            "host": "node-17",
            "device": "NVIDIA H100 80GB HBM3",
            "accuracy.digits": accuracy,
            "repeats.digits": [accuracy - 0.01, accuracy + 0.01],
            **{f"seconds.{phase}": float(self._random.uniform(1, 60)) for phase in _PHASES},
        }
        if params:
            attrs |= {f"variety.{m}": float(self._random.uniform(0, 30)) for m in MEASURES}
            attrs |= {"dataset": f"{self._random.integers(2**62):064x}", "pretrain_loss": 2.1}
            attrs["rungs"] = {str(step): {"loss": 2.1, "seconds": 20.5} for step in _RUNGS}
        return attrs
