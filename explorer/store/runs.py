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
from sqlalchemy.exc import SQLAlchemyError

import explorer
from explorer import formulas
from explorer.errors import masked
from explorer.store.connection import Database
from explorer.store.retry import patient
from explorer.store.tables import insert, insert_missing, locks, runs

HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 180.0
"""A run on another host that has not been heard of for so long is taken to be dead.

It is more than a run waits for a database that is away (``retry.PATIENCE_SECONDS``): after an
outage all runs are silent, and the first to be back must not take the others for dead.
"""


class Run:
    """One process at work on a study: its provenance, and the sign that it is alive.

    Replicates carry the ``run`` that took them, so that another process can tell one in flight
    from one whose process has died. Use as a context manager; a thread renews the sign.

    Args:
        database: The database.
        study: Name of the study that is run.
        study_file: The text of its file as it was when the run began.
    """

    def __init__(self, database: Database, study: str, study_file: str | None = None) -> None:
        self.run_id = uuid.uuid4().hex
        self._database = database
        self._study = study
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
        self._renew("ended")

    @patient
    def _begin(self) -> None:
        row = {
            "run_id": self.run_id,
            "study": self._study,
            "host": _host(),
            "process": _process(os.getpid()) or str(os.getpid()),
            "command": shlex.join(["explorer", *map(masked, sys.argv[1:])]),
            "provenance": json.dumps(provenance()),
            "study_file": self._study_file,
        }
        with self._database.engine.begin() as connection:
            now = _clock(connection)
            insert_missing(connection, runs, [{**row, "started": now, "seen": now}])

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            self._renew("seen")

    def _renew(self, sign: str) -> None:
        # Not patiently. A database that is away for a moment: the next beat will do, and a run
        # that cannot say that it has ended is known by its process, or by its silence.
        with suppress(SQLAlchemyError):
            self._mark(sign)

    def _mark(self, sign: str) -> None:
        mine = sa.update(runs).where(runs.c.run_id == self.run_id)
        with self._database.engine.begin() as connection:
            connection.execute(mine.values({sign: _clock(connection)}))


def dead_runs(database: Database, study: str) -> set[str]:
    """Return the runs of a study that have ended or died.

    On this host a run is as alive as its process (told from a later process of the same number
    by its start time); on another host it is dead after :data:`SILENT_SECONDS` of silence.
    """
    return {run for run, alive in _signs_of_life(database, study).items() if not alive}


def live_runs(database: Database, study: str) -> set[str]:
    """Return the runs that are at work on a study; see :func:`dead_runs`."""
    return {run for run, alive in _signs_of_life(database, study).items() if alive}


@patient
def load_runs(database: Database, study: str) -> list[dict[str, Any]]:
    """Return the runs of a study in the order in which they began.

    Returns:
        Each with its ``host`` (without the boot), ``command``, ``provenance`` (what
        :func:`provenance` returned there), ``started_at``, ``seen_at``, ``ended_at`` (naive, in
        UTC; ``None`` where it has not ended) and ``study_file``.
    """
    columns = [
        *(runs.c[name] for name in ("host", "command", "provenance", "study_file")),
        *(runs.c[name].label(f"{name}_at") for name in ("started", "seen", "ended")),
    ]
    query = sa.select(*columns).where(runs.c.study == study)
    with database.engine.connect() as connection:
        rows = connection.execute(query.order_by(runs.c.started, runs.c.run_id)).mappings()
        return [
            {
                **row,
                "host": row["host"].partition("/")[0],
                "provenance": json.loads(row["provenance"]),
            }
            for row in rows
        ]


@patient
def _signs_of_life(database: Database, study: str) -> dict[str, bool]:
    query = sa.select(runs).where(runs.c.study == study)
    with database.engine.connect() as connection:
        now = _clock(connection)
        return {row.run_id: _alive(row, now) for row in connection.execute(query)}


def _alive(run: sa.Row[Any], now: datetime) -> bool:
    if run.ended is not None:
        return False
    if run.host == _host():
        pid = int(run.process.partition("@")[0])
        return bool(_process(pid) == run.process)
    return bool(now - run.seen <= timedelta(seconds=SILENT_SECONDS))


@contextmanager
def exclusive(database: Database, study: str, run_id: str, arm: str = "") -> Iterator[None]:
    """Let one run at a time decide what the next replicates of a study are, or how an arm ends.

    The lock is a row that names its holder. One that died holding it is passed over.
    """
    while not _acquire(database, study, run_id, arm):
        time.sleep(0.05)
    try:
        yield
    finally:
        _let_go(database, study, run_id, arm)


@patient
def _acquire(database: Database, study: str, run_id: str, arm: str) -> bool:
    # This run's own name is there where the answer to an earlier attempt was lost.
    free = {run_id}
    with database.engine.connect() as connection:
        holder = connection.execute(sa.select(locks.c.run).where(*_lock(study, arm))).scalar()
    if holder not in {None, run_id}:
        if holder not in dead_runs(database, study):
            return False
        free.add(holder)
    with database.engine.begin() as connection:
        mine = insert(connection, locks).values(study=study, arm=arm, run=run_id)
        taken = mine.on_conflict_do_update(
            index_elements=["study", "arm"], set_={"run": run_id}, where=locks.c.run.in_(free)
        )
        return connection.execute(taken.returning(locks.c.run)).first() is not None


@patient
def _let_go(database: Database, study: str, run_id: str, arm: str) -> None:
    mine = sa.delete(locks).where(*_lock(study, arm), locks.c.run == run_id)
    with database.engine.begin() as connection:
        connection.execute(mine)


def _lock(study: str, arm: str) -> tuple[sa.ColumnElement[bool], ...]:
    return locks.c.study == study, locks.c.arm == arm


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
