"""Databases to measure on: made for that, and thrown away."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from explorer import store as db
from explorer.errors import InputError, masked


@contextmanager
def database(server: str | None) -> Iterator[str]:
    """Make an empty database, and delete it in the end.

    Args:
        server: URL of a database on a PostgreSQL server, beside which it is made; ``None`` for an
            SQLite file.

    Raises:
        InputError: If the server is none, cannot be reached, or grants no database.
    """
    if server is None:
        with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
            yield f"sqlite:///{folder}/bench.db"
        return
    # Looked at by the one who opens databases: the line for a URL that is wrong is its.
    there = db.connect(server, create=True)
    name = f"explorer_bench_{uuid4().hex}"
    autocommit = there.engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with autocommit.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except SQLAlchemyError as error:
        reason = f"a database to measure on cannot be made: {str(error).splitlines()[0]}"
        raise InputError("--storage", None, masked(server), reason) from error
    try:
        url = there.engine.url.set(database=name, drivername="postgresql")
        yield url.render_as_string(hide_password=False)
    finally:
        with autocommit.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        there.engine.dispose()
