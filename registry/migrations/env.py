"""Alembic's entry: runs the migrations on the connection that `registry.migrate` hands over."""

from alembic import context

from registry.tables import METADATA
from registry.upgrading import COMPARING

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    **COMPARING,
)
with context.begin_transaction():
    context.run_migrations()
