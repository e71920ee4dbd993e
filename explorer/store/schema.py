"""Bringing our tables to the schema of this version, or saying why that cannot be done."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from explorer.errors import InputError
from explorer.store.database import writing
from explorer.store.tables import metadata

VERSION_TABLE = "explorer_version"
"""Beside ``alembic_version``, which is Optuna's."""

_ADVISORY_LOCK = 7_311_402_689
"""Names the lock under which PostgreSQL lets one process at a time migrate."""

_schema = sa.table("explorer_schema", sa.column("version"))


class UnsoundError(InputError):
    """A database that this explorer must not work with."""


def upgrade(engine: sa.Engine, source: str, shown: str) -> str:
    """Migrate our tables to the latest revision, and return it.

    All revisions together are one transaction under a lock: of several processes that open a
    database at once one migrates, and one that dies in the middle leaves it as it was.

    Raises:
        UnsoundError: If a newer explorer has written the database, or something of its schema is
            missing.
    """
    config = Config()
    config.set_main_option("script_location", "explorer.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    head = str(scripts.get_current_head())
    with engine.connect() as connection:
        found = _revision(connection, source, shown)
    if found != head:
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                lock = sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK))
                connection.execute(lock)
            found = _revision(connection, source, shown)
            known = {script.revision for script in scripts.walk_revisions()}
            if found is None:
                _check_first_version(connection, source, shown)
            elif found not in known:
                remedy = (
                    f"was written by a newer explorer (schema {found}, this one knows {head}); "
                    "upgrade fdsl-explorer"
                )
                raise UnsoundError(source, None, shown, remedy)
            config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
            command.upgrade(config, "head")
    _check_complete(engine, source, shown)
    return head


def _revision(connection: sa.Connection, source: str, shown: str) -> str | None:
    """Return the revision that a database is said to have; ``None`` of before the migrations."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    try:
        return context.get_current_revision()
    except CommandError as error:  # several at once
        raise UnsoundError(source, None, shown, f"is half migrated: {error}") from error


def _check_first_version(connection: sa.Connection, source: str, shown: str) -> None:
    """Look whether a database without a revision is empty, or of before the migrations."""
    if "explorer_schema" not in sa.inspect(connection).get_table_names():
        return
    number = connection.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
    if number is not None and number > 1:
        remedy = f"is half migrated: its schema is {number}, but {VERSION_TABLE} is empty"
        raise UnsoundError(source, None, shown, remedy)


def _check_complete(engine: sa.Engine, source: str, shown: str) -> None:
    """Look whether what the revision promises is there."""
    wanted = list(metadata.tables)
    found = sa.inspect(engine).get_multi_columns(filter_names=wanted)
    columns = {name: {column["name"] for column in rows} for (_, name), rows in found.items()}
    for name, table in metadata.tables.items():
        missing = sorted({*table.columns.keys()} - columns.get(name, set()))
        if missing:
            lack = f"{name} lacks {', '.join(missing)}" if name in columns else f"{name} is missing"
            remedy = f"is half migrated: {lack}; take a copy of before, or another database"
            raise UnsoundError(source, None, shown, remedy)
