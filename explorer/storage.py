"""The database: Optuna's tables, and beside them the runs and epoch curves that are ours.

Optuna's own tables hold everything that a trial is and reports, so that any Optuna tool can read
a study. Ours hold what Optuna has no place for: which process works on a study (and whether it
is still alive), and a row an epoch.
"""

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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

import explorer
from explorer.errors import InputError, nearest

DEFAULT_URL = "sqlite:///explorer.db"
SCHEMA_VERSION = 1
HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""A run on another host that has not been heard of for so long is taken to be dead."""

_metadata = sa.MetaData()

schema = sa.Table(
    "explorer_schema",
    _metadata,
    sa.Column("version", sa.Integer, primary_key=True),
)

runs = sa.Table(
    "explorer_runs",
    _metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("study_name", sa.String(512), nullable=False, index=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("process", sa.String(255), nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("provenance", sa.Text, nullable=False),
    sa.Column("started_at", sa.DateTime, nullable=False),
    sa.Column("seen_at", sa.DateTime, nullable=False),
    sa.Column("ended_at", sa.DateTime),
)

locks = sa.Table(
    "explorer_locks",
    _metadata,
    sa.Column("study_name", sa.String(512), primary_key=True),
    sa.Column("run_id", sa.String(32)),
)

epochs = sa.Table(
    "explorer_epochs",
    _metadata,
    sa.Column("trial_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("phase", sa.String(16), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("images_seen", sa.Integer, nullable=False),
    sa.Column("loss", sa.Float, nullable=False),
    sa.Column("accuracy", sa.Float),
    sa.Column("seconds", sa.Float, nullable=False),
)


def default_url() -> str:
    """Return the storage that is used where ``--storage`` names none."""
    return os.environ.get("EXPLORER_STORAGE", DEFAULT_URL)


def masked(url: str) -> str:
    """Return a storage URL that may be shown: any password in it is starred out."""
    return sa.make_url(url).render_as_string(hide_password=True)


def connect(url: str, *, create: bool = False, source: str = "--storage") -> RDBStorage:
    """Open a database.

    Args:
        url: ``sqlite:///path``, or ``postgresql://user@host/database`` (through psycopg).
        create: Make the database file and its tables where there are none.
        source: Where the URL was said, for the error line.

    Raises:
        InputError: If the URL is malformed or of another database, there is no such database and
            ``create`` is false, it cannot be reached, or a newer explorer has written it.
    """
    parsed = _checked_url(url, source, create=create)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = masked(url)
    engine_kwargs: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        # Seconds that a writer waits for another one's lock.
        engine_kwargs["connect_args"] = {"timeout": 60}
    else:
        engine_kwargs["pool_pre_ping"] = True
    try:
        storage = RDBStorage(
            parsed.render_as_string(hide_password=False), engine_kwargs=engine_kwargs
        )
        if parsed.get_backend_name() == "sqlite":
            with storage.engine.connect() as connection:
                # Readers (the dashboard, status) and the writer do not block one another.
                connection.execute(sa.text("PRAGMA journal_mode=WAL"))
        _create_tables(storage, source, shown)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(source, None, shown, f"cannot be opened: {reason}") from error
    except RuntimeError as error:  # Optuna's word for a schema that is not its own
        raise InputError(source, None, shown, str(error).splitlines()[0]) from error
    return storage


def _checked_url(url: str, source: str, *, create: bool) -> sa.URL:
    right = "write sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError as error:
        raise InputError(
            source, None, url.rpartition("@")[2], f"is no database URL; {right}"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise InputError(source, None, url, "a study must outlive its program; name a file")
        file = Path(str(parsed.database))
        if not file.exists() and not create:
            remedy = "there is no such database; explorer run-study makes it"
            raise InputError(source, None, masked(url), remedy)
        if not file.parent.is_dir():
            raise InputError(source, None, masked(url), f"there is no folder {file.parent}")
        return parsed
    if backend == "postgresql":
        try:
            version("psycopg")
        except PackageNotFoundError as error:
            remedy = "PostgreSQL needs psycopg: pip install 'fdsl-explorer[postgres]'"
            raise InputError(source, None, masked(url), remedy) from error
        return parsed.set(drivername="postgresql+psycopg")
    raise InputError(source, None, masked(url), f"{backend} is not supported; {right}")


def _create_tables(storage: RDBStorage, source: str, shown: str) -> None:
    _metadata.create_all(storage.engine)
    with storage.engine.begin() as connection:
        found = connection.execute(sa.select(sa.func.max(schema.c.version))).scalar()
        if found is None:
            connection.execute(sa.insert(schema).values(version=SCHEMA_VERSION))
        elif found > SCHEMA_VERSION:
            remedy = (
                f"was written by a newer explorer (schema {found}, this one knows "
                f"{SCHEMA_VERSION}); upgrade fdsl-explorer"
            )
            raise InputError(source, None, shown, remedy)


def study_names(storage: RDBStorage) -> list[str]:
    """Return the names of all studies in a database, sorted."""
    return sorted(optuna.get_all_study_names(storage))


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    """Return a study that exists.

    Raises:
        InputError: If there is none of this name; the nearest name is offered.
    """
    names = study_names(storage)
    if name not in names:
        raise InputError("study", None, name, f"not in this database; {nearest(name, names)}")
    return optuna.load_study(study_name=name, storage=storage)


def archive_name(name: str) -> str:
    """Return a name under which a study can be kept while another takes its own."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{name}.archived-{moment}"


