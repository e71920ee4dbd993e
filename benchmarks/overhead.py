"""What replicates cost beside their evaluation, against Ray Tune's own ``OptunaSearch``.

``python -m benchmarks.overhead [--storage postgresql://...]``: four minutes. Expected: an empty
replicate takes at most 0.05 s, to take and to end one behind 10,000 arms at most 0.3 s, and of 64
clients at once on PostgreSQL nothing is lost or doubled.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import filled
from benchmarks.common import busy, table
from explorer import store
from explorer.scores import Rung, Scores
from explorer.store import tables
from explorer.study import load_study

WORKERS = 2
_SAMPLERS = ("random", "tpe")
_ASKED = 10  # replicates behind every growth figure
_PROCESSES = 4
_EACH = 5  # replicates per client
_STOCK = 20


def growth(url: str, folder: Path, sampler: str, finished: int) -> list[float]:
    """Return milliseconds to start, to take first, to take (median) and to end (median)."""
    clock, count = time.perf_counter, finished + _ASKED + 1
    study = filled.plan(folder, samples=count, sampler=sampler, replicates=1)
    with store.connect(url, create=True) as database:
        filled.fill(database, study, samples=finished)
        with store.Run(database, study.name) as run:
            begin = clock()
            queue = store.Queue(database, study, run.run_id)
            queue.recover()
            times, took, ended = [clock() - begin], [], []
            for _ in range(_ASKED + 1):
                begin = clock()
                replicate = queue.take()
                took.append(clock() - begin)
                assert replicate is not None  # noqa: S101 - there are as many
                begin = clock()
                for images in (819, 2048, 8192):
                    queue.report(replicate, Rung(images, 0.5, 1.5, 10.0))
                queue.complete(replicate, filled.scores())
                ended.append(clock() - begin)
    times += [took[1], statistics.median(took[2:]), statistics.median(ended[2:])]
    return [1e3 * seconds for seconds in times]


def rush(url: str, folder: Path, clients: int) -> str:
    """Let many clients work off a study as fast as they can; say what came of it."""
    study = filled.plan(folder, arms=_EACH - 1, replicates=clients)
    with store.connect(url, create=True) as database:
        with store.Run(database, study.name) as run:
            store.Queue(database, study, run.run_id).recover()
        context = multiprocessing.get_context("spawn")
        shares = [clients // _PROCESSES + (i < clients % _PROCESSES) for i in range(_PROCESSES)]
        begin = time.perf_counter()
        with ProcessPoolExecutor(_PROCESSES, context) as pool:
            list(pool.map(_work, [(url, str(study.path), share) for share in shares if share]))
        seconds = time.perf_counter() - begin
        columns = tables.replicates.c
        query = sa.select(columns.arm, columns.replicate, columns.state)
        with database.engine.connect() as connection:
            rows = connection.execute(query).all()
    done = Counter((arm, number) for arm, number, state in rows if state == tables.COMPLETE)
    lost, doubled = study.planned - len(done), len(rows) - len(done)
    return f"{study.planned} replicates, {lost} lost, {doubled} doubled, in {seconds:.1f} s"


def _work(task: tuple[str, str, int]) -> None:
    url, path, clients = task
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(partial(_client, url), [path] * clients))


def _client(url: str, path: str) -> None:
    study = load_study(path)
    with store.connect(url) as database, store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id)
        while (replicate := queue.take()) is not None:
            queue.complete(replicate, filled.scores())


def ours(count: int, seconds: float) -> list[float]:
    """Run replicates by our driver; returns when they ended."""
    from explorer.runner import run_study

    def evaluate(*_: object, **__: object) -> Generator[Any, None, Scores]:
        yield from ()  # what a worker steps through is a generator
        time.sleep(seconds)
        return Scores(0.75, {"digits": 0.75})

    with tempfile.TemporaryDirectory() as folder:
        study = filled.plan(Path(folder), arms=9, replicates=-(-count // 10))
        with store.connect(f"sqlite:///{folder}/ours.db", create=True) as database:
            run_study(study, database, workers=WORKERS, evaluate=evaluate)
            query = sa.select(tables.replicates.c.ended).order_by(tables.replicates.c.ended)
            with database.engine.connect() as connection:
                return [ended.timestamp() for ended in connection.execute(query).scalars()]


def stock(count: int, seconds: float) -> list[float]:
    """Run trials as Ray's documentation puts Tune and OptunaSearch together; see :func:`ours`."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ended: list[float] = []

    class Clock(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, **_: Any) -> None:
            ended.append(time.time())

    def objective(config: dict[str, Any]) -> None:
        del config
        time.sleep(seconds)
        tune.report({"accuracy": 0.75})

    with tempfile.TemporaryDirectory() as folder:
        ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        search = OptunaSearch(
            {"x": optuna.distributions.FloatDistribution(0.0, 1.0)},
            metric="accuracy",
            mode="max",
            sampler=optuna.samplers.RandomSampler(seed=0),
            storage=optuna.storages.RDBStorage(f"sqlite:///{folder}/stock.db"),
        )
        config = tune.TuneConfig(
            search_alg=search, num_samples=count, max_concurrent_trials=WORKERS
        )
        run = tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Clock()])
        tune.Tuner(objective, tune_config=config, run_config=run).fit()
        ray.shutdown()
    return ended


def pace(driver: Callable[[int, float], list[float]], count: int, seconds: float) -> float:
    """Return seconds per replicate, after the first of each worker."""
    context = multiprocessing.get_context("spawn")  # Ray's settings belong to a process
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        ended = pool.submit(driver, count, seconds).result()
    return (ended[-1] - ended[WORKERS - 1]) / (len(ended) - WORKERS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", help="a PostgreSQL server to be measured as well")
    parser.add_argument("--finished", type=int, action="append", help="arms that have ended")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--trials", type=int, default=200, help="without evaluation")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the evaluation of others")
    options = parser.parse_args()
    note, lines = busy(), []
    for server in dict.fromkeys((None, options.storage)):
        for sampler in _SAMPLERS:
            for finished in options.finished or (100, 1_000, 10_000):
                with filled.database(server) as url, tempfile.TemporaryDirectory() as folder:
                    times = growth(url, Path(folder), sampler, finished)
                name = "sqlite" if server is None else "postgresql"
                lines.append([f"{name}, {sampler}", f"{finished:,}", *(f"{t:,.1f}" for t in times)])
    print("milliseconds of a driver's time, behind arms that have ended; medians of 9")
    print(table(["", "arms", "start", "first take", "take", "end"], lines))
    if options.storage:
        with filled.database(options.storage) as url, tempfile.TemporaryDirectory() as folder:
            print(f"{options.clients} clients: {rush(url, Path(folder), options.clients)}")
    here, there = pace(ours, options.trials, 0.0), pace(stock, _STOCK, 0.0)
    print(f"an empty replicate: {here:.3f} s here, {there:.2f} s with OptunaSearch, warm")
    share = options.seconds / WORKERS / pace(ours, 10, options.seconds)
    print(f"of {options.seconds:g} s evaluations: {100 * share:.1f} % of the workers' time")
    print(note, end="\n" if note else "")


if __name__ == "__main__":
    main()
