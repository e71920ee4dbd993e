"""Opening a database, or saying in one line why that cannot be done."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from explorer.errors import InputError
from explorer.storage.tables import SCHEMA_VERSION, metadata, schema

DEFAULT_URL = "sqlite:///explorer.db"
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.1


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
    attempt = 1
    while True:
        try:
            return _open(parsed, engine_kwargs, source, shown)
        except (SQLAlchemyError, StorageInternalError) as error:
            if attempt == _ATTEMPTS or not _made_at_once(error):
                reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
                raise InputError(source, None, shown, f"cannot be opened: {reason}") from error
        except RuntimeError as error:  # Optuna's word for a schema that is not its own
            raise InputError(source, None, shown, str(error).splitlines()[0]) from error
        attempt += 1
        time.sleep(_PAUSE_SECONDS)


def _open(url: sa.URL, engine_kwargs: dict[str, Any], source: str, shown: str) -> RDBStorage:
    storage = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=engine_kwargs)
    if url.get_backend_name() == "sqlite":
        with storage.engine.connect() as connection:
            # Readers (the dashboard, status) and the writer do not block one another.
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
    _create_tables(storage, source, shown)
    return storage


def _made_at_once(error: Exception) -> bool:
    """Say whether another process was making the same tables at the same moment."""
    said = str(error).lower()
    return "already exists" in said or "unique" in said


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
    metadata.create_all(storage.engine)
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


@contextmanager
def disposing(storage: RDBStorage) -> Iterator[RDBStorage]:
    """Close all connections of a database at the end of a block."""
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
