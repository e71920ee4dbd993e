"""What it costs to ask for a trial and to tell its result, as a study grows.

Trials are asked for, report three rungs, and end with what a trial under ``laptop`` reports: some
thirty attributes and five rows of epoch curves. The study behind them has so many that have ended
and have left as much.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from explorer import store as db
from explorer import study as config
from explorer.bench.filled import filled, plan
from explorer.scores import Rung
from explorer.search import Queue
from explorer.variety import MEASURES

WAYS = ("grid", "random", "qmc", "tpe")
"""Arms that the study file names, and samplers."""

_ARMS = 50
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
        finished: Trials that have ended; for a grid, fifties of them.
        trials: Trials to measure.
    """
    storage = db.connect(url, create=True)
    with (
        db.disposing(storage),
        filled(storage, _plan(folder, way, finished)),
        db.Run(storage, way) as run,
    ):
        more = _plan(folder, way, finished, trials + 1)
        start, queue = _timed(lambda: _queue(storage, more, run.run_id))
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


def _plan(folder: Path, way: str, finished: int, more: int = 0) -> config.Study:
    """Return a study that asks for so many trials, and more, at least, than these."""
    if way == "grid":
        replicates = -(-finished // _ARMS) + -(-more // _ARMS)
        return plan(folder, name=way, arms=_ARMS - 1, replicates=replicates)
    return plan(folder, name=way, sampler=way, samples=finished + more, replicates=1)


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


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    answer = call()
    return time.perf_counter() - begin, answer
