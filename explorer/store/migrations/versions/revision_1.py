"""The tables of the first release. Copy them here before a second revision changes them."""

from alembic import op

from explorer.store.tables import metadata

revision = "arms1"
down_revision = None


def upgrade() -> None:
    """Create our tables."""
    metadata.create_all(op.get_bind())
