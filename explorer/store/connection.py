"""Opening a database, or saying in one line why that cannot be done."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn, Self

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from explorer.errors import InputError, masked
from explorer.store.retry import busy, crowded, patient, reason_of
from explorer.store.schema import UnsoundError, upgrade

DEFAULT_URL = "sqlite:///explorer.db"
_ATTEMPTS = 25
_PAUSE_SECONDS = 0.1
_LOCK_SECONDS = 10
"""How long SQLite itself waits for another one's lock before the call is repeated."""


class Database:
    """A database of studies: our tables and Optuna's.

    What we write is on the disk when it is committed. Optuna's trials follow from our tables and
    are written again where they are missing, so their commits need not wait for the disk: SQLite
    has connections of two kinds for that; on PostgreSQL every transaction says which kind it is, as
    a server grants a hundred connections as it is installed.

    Args:
        url: The database, with its password.

    Attributes:
        engine: For our tables (:mod:`explorer.store.tables`).
        optuna: Optuna's storage.
        shown: The URL without a password.
    """

    def __init__(self, url: sa.URL, shown: str) -> None:
        self.shown = shown
        # Optuna takes the URL for a template of str.format.
        template = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        self.optuna = RDBStorage(template, engine_kwargs=_options(url))
        self.engine = self.optuna.engine
        if url.get_backend_name() == "sqlite":
            self.engine = sa.create_engine(url, **_options(url))
            sa.event.listen(self.optuna.engine, "connect", _prepare("NORMAL"))
            sa.event.listen(self.engine, "connect", _prepare("FULL"))
            self.optuna.engine.dispose()  # the connection that made the tables is not prepared
            with self.engine.connect() as connection:
                # Readers (the dashboard, status) and the writer do not block one another.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        self.optuna.remove_session()
        for engine in (self.optuna.engine, self.engine):
            engine.dispose()

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a database stays in its process: its URL may hold a password")

    @patient
    def read(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        """Return the rows of a query, once the database gives them."""
        with self.engine.connect() as connection:
            return connection.execute(query).mappings().all()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that is on the disk when it is committed.

        SQLite would else begin with a reader's view, and could not write after another has.
        """
        sqlite = self.engine.dialect.name == "sqlite"
        begin = "BEGIN IMMEDIATE" if sqlite else "SET LOCAL synchronous_commit = on"
        with self.engine.begin() as connection:
            connection.exec_driver_sql(begin)
            yield connection


def default_url() -> str:
    """Return the storage that is used where ``--storage`` names none."""
    return os.environ.get("EXPLORER_STORAGE", DEFAULT_URL)


def connect(url: str, *, create: bool = False, source: str = "--storage") -> Database:
    """Open a database, and bring our tables in it to the schema of this version.

    Args:
        url: ``sqlite:///path``, or ``postgresql://user@host/database`` (through psycopg).
        create: Make the database file and its tables where there are none.
        source: What names the URL, for the error line.

    Raises:
        InputError: If the URL is malformed or of another database, there is no such database and
            ``create`` is false, it cannot be reached, another version of explorer has written it,
            or it is half migrated.
    """
    parsed = _checked_url(url, source, create=create)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = masked(url)
    attempt = 1
    while True:
        try:
            database = Database(parsed, shown)
            upgrade(database.engine, source, shown)
        except (SQLAlchemyError, StorageInternalError) as error:
            passes = _made_at_once(error) or busy(error) or crowded(error)
            if attempt == _ATTEMPTS or not passes:
                reason = f"cannot be opened: {reason_of(error)}"
                # A file that is there has something wrong with it; a server may just be away.
                kind = UnsoundError if parsed.get_backend_name() == "sqlite" else InputError
                raise kind(source, None, shown, reason) from error
        except RuntimeError as error:  # Optuna's word for a schema that is not its own
            raise UnsoundError(source, None, shown, str(error).splitlines()[0]) from error
        else:
            return database
        # Half a minute in all, for a server that many drivers reach for at once.
        time.sleep(_PAUSE_SECONDS * attempt)
        attempt += 1


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _LOCK_SECONDS}}
    # A server that is gone without a word must be noticed: in half a minute, not in two hours.
    watchful: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "options": "-c synchronous_commit=off",  # see Database.writing
    }
    arguments = {name: value for name, value in watchful.items() if name not in url.query}
    # One connection is kept, and another made for the moment that two threads need one: a server
    # grants a hundred as it is installed, and many drivers share them.
    pool = {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 8}
    return {**pool, "connect_args": arguments}


def _prepare(synchronous: str) -> Any:
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    return prepare


def _made_at_once(error: Exception) -> bool:
    """Say whether another process was making the same tables at the same moment."""
    message = str(error).lower()
    return "already exists" in message or "unique" in message


def _checked_url(url: str, source: str, *, create: bool) -> sa.URL:
    right = "write sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError) as error:  # ValueError of a port that is no number
        shown = url.rpartition("@")[2]
        raise InputError(source, None, shown, f"is no database URL; {right}") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise InputError(source, None, url, "a study must outlive its program; name a file")
        if "\ufffd" in str(parsed.database):
            remedy = "% begins an escape in a URL, and this one is none; write %25 for it"
            raise InputError(source, None, url, remedy)
        file = Path(str(parsed.database))
        try:
            there, folder = file.exists(), file.parent.is_dir()
        except OSError as error:
            raise InputError(source, None, masked(url), f"{error.strerror}; name a file") from error
        if not there and not create:
            remedy = "there is no such database; explorer run-study makes it"
            raise InputError(source, None, masked(url), remedy)
        if not folder:
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
