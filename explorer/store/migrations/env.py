"""What Alembic runs to migrate; the connection, and the transaction in it, are the caller's."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
