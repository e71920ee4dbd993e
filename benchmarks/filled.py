"""Studies to measure on, with as many finished replicates behind them as are wanted."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState, create_trial

from explorer import store
from explorer.measures import MEASURES
from explorer.scores import Scores
from explorer.store import points, scoring, tables
from explorer.store.studies import sample_name
from explorer.study import Study, load_study

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
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_random = np.random.default_rng(0)


def plan(
    folder: Path, *, replicates: int, samples: int = 0, sampler: str = "random", arms: int = 0
) -> Study:
    """Return a study of so many named arms, of samples of four ranges, and from scratch."""
    text = _STUDY.format(replicates=replicates)
    if samples:
        text += _SAMPLED.format(sampler=sampler, samples=samples)
    text += "arms: {" + ", ".join(f"arm{i:03d}: {{orbits: [1, {i + 1}]}}" for i in range(arms))
    path = folder / f"bench-{uuid4().hex[:12]}.yaml"
    path.write_text(text + "}\n", encoding="utf-8")
    return load_study(str(path))


def scores(accuracy: float = 0.75) -> Scores:
    """Return what a replicate under ``laptop`` ends with."""
    epochs = [("pretrain", 1), *(("finetune", epoch) for epoch in range(1, 5))]
    row = {"images_seen": 8192, "loss": 1.25, "accuracy": 0.5, "seconds": 10.0}
    return Scores(
        accuracy,
        {"digits": accuracy},
        {"digits": [accuracy - 0.01, accuracy + 0.01]},
        variety={name: float(_random.uniform(0, 30)) for name in MEASURES},
        dataset="0" * 64,
        pretrain_loss=1.25,
        seconds={phase: float(_random.uniform(1, 60)) for phase in _PHASES},
        epochs=[{"phase": phase, "epoch": epoch, **row} for phase, epoch in epochs],
        host="node-17",
        device="NVIDIA H100 80GB HBM3",
    )


def fill(database: store.Database, study: Study, samples: int) -> int:
    """Finish so many samples of a study; returns the number of rows of ours."""
    opened = store.open_study(database, study)
    space, trials = points.distributions(study), []
    ranges: dict[str, Any] = {}
    for i in range(samples):
        params = {name: _draw(each) for name, each in space.items()}
        ranges[sample_name(i)] = points.to_ranges(study, params)
        trials.append(_trial(study, sample_name(i), ranges[sample_name(i)], params, space))
    opened.add_trials(trials)
    heads, rungs, epochs = [], [], []
    keys = [(arm, r) for arm in ranges for r in range(study.file.replicates)]
    for number, (arm, replicate) in enumerate(keys, start=1):
        each, began = scores(0.3 + 0.02 * _random.standard_normal()), timedelta(minutes=number)
        row = {"id": number, "study": study.name, "arm": arm, "replicate": replicate, "attempt": 1}
        row |= {"seed": replicate, "formula": study.space.formula, "state": tables.COMPLETE}
        row |= {"ranges": json.dumps(ranges[arm]), "run": "0" * 32}
        row |= {"trial": (number - 1) // study.file.replicates, "started": _BEGAN + began}
        heads.append({**row, **scoring.to_row(each), "ended": _BEGAN + began * 1.5})
        rungs += [
            {"replicate_id": number, "images_seen": s, "accuracy": 0.4, "loss": 2.1, "seconds": 9.0}
            for s in _RUNGS
        ]
        epochs += [{"replicate_id": number, **epoch} for epoch in each.epochs]
    with database.writing() as connection:
        for table, rows in (
            (tables.replicates, heads),
            (tables.rungs, rungs),
            (tables.epochs, epochs),
        ):
            connection.execute(sa.insert(table), rows)
    return len(heads) + len(rungs) + len(epochs)


def _draw(distribution: Any) -> float:
    value = float(_random.uniform(distribution.low, distribution.high))
    return math.floor(value) if isinstance(distribution.low, int) else value


def _trial(study: Study, arm: str, ranges: Any, params: Any, space: Any) -> FrozenTrial:
    return create_trial(
        state=TrialState.COMPLETE,
        value=0.3 + 0.02 * _random.standard_normal(),
        params=params,
        distributions=space,
        user_attrs={
            **points.attributes(study, arm, ranges),
            **{f"variety.{name}": 0.5 for name in MEASURES},
            "n": study.file.replicates,
            "seconds": 60.0,
        },
        intermediate_values=dict.fromkeys(_RUNGS, 0.4),
    )


@contextmanager
def database(server: str | None) -> Iterator[str]:
    """Make an empty database, and delete it in the end: a SQLite file, or one beside ``server``."""
    if server is None:
        with TemporaryDirectory(prefix="explorer-bench-") as folder:
            yield f"sqlite:///{folder}/bench.db"
        return
    name, url = f"explorer_bench_{uuid4().hex}", sa.make_url(server)
    there = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with there.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with there.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        there.dispose()
