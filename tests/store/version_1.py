"""Our tables as explorer made them before it had migrations, copied from its code of then."""

import sqlalchemy as sa

metadata = sa.MetaData()

schema = sa.Table(
    "explorer_schema",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True),
)

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
)

locks = sa.Table(
    "explorer_locks",
    metadata,
    sa.Column("study_name", sa.String(512), primary_key=True),
    sa.Column("run_id", sa.String(32)),
)

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
    sa.Column("trial_id", sa.Integer, nullable=False),
)
