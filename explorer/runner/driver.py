"""Start Ray, run a study to its end, and leave nothing behind but the database."""

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import sqlalchemy as sa

from explorer import files
from explorer.errors import InputError
from explorer.runner import cluster
from explorer.store import Database, Describe, Queue, Replicate, Run
from explorer.store.tables import COMPLETE, OPEN, replicates
from explorer.study import Study

_AGAIN_SECONDS = 5.0

# Before Ray is imported: no loggers and tables of Tune's own (the database is the log), no
# handler that swallows Ctrl-C, no figures sent home, no snapshot of state that nobody reads.
_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under "uv run" each worker would build the package anew
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
}


def run_study(
    study: Study,
    database: Database,
    *,
    workers: int | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    recompute: bool = False,
    evaluate: Callable[..., Any] | None = None,
    describe: Describe | None = None,
) -> bool:
    """Run what a study still lacks. What happens meanwhile is seen in the database.

    Args:
        study: What is asked for.
        database: The database; it decides what is still to do.
        workers: Replicates at a time; as many as the machine or the cluster holds where ``None``.
        address: A Ray cluster to join, ``HOST:PORT`` or ``auto``; a Ray of our own on this machine
            where ``None``.
        retry_failed: Try again the replicates that failed for good.
        recompute: Compute every replicate, also where the database has its result.
        evaluate: What a trial is: a generator function as :func:`explorer.trial.stepwise`, which is
            taken where ``None``.
        describe: Called with the database, the study's name, an arm and the number of its trial
            when the arm is about to end. What it raises is logged.

    Returns:
        Whether it was interrupted before the study was done.

    Raises:
        InputError: If the study does not go with the one in the database, the cluster cannot be
            reached, no node can hold a trial of the protocol, or a node has other code.
    """
    os.environ.update({k: v for k, v in _RAY_ENVIRONMENT.items() if k not in os.environ})
    _check_folder()
    with Run(database, study.name, study.path.read_text(encoding="utf-8")) as run:
        queue = Queue(database, study, run.run_id, describe)
        queue.recover(retry_failed=retry_failed)
        if queue.finished():
            return False
        interrupted = False
        try:
            with (
                cluster.connected(study, address, workers) as count,
                _interruptible(),  # after Ray, which takes the signal for itself
            ):
                anew = recompute or evaluate or study.file.keep != "none"
                _tune(study, queue, database, count, evaluate, None if anew else _key)
                if queue.finished():
                    queue.recover()  # leaves no trial of an arm open
                    cluster.clean(study, everywhere=address is not None)
        except KeyboardInterrupt as stop:
            if stop.args:  # a worker's code is not ours; see SameCode
                raise InputError("--address", None, address, stop.args[0]) from stop
            interrupted = True
        finally:
            queue.release()
    return interrupted


def _check_folder() -> None:
    """Refuse a working directory whose files hide modules: Ray has it on the path of workers."""
    known = {*sys.modules, "ray", "timm", "torch", "torchvision", "scipy", "sklearn", "PIL"}
    here = Path.cwd()
    for file in (*here.glob("*.py"), *here.glob("*/__init__.py")):
        name = file.parent.name if file.name == "__init__.py" else file.stem
        loaded = getattr(sys.modules.get(name), "__file__", None)
        same = loaded is not None and Path(loaded).read_bytes() == file.read_bytes()
        if name in known and not same:
            remedy = (
                f"hides the module {name} from the workers; rename it, or start in another folder"
            )
            raise InputError(str(file.relative_to(here)), None, None, remedy)


def _tune(
    study: Study,
    queue: Queue,
    database: Database,
    workers: int,
    evaluate: Callable[..., Any] | None,
    key_of: Callable[[Replicate], str] | None,
) -> None:
    from ray import tune

    from explorer.identity import code
    from explorer.runner.searcher import DriverError, QueueSearcher, RungScheduler
    from explorer.runner.trainable import EvaluateTrainable, SameCode

    for name in ("ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.ERROR)
    resources, families = study.protocol.resources, cluster.families(study)
    payload = {
        "evaluate": evaluate,
        "study": study.name,
        "directory": str(Path.cwd()),
        "families": families,
        "keep": study.file.keep != "none",
        "code": code(families),
    }
    tidy = partial(keep_best, database, study.name) if study.file.keep == "best" else None
    searcher = QueueSearcher(queue, payload, key_of, tidy)
    scratch = tempfile.mkdtemp(prefix="explorer-tune-")
    try:
        tune.Tuner(
            tune.with_resources(EvaluateTrainable, {"cpu": resources.cpus, "gpu": resources.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=RungScheduler(searcher),
                num_samples=-1,
                max_concurrent_trials=workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=study.name,
                stop=SameCode(),
                storage_path=scratch,
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    except DriverError as stop:
        raise stop.error from stop.error.__cause__
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def keep_best(database: Database, name: str) -> None:
    """Delete the weights of all arms that have ended but the best; those under way stay.

    On a cluster without a common file system the weights lie on its nodes, and all of them stay.
    """
    c = replicates.c
    query = sa.select(c.arm, c.replicate, c.state, c.accuracy).where(c.study == name)
    rows = database.read(query)
    going_on = {row["arm"] for row in rows if row["state"] in OPEN}
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        # Of an arm that is not pre-trained there are no weights.
        there = files.weights_of(name, row["arm"], row["replicate"]).is_dir()
        if row["state"] == COMPLETE and row["arm"] not in going_on and there:
            scores[row["arm"]].append(row["accuracy"])
    best = max(scores, key=lambda arm: fmean(scores[arm]), default=None)
    for row in rows:
        if row["arm"] in scores and row["arm"] != best:
            weights = files.weights_of(name, row["arm"], row["replicate"])
            shutil.rmtree(weights, ignore_errors=True)


def _key(replicate: Replicate) -> str:
    from explorer.identity import result_key

    what = (replicate.ranges, replicate.protocol, replicate.seed)
    return result_key(*what, formula=replicate.formula)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: what is in flight is released before the program ends.

    Python drops an exception that is raised while it calls back for a weak reference, and Ray has
    many of these: a signal that comes just then comes once more, as long as the block goes on.
    """
    main, timers = threading.get_ident(), []

    def interrupt(signum: int, _: object) -> None:
        again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, signum))
        again.daemon = True
        timers.append(again)
        again.start()
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    earlier = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in earlier.items():
            signal.signal(number, handler)
