"""What Ray Tune and the database cost beside the evaluation of a trial.

Two workers work off a study, once with our searcher, scheduler and queue, once as Ray's own parts
are put together in its documentation: Tune, a function that reports once, ``OptunaSearch`` over a
database. Each has a process of its own, as Ray's settings belong to a process; both databases are
SQLite files. What is measured begins when both workers have ended a trial: to start Ray, workers
and torch is no part of it.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from explorer import store as db
from explorer.bench import growth
from explorer.bench.filled import plan
from explorer.scores import Scores

WORKERS = 2


@dataclass(frozen=True)
class Pace:
    """How fast trials follow one another.

    Attributes:
        trials: Trials that were measured, after the first one of each worker.
        seconds: What they took.
        worked: The share of the workers' time that was spent in evaluations, in [0, 1].
    """

    trials: int
    seconds: float
    worked: float

    @property
    def each(self) -> float:
        """Seconds a trial."""
        return self.seconds / self.trials


def ours(trials: int, seconds: float) -> Pace:
    """Measure our own driver.

    Args:
        trials: Trials in all; tens of them.
        seconds: What an evaluation takes.
    """
    return _in_a_process(_ours, trials, seconds)


def stock(trials: int, seconds: float) -> Pace:
    """Measure Tune with ``OptunaSearch``; see :func:`ours`."""
    return _in_a_process(_stock, trials, seconds)


def _in_a_process(way: Callable[[int, float], list[float]], trials: int, seconds: float) -> Pace:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_be_silent) as pool:
        ended = pool.submit(way, trials, seconds).result()
    measured = ended[WORKERS:]
    spent = measured[-1] - ended[WORKERS - 1]
    worked = len(measured) * seconds / (WORKERS * spent)
    return Pace(len(measured), spent, worked)


def _be_silent() -> None:
    """Send what Ray and Tune print nowhere; what they raise is returned."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


@dataclass
class _Clock:
    """A listener that notes when trials end."""

    ended: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def started(self, *_: object) -> None: ...

    def rung(self, *_: object) -> None: ...

    def finished(self, *_: object) -> None:
        self.ended.append(time.monotonic())


def _evaluate(seconds: float, *_: object, **__: object) -> Generator[Any, None, Scores]:
    yield from ()  # what a worker steps through is a generator
    time.sleep(seconds)
    found = growth.found()
    return Scores(0.75, {"digits": found["accuracy.digits"]}, epochs=growth.curves())


def _ours(trials: int, seconds: float) -> list[float]:
    from explorer.runner import run_study

    clock = _Clock()
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        study = plan(Path(folder), arms=9, replicates=-(-trials // 10))
        with db.disposing(db.connect(f"sqlite:///{folder}/ours.db", create=True)) as storage:
            evaluate = partial(_evaluate, seconds)
            run_study(study, storage, listener=lambda *_: clock, workers=WORKERS, evaluate=evaluate)
    return clock.ended


def _stock(trials: int, seconds: float) -> list[float]:
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Clock(tune.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ended: list[float] = []

        def on_trial_complete(self, **_: Any) -> None:
            self.ended.append(time.monotonic())

    def objective(config: dict[str, Any]) -> None:
        del config
        time.sleep(seconds)
        tune.report({"accuracy": 0.75})

    clock = Clock()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        try:
            search = OptunaSearch(
                {"x": optuna.distributions.FloatDistribution(0.0, 1.0)},
                metric="accuracy",
                mode="max",
                sampler=optuna.samplers.RandomSampler(seed=0),
                storage=optuna.storages.RDBStorage(f"sqlite:///{folder}/stock.db"),
            )
            tune.Tuner(
                objective,
                tune_config=tune.TuneConfig(
                    search_alg=search, num_samples=trials, max_concurrent_trials=WORKERS
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[clock]),
            ).fit()
        finally:
            ray.shutdown()
    return clock.ended
