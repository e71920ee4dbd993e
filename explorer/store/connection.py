"""Opening a database, or saying in one line why that cannot be done."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from explorer.errors import InputError, masked
from explorer.store.database import Database
from explorer.store.retry import busy, crowded, reason_of
from explorer.store.schema import UnsoundError, upgrade

DEFAULT_URL = "sqlite:///explorer.db"
_ATTEMPTS = 25
_PAUSE_SECONDS = 0.1


def default_url() -> str:
    """Return the storage that is used where ``--storage`` names none."""
    return os.environ.get("EXPLORER_STORAGE", DEFAULT_URL)


def connect(url: str, *, create: bool = False, source: str = "--storage") -> Database:
    """Open a database, and bring our tables in it to the schema of this version.

    Args:
        url: ``sqlite:///path``, or ``postgresql://user@host/database`` (through psycopg).
        create: Make the database file and its tables where there are none.
        source: Where the URL was said, for the error line.

    Raises:
        InputError: If the URL is malformed or of another database, there is no such database and
            ``create`` is false, it cannot be reached, a newer explorer has written it, or it is
            half migrated.
    """
    parsed = _checked_url(url, source, create=create)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = masked(url)
    attempt = 1
    while True:
        try:
            return _open(parsed, source, shown)
        except (SQLAlchemyError, StorageInternalError) as error:
            passes = _made_at_once(error) or busy(error) or crowded(error)
            if attempt == _ATTEMPTS or not passes:
                reason = f"cannot be opened: {reason_of(error)}"
                # A file that is there has something wrong with it; a server may just be away.
                kind = UnsoundError if parsed.get_backend_name() == "sqlite" else InputError
                raise kind(source, None, shown, reason) from error
        except RuntimeError as error:  # Optuna's word for a schema that is not its own
            raise UnsoundError(source, None, shown, str(error).splitlines()[0]) from error
        # Half a minute in all, for a server that many drivers reach for at once.
        time.sleep(_PAUSE_SECONDS * attempt)
        attempt += 1


def _open(url: sa.URL, source: str, shown: str) -> Database:
    storage = Database(url)
    if url.get_backend_name() == "sqlite":
        with storage.engine.connect() as connection:
            # Readers (the dashboard, status) and the writer do not block one another.
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    upgrade(storage.engine, source, shown)
    return storage


def _made_at_once(error: Exception) -> bool:
    """Say whether another process was making the same tables at the same moment."""
    said = str(error).lower()
    return "already exists" in said or "unique" in said


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


@contextmanager
def disposing(storage: Database) -> Iterator[Database]:
    """Close all connections of a database at the end of a block."""
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
