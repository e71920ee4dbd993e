"""The tables of before there were migrations; what is there already stays as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_metadata = sa.MetaData()

sa.Table(
    "explorer_schema",
    _metadata,
    sa.Column("version", sa.Integer, primary_key=True),
)

sa.Table(
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

sa.Table(
    "explorer_locks",
    _metadata,
    sa.Column("study_name", sa.String(512), primary_key=True),
    sa.Column("run_id", sa.String(32)),
)

sa.Table(
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

sa.Table(
    "explorer_results",
    _metadata,
    sa.Column("result_key", sa.String(64), primary_key=True),
    sa.Column("trial_id", sa.Integer, nullable=False),
)


def upgrade() -> None:
    """Create the tables that are missing: all, or none in a database of version 1."""
    _metadata.create_all(op.get_bind())
