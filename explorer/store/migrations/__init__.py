"""The history of our tables, run by Alembic; ``explorer.store.schema`` says when."""
