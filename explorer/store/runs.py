"""Runs: the processes at work on a study, and whether they are still alive."""

import json
import os
import platform
import shlex
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

import explorer
from explorer import formulas
from explorer.errors import masked
from explorer.store.retry import patient
from explorer.store.tables import insert_missing, locks, runs

HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 180.0
"""A run on another host that has not been heard of for so long is taken to be dead.

It is more than a run waits for a database that is away (``retry.PATIENCE_SECONDS``): after an
outage all runs are silent, and the first to be back must not take the others for dead.
"""


class Run:
    """One process at work on a study: its provenance, and the sign that it is alive.

    Trials carry the ``run`` that took them, so that another process can tell a trial in flight
    from one whose process has died. Use as a context manager; a thread renews the sign.

    Args:
        storage: The database.
        study_name: The study that is run.
        study_file: The text of its file as it was when the run began.
    """

    def __init__(self, storage: RDBStorage, study_name: str, study_file: str | None = None) -> None:
        self.run_id = uuid.uuid4().hex
        self._storage = storage
        self._study_name = study_name
        self._study_file = study_file
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="explorer-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._renew("ended_at")

    @patient
    def _begin(self) -> None:
        row = {
            "run_id": self.run_id,
            "study_name": self._study_name,
            "host": _host(),
            "process": _process(os.getpid()) or str(os.getpid()),
            "command": shlex.join(["explorer", *map(masked, sys.argv[1:])]),
            "provenance": json.dumps(provenance()),
            "study_file": self._study_file,
        }
        with self._storage.engine.begin() as connection:
            now = _clock(connection)
            insert_missing(connection, runs, [{**row, "started_at": now, "seen_at": now}])

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            self._renew("seen_at")

    def _renew(self, sign: str) -> None:
        # Not patiently. A database that is away for a moment: the next beat will do, and a run
        # that cannot say that it has ended is known by its process, or by its silence.
        with suppress(SQLAlchemyError):
            self._mark(sign)

    def _mark(self, sign: str) -> None:
        mine = sa.update(runs).where(runs.c.run_id == self.run_id)
        with self._storage.engine.begin() as connection:
            connection.execute(mine.values({sign: _clock(connection)}))


def dead_runs(storage: RDBStorage, study_name: str) -> set[str]:
    """Return the runs of a study that have ended or died.

    On this host a run is as alive as its process (told from a later process of the same number
    by its start time); on another host it is dead after :data:`SILENT_SECONDS` of silence.
    """
    return {run for run, alive in _signs_of_life(storage, study_name).items() if not alive}


def live_runs(storage: RDBStorage, study_name: str) -> set[str]:
    """Return the runs that are at work on a study; see :func:`dead_runs`."""
    return {run for run, alive in _signs_of_life(storage, study_name).items() if alive}


@patient
def load_runs(storage: RDBStorage, study_name: str) -> list[dict[str, Any]]:
    """Return the runs of a study in the order in which they began.

    Returns:
        Each with its ``host`` (without the boot), ``command``, ``provenance`` (what
        :func:`provenance` returned there), ``started_at``, ``seen_at``, ``ended_at`` (naive, in
        UTC; ``None`` where it has not ended) and ``study_file``.
    """
    kept = (
        "host",
        "command",
        "provenance",
        "started_at",
        "seen_at",
        "ended_at",
        "study_file",
    )
    query = sa.select(*(runs.c[name] for name in kept)).where(runs.c.study_name == study_name)
    with storage.engine.connect() as connection:
        rows = connection.execute(query.order_by(runs.c.started_at, runs.c.run_id)).mappings()
        return [
            {
                **row,
                "host": row["host"].partition("/")[0],
                "provenance": json.loads(row["provenance"]),
            }
            for row in rows
        ]


@patient
def _signs_of_life(storage: RDBStorage, study_name: str) -> dict[str, bool]:
    query = sa.select(runs).where(runs.c.study_name == study_name)
    with storage.engine.connect() as connection:
        now = _clock(connection)
        return {row.run_id: _alive(row, now) for row in connection.execute(query)}


def _alive(run: sa.Row[Any], now: datetime) -> bool:
    if run.ended_at is not None:
        return False
    if run.host == _host():
        pid = int(run.process.partition("@")[0])
        return bool(_process(pid) == run.process)
    return bool(now - run.seen_at <= timedelta(seconds=SILENT_SECONDS))


@contextmanager
def exclusive(storage: RDBStorage, study_name: str, run_id: str) -> Iterator[None]:
    """Let one run at a time decide what a study's next trials are.

    The lock is a row that names its holder. One that died holding it is passed over.
    """
    while not _acquire(storage, study_name, run_id):
        time.sleep(0.05)
    try:
        yield
    finally:
        _let_go(storage, study_name, run_id)


@patient
def _acquire(storage: RDBStorage, study_name: str, run_id: str) -> bool:
    # This run's own name is there where the answer to an earlier attempt was lost.
    free = sa.or_(
        locks.c.run_id.is_(None),
        locks.c.run_id == run_id,
        locks.c.run_id.in_(dead_runs(storage, study_name)),
    )
    mine = sa.update(locks).where(locks.c.study_name == study_name, free)
    with storage.engine.begin() as connection:
        insert_missing(connection, locks, [{"study_name": study_name}])
        return connection.execute(mine.values(run_id=run_id)).rowcount == 1


@patient
def _let_go(storage: RDBStorage, study_name: str, run_id: str) -> None:
    mine = sa.update(locks).where(locks.c.study_name == study_name, locks.c.run_id == run_id)
    with storage.engine.begin() as connection:
        connection.execute(mine.values(run_id=None))


def provenance() -> Mapping[str, str | None]:
    """Return what a result depends on beside its arguments: versions, commit and machine."""
    packages = ("numpy", "numba", "torch", "timm", "optuna", "ray", "scikit-learn")
    return {
        "explorer": explorer.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in packages},
        "families": ", ".join(sorted({*map(formulas.origin, formulas.names())} - {""})) or None,
    }


def _commit() -> str | None:
    """Return the commit of the checkout that this package is run from, or ``None``."""
    git = Path(explorer.__file__).parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        return (git / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return None


def _host() -> str:
    """Name this machine and boot: after a reboot every process of before it is gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}"


def _process(pid: int) -> str | None:
    """Name a live process by its number and start time, or ``None`` if there is none."""
    try:
        # Field 22 of /proc/PID/stat; the second field may hold blanks and ends with ")".
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state == "Z" else f"{pid}@{started}"


def _clock(connection: sa.Connection) -> datetime:
    """Return the time of the database, naive and in UTC; the clocks of hosts differ, and step."""
    now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    return now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
