"""Our tables, beside Optuna's, as the latest revision in ``migrations`` makes them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

metadata = sa.MetaData()

runs = sa.Table(
    "explorer_runs",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("study_name", sa.String(512), nullable=False, index=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("process", sa.String(255), nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("provenance", sa.Text, nullable=False),
    sa.Column("started_at", sa.DateTime, nullable=False),
    sa.Column("seen_at", sa.DateTime, nullable=False),
    sa.Column("ended_at", sa.DateTime),
    sa.Column("study_file", sa.Text),
)

locks = sa.Table(
    "explorer_locks",
    metadata,
    sa.Column("study_name", sa.String(512), primary_key=True),
    sa.Column("run_id", sa.String(32)),
)

# The rows of a trial go with the trial (ON DELETE CASCADE in the database).
epochs = sa.Table(
    "explorer_epochs",
    metadata,
    sa.Column("trial_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("phase", sa.String(16), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("images_seen", sa.Integer, nullable=False),
    sa.Column("loss", sa.Float, nullable=False),
    sa.Column("accuracy", sa.Float),
    sa.Column("seconds", sa.Float, nullable=False),
)

results = sa.Table(
    "explorer_results",
    metadata,
    sa.Column("result_key", sa.String(64), primary_key=True),
    sa.Column("trial_id", sa.Integer, nullable=False, index=True),
)


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Begin an INSERT that may say what happens ON CONFLICT."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_missing(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; one whose key is there already is kept, so that this may be repeated."""
    if rows:
        connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
