"""Studies and databases to measure on: made for that, and thrown away."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from explorer import config
from explorer import storage as db
from explorer.errors import InputError, masked

_ARMS = 100
_VARIED = ("frequency", "orbits", "noise", "line_width")


def grid(folder: Path, slots: int) -> config.Study:
    """Write a study of a hundred arms or fewer with about so many slots, and read it."""
    arms = min(_ARMS, slots)
    lines = [f"  arm{i:02d}: {{orbits: [1, {i + 1}]}}" for i in range(arms - 1)]
    text = f"replicates: {-(-slots // arms)}\narms:\n" + "\n".join(lines)
    return _study(folder, "grid", text)


def sampled(folder: Path, sampler: str, samples: int) -> config.Study:
    """Write a study whose ranges a sampler proposes (both ends of four), and read it."""
    text = (
        f"replicates: 1\nvary: [{', '.join(_VARIED)}]\n"
        f"sampler: {{name: {sampler}, samples: {samples}}}\narms: {{}}\n"
    )
    return _study(folder, sampler, text)


def _study(folder: Path, name: str, text: str) -> config.Study:
    path = folder / f"{name}.yaml"
    head = "description: A study to measure on.\nsearch_space: visual_atom\nprotocol: smoke\n"
    path.write_text(head + text, encoding="utf-8")
    return config.load_study(str(path))


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
