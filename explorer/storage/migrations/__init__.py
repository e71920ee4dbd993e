"""The history of our tables, run by Alembic; ``explorer.storage.schema`` says when."""
