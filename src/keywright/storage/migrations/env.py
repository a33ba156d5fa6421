"""Alembic's entry: run the migrations on the connection that `storage.migrate` opened."""

from alembic import context

from keywright.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
