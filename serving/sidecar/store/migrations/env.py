"""Alembic's way in: migrations run on the connection that `Database.upgrade` hands over, in its transaction."""

from alembic import context

from serving.sidecar.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
