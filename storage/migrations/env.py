"""Alembic's way in: the connection is the one that `open_database` holds, lock and all."""

from alembic import context

from storage.mirror.tables import MIRRORS
from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata if MIRRORS else None,
    render_as_batch=True,
)
context.run_migrations()
