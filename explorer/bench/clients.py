"""Many clients on one study at once: what gets through, and whether anything is lost or doubled."""

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

from optuna.trial import TrialState

from explorer import store as db
from explorer import study as config
from explorer.bench import growth
from explorer.bench.filled import plan
from explorer.search import Queue
from explorer.store.attempts import read_attempts

_PROCESSES = 4


@dataclass(frozen=True)
class Rush:
    """What came of it.

    Attributes:
        clients: Clients, each with connections and a queue of its own.
        wanted: Trials that the study asks for.
        lost: Those of them that have no result.
        doubled: Results too many.
        seconds: From the first trial that is taken to the last that has ended.
    """

    clients: int
    wanted: int
    lost: int
    doubled: int
    seconds: float


def measure(url: str, folder: Path, *, clients: int, trials: int) -> Rush:
    """Let many clients work off a study, each as fast as it can.

    Args:
        url: An empty database.
        folder: Where the study's file is written.
        clients: How many; they are threads of a few processes.
        trials: Trials that each of them has, in the mean; at least one.
    """
    study = plan(folder, arms=trials - 1, replicates=clients)
    with db.disposing(db.connect(url, create=True)) as storage:
        with db.Run(storage, study.name) as run:
            Queue(storage, study, run.run_id).recover()
        context = multiprocessing.get_context("spawn")
        shares = [clients // _PROCESSES + (i < clients % _PROCESSES) for i in range(_PROCESSES)]
        with context.Manager() as manager, ProcessPoolExecutor(_PROCESSES, context) as pool:
            start = manager.Barrier(clients)
            asked = [(url, str(study.path), start, share) for share in shares if share]
            times = [time_ for part in pool.map(_work, asked) for time_ in part]
        found = read_attempts(storage, storage.get_study_id_from_name(study.name), since=0)
    done = Counter(
        (one.said["arm"], one.said["replicate"])
        for one in found
        if one.state == TrialState.COMPLETE
    )
    return Rush(
        clients=clients,
        wanted=study.planned,
        lost=study.planned - len(done),
        doubled=done.total() - len(done) + sum(not one.state.is_finished() for one in found),
        seconds=max(times) - min(times),
    )


def _work(asked: tuple[str, str, Barrier, int]) -> list[float]:
    url, path, start, clients = asked
    study = config.load_study(path)
    with ThreadPoolExecutor(clients) as pool:
        parts = [pool.submit(_client, url, study, start) for _ in range(clients)]
        return [time_ for part in parts for time_ in part.result()]


def _client(url: str, study: config.Study, start: Barrier) -> list[float]:
    times: list[float] = []
    with db.disposing(db.connect(url)) as storage, db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        start.wait()
        while (proposal := queue.take()) is not None:
            times.append(time.time())
            queue.complete(proposal.number, 0.75, growth.found(), epochs=growth.curves())
            times.append(time.time())
    return times
