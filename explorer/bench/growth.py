"""What it costs to ask for a trial and to tell its result, as a study grows.

Trials are asked for, report three rungs, and end with what a trial under ``laptop`` reports: some
thirty attributes and five rows of epoch curves. The study behind them has so many that have ended
and have left as much.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from optuna.trial import TrialState

from explorer import config
from explorer import storage as db
from explorer.bench import studies
from explorer.scores import Rung
from explorer.search import Queue, distributions, to_ranges
from explorer.storage import rows, tables
from explorer.storage.attempts import read_attempts
from explorer.variety import MEASURES

WAYS = ("grid", "random", "qmc", "tpe")
"""Arms that the study file names, and samplers."""

_RUNGS = (819, 2048, 8192)
_PHASES = ("render", "variety", "pretrain", "probe", "finetune", "total")


@dataclass(frozen=True)
class Cost:
    """What a trial costs a driver beside its evaluation.

    Attributes:
        way: One of :data:`WAYS`.
        database: ``sqlite`` or ``postgresql``.
        finished: Trials that have ended before.
        start: Seconds until a driver that starts knows what is to do.
        first: Seconds of the first trial that it asks for; where a sampler learns from all trials,
            it reads them then.
        ask: Seconds of one more, the median.
        tell: Seconds of three rungs and the end of a trial, the median.
    """

    way: str
    database: str
    finished: int
    start: float
    first: float
    ask: float
    tell: float


def measure(url: str, folder: Path, way: str, finished: int, *, trials: int) -> Cost:
    """Measure the cost of a trial behind so many finished ones.

    Args:
        url: An empty database.
        folder: Where the study's file is written.
        way: One of :data:`WAYS`.
        finished: Trials that have ended.
        trials: Trials to measure.
    """
    wanted = finished + trials + 1
    study = studies.grid(folder, wanted) if way == "grid" else studies.sampled(folder, way, wanted)
    storage = db.connect(url, create=True)
    with db.disposing(storage), db.Run(storage, study.name) as run:
        _finish(storage, study, run.run_id, finished)
        start, queue = _timed(lambda: _queue(storage, study, run.run_id))
        if study.file.sampler is not None:  # from scratch, which no sampler proposes, is first
            _tell(queue, queue.take().number)
        asked, told = [], []
        for _ in range(trials + 1):
            seconds, proposal = _timed(queue.take)
            assert proposal is not None  # noqa: S101 - there are as many
            asked.append(seconds)
            told.append(_timed(partial(_tell, queue, proposal.number))[0])
    first, *others = asked
    return Cost(
        way=way,
        database=storage.engine.dialect.name,
        finished=finished,
        start=start,
        first=first,
        ask=statistics.median(others),
        tell=statistics.median(told[1:]),
    )


def _queue(storage: db.Database, study: config.Study, run_id: str) -> Queue:
    queue = Queue(storage, study, run_id)
    queue.recover()
    return queue


def _tell(queue: Queue, number: int) -> None:
    for images in _RUNGS:
        queue.report(number, Rung(images, 0.5, 1.5, 10.0))
    queue.complete(number, 0.75, found(), epochs=curves(), result_key=f"{number:064d}")


def found() -> dict[str, Any]:
    """Return the attributes that a trial under ``laptop`` ends with."""
    return {
        "dataset": "0" * 64,
        "pretrain_loss": 1.25,
        "host": "here",
        "device": "cpu",
        "accuracy.digits": 0.75,
        "repeats.digits": [0.74, 0.76],
        **{f"variety.{measure}": 1 / 3 for measure in MEASURES},
        **{f"seconds.{phase}": 10.0 for phase in _PHASES},
    }


def curves() -> list[dict[str, Any]]:
    """Return the rows of its epoch curves."""
    epochs = [("pretrain", 1), *(("finetune", epoch) for epoch in range(1, 5))]
    row = {"images_seen": 8192, "loss": 1.25, "accuracy": 0.5, "seconds": 10.0}
    return [{"phase": phase, "epoch": epoch, **row} for phase, epoch in epochs]


def _finish(storage: db.Database, study: config.Study, run_id: str, count: int) -> None:
    """Make a study that has as many trials that have ended, by a few large statements."""
    if study.file.sampler is None:
        _queue(storage, study, run_id)  # all of its slots wait
        study_id = storage.get_study_id_from_name(study.name)
    else:
        Queue(storage, study, run_id)
        study_id = storage.get_study_id_from_name(study.name)
        space = distributions(study)
        db.enqueue(storage, study_id, _drafts(study, count), space)
    waiting = read_attempts(storage, study_id, since=0)[:count]
    ids = [one.trial_id for one in waiting]
    now = rows.now()
    ended = {"state": TrialState.COMPLETE, "datetime_start": now, "datetime_complete": now}
    said = {**found(), "rungs": {str(r): {"loss": 1.5, "seconds": 10.0} for r in _RUNGS}}
    with storage.engine.begin() as connection:
        for begin in range(0, len(ids), 500):
            some = ids[begin : begin + 500]
            change = sa.update(rows.trials).where(rows.trials.c.trial_id.in_(some))
            connection.execute(change.values(ended))
            attrs = [row for one in some for row in rows.attr_rows(one, said)]
            connection.execute(sa.insert(rows.attrs), attrs)
            curve = [{"trial_id": one, **row} for one in some for row in curves()]
            connection.execute(sa.insert(tables.epochs), curve)
        for i, one in enumerate(ids):
            rows.add_steps(connection, one, dict.fromkeys(_RUNGS, 0.5))
            rows.add_values(connection, one, [0.5 + i / (4 * len(ids))])


def _drafts(study: config.Study, count: int) -> Sequence[db.Draft]:
    space, drawn = distributions(study), np.random.default_rng(0)
    drafts = []
    for number in range(count):
        params: dict[str, float] = {}
        for parameter in study.varied:
            bounds = study.space.parameters[parameter]
            ends = sorted(drawn.uniform(max(bounds.low[0], 0.0), bounds.high[1], 2))
            for end, value in zip(("low", "high"), ends, strict=True):
                one = space[f"{parameter}.{end}"]
                params[f"{parameter}.{end}"] = one.to_external_repr(one.to_internal_repr(value))
        attrs: Mapping[str, Any] = {
            "arm": f"sample-{number:04d}",
            "replicate": 0,
            "seed": 0,
            "attempt": 1,
            "sampled": True,
            "formula": study.space.formula,
            "ranges": to_ranges(study, params),
        }
        drafts.append(db.Draft(attrs, params))
    return drafts


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    answer = call()
    return time.perf_counter() - begin, answer
