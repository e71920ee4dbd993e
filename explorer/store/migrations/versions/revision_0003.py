"""A trial that waits is found without looking at those that have ended."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add an index to Optuna's table of trials, which Optuna itself knows nothing of."""
    op.create_index("ix_explorer_trials_state", "trials", ["study_id", "state", "number"])
