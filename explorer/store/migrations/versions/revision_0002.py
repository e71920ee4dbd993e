"""Runs keep the text of their study file and no password; rows of a trial go with the trial."""

import sqlalchemy as sa
from alembic import op

from explorer.errors import masked

revision = "0002"
down_revision = "0001"

_runs = sa.table("explorer_runs", sa.column("run_id"), sa.column("command"))
_schema = sa.table("explorer_schema", sa.column("version"))
_trials = sa.table("trials", sa.column("trial_id"))


def upgrade() -> None:
    """Add the column and the foreign keys, and mask what runs have said of their command."""
    op.add_column("explorer_runs", sa.Column("study_file", sa.Text))
    bind = op.get_bind()
    for run_id, command in bind.execute(sa.select(_runs.c.run_id, _runs.c.command)).all():
        if masked(command) != command:
            mine = sa.update(_runs).where(_runs.c.run_id == run_id)
            bind.execute(mine.values(command=masked(command)))
    for name in ("explorer_epochs", "explorer_results"):
        table = sa.table(name, sa.column("trial_id"))
        there = sa.select(_trials.c.trial_id)
        bind.execute(sa.delete(table).where(table.c.trial_id.not_in(there)))
        with op.batch_alter_table(name) as batch:
            batch.create_foreign_key(
                f"{name}_trial", "trials", ["trial_id"], ["trial_id"], ondelete="CASCADE"
            )
    op.create_index("ix_explorer_results_trial_id", "explorer_results", ["trial_id"])
    # An explorer of before the migrations reads this number, and refuses one above 1.
    bind.execute(sa.delete(_schema))
    bind.execute(sa.insert(_schema).values(version=2))