def rename(storage: RDBStorage, name: str, new_name: str) -> None:
    """Give a study another name; everything else of it stays.

    Optuna cannot rename a study; copying it and deleting the original could lose trials when
    interrupted, one transaction of UPDATEs cannot.
    """
    studies = sa.table("studies", sa.column("study_name"))
    with storage.engine.begin() as connection:
        for table in (studies, runs):
            statement = sa.update(table).where(table.c.study_name == name)
            connection.execute(statement.values(study_name=new_name))


def add_epochs(storage: RDBStorage, trial_id: int, rows: list[dict[str, Any]]) -> None:
    """Store rows of a trial's epoch curves; a row that is already there is kept."""
    if not rows:
        return
    keys = sa.select(epochs.c.phase, epochs.c.epoch).where(epochs.c.trial_id == trial_id)
    with storage.engine.begin() as connection:
        there = {tuple(row) for row in connection.execute(keys)}
        new = [{"trial_id": trial_id, **r} for r in rows if (r["phase"], r["epoch"]) not in there]
        if new:
            connection.execute(sa.insert(epochs), new)


class Run:
    """One process at work on a study: its provenance, and the sign that it is alive.

    Trials carry the ``run`` that took them, so that another process can tell a trial in flight
    from one whose process has died. Use as a context manager; a thread renews the sign.
    """

    def __init__(self, storage: RDBStorage, study_name: str) -> None:
        self.run_id = uuid.uuid4().hex
        self._storage = storage
        self._study_name = study_name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="explorer-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        now = _now()
        with self._storage.engine.begin() as connection:
            connection.execute(
                sa.insert(runs).values(
                    run_id=self.run_id,
                    study_name=self._study_name,
                    host=_host(),
                    process=_process(os.getpid()) or str(os.getpid()),
                    command=shlex.join(["explorer", *sys.argv[1:]]),
                    provenance=json.dumps(provenance()),
                    started_at=now,
                    seen_at=now,
                )
            )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._mark(ended_at=_now())

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._mark(seen_at=_now())
            except SQLAlchemyError:
                # A database that is away for a moment: the next beat will do.
                continue

    def _mark(self, **values: datetime) -> None:
        with self._storage.engine.begin() as connection:
            connection.execute(sa.update(runs).where(runs.c.run_id == self.run_id).values(**values))


def dead_runs(storage: RDBStorage, study_name: str) -> set[str]:
    """Return the runs of a study that have ended or died.

    On this host a run is as alive as its process (told from a later process of the same number
    by its start time); on another host it is dead after :data:`SILENT_SECONDS` of silence.
    """
    return {run for run, alive in _signs_of_life(storage, study_name).items() if not alive}


def live_runs(storage: RDBStorage, study_name: str) -> set[str]:
    """Return the runs that are at work on a study; see :func:`dead_runs`."""
    return {run for run, alive in _signs_of_life(storage, study_name).items() if alive}


def _signs_of_life(storage: RDBStorage, study_name: str) -> dict[str, bool]:
    query = sa.select(runs).where(runs.c.study_name == study_name)
    with storage.engine.connect() as connection:
        return {row.run_id: _alive(row) for row in connection.execute(query)}


def _alive(run: sa.Row[Any]) -> bool:
    if run.ended_at is not None:
        return False
    if run.host == _host():
        pid = int(run.process.partition("@")[0])
        return bool(_process(pid) == run.process)
    return bool(_now() - run.seen_at <= timedelta(seconds=SILENT_SECONDS))


@contextmanager
def exclusive(storage: RDBStorage, study_name: str, run_id: str) -> Iterator[None]:
    """Let one run at a time decide what a study's next trials are.

    The lock is a row that names its holder. One that died holding it is passed over.
    """
    with storage.engine.begin() as connection:
        there = connection.execute(sa.select(locks).where(locks.c.study_name == study_name))
        if there.first() is None:
            # Two runs may insert at once: the loser finds the row on its first try below.
            with suppress(IntegrityError), connection.begin_nested():
                connection.execute(sa.insert(locks).values(study_name=study_name))
    mine = sa.update(locks).where(locks.c.study_name == study_name)
    while True:
        dead = dead_runs(storage, study_name)
        free = sa.or_(locks.c.run_id.is_(None), locks.c.run_id.in_(dead))
        with storage.engine.begin() as connection:
            if connection.execute(mine.where(free).values(run_id=run_id)).rowcount == 1:
                break
        time.sleep(0.05)
    try:
        yield
    finally:
        with storage.engine.begin() as connection:
            connection.execute(mine.where(locks.c.run_id == run_id).values(run_id=None))


def provenance() -> Mapping[str, str | None]:
    """Return what a result depends on beside its arguments: versions, commit and machine."""
    packages = ("numpy", "numba", "torch", "timm", "optuna", "ray", "scikit-learn")
    return {
        "explorer": explorer.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in packages},
    }


def _commit() -> str | None:
    """Return the commit of the checkout that this package is run from, or ``None``."""
    git = Path(__file__).parents[1] / ".git"
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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def disposing(storage: RDBStorage) -> Iterator[RDBStorage]:
    """Close all connections of a database at the end of a block."""
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
