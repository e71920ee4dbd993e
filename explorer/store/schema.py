"""Bringing our tables to the schema of this version, or saying why that cannot be done."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from explorer.errors import InputError
from explorer.store.tables import metadata

VERSION_TABLE = "explorer_version"
"""Beside ``alembic_version``, which is Optuna's."""

_ADVISORY_LOCK = 7_311_402_689
"""Names the lock under which PostgreSQL lets one process at a time migrate."""

_BEFORE_ARMS = {"0001", "0002", "0003"}
"""The revisions of the layout in which an Optuna trial was one replicate; never released."""


class UnsoundError(InputError):
    """A database that this explorer must not work with."""


def upgrade(engine: sa.Engine, source: str, shown: str) -> None:
    """Migrate our tables to the latest revision.

    All revisions together are one transaction under a lock: of several processes that open a
    database at once one migrates, and one that dies in the middle leaves it as it was.

    Raises:
        UnsoundError: If another version of explorer has written the database, or something of its
            schema is missing.
    """
    config = Config()
    config.set_main_option("script_location", "explorer.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    head = str(scripts.get_current_head())
    with engine.connect() as connection:
        revision = _revision(connection, source, shown)
    if revision != head:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                lock = sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK))
                connection.execute(lock)
            else:
                # SQLite would else write each CREATE TABLE by itself.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            revision = _revision(connection, source, shown)
            known = {script.revision for script in scripts.walk_revisions()}
            if revision is not None and revision not in known:
                remedy = (
                    f"was written by a newer explorer (schema {revision}, this one knows {head}); "
                    "upgrade fdsl-explorer"
                )
                raise UnsoundError(source, None, shown, remedy)
            config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
            command.upgrade(config, "head")
    _check_complete(engine, source, shown)


def _revision(connection: sa.Connection, source: str, shown: str) -> str | None:
    """Return the revision of a database; ``None`` where explorer has not been there yet."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    try:
        revision = context.get_current_revision()
    except CommandError as error:  # several at once
        raise UnsoundError(source, None, shown, f"is half migrated: {error}") from error
    before = sa.inspect(connection).has_table("explorer_schema")
    if revision in _BEFORE_ARMS or (revision is None and before):
        remedy = (
            "was written by an older explorer, whose trials were replicates and not arms; leave it "
            "as it is and begin another: explorer run-study STUDY --storage sqlite:///new.db"
        )
        raise UnsoundError(source, None, shown, remedy)
    return revision


def _check_complete(engine: sa.Engine, source: str, shown: str) -> None:
    """Look whether what the revision promises is there."""
    there = sa.inspect(engine).get_multi_columns(filter_names=list(metadata.tables))
    columns = {name: {column["name"] for column in rows} for (_, name), rows in there.items()}
    for name, table in metadata.tables.items():
        missing = sorted({*table.columns.keys()} - columns.get(name, set()))
        if missing:
            lack = f"{name} lacks {', '.join(missing)}" if name in columns else f"{name} is missing"
            remedy = f"is half migrated: {lack}; take a copy of before, or another database"
            raise UnsoundError(source, None, shown, remedy)
