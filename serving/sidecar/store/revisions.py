"""States of the tables: which one a database is in, which ones this release knows, and the way to the newest."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, inspect

TABLE = "alembic_version"
"""Where a database keeps the state it is in."""

_MIGRATIONS = Path(str(resources.files("serving.sidecar.store") / "migrations"))


def newest() -> str:
    """Gives the state that this release works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise LookupError(f"{_MIGRATIONS}: expected migrations, received none")
    return head


def is_known(revision: str) -> bool:
    """Tells whether this release has such a state."""
    try:
        return _scripts().get_revision(revision) is not None
    except CommandError:
        return False


def current(connection: Connection) -> str | None:
    """Gives the state a database is in; None if it was never brought into one."""
    return MigrationContext.configure(connection).get_current_revision()


def bring(connection: Connection, revision: str = "head") -> None:
    """Brings the tables into a state, within the transaction of the connection; makes them where there are none.

    Raises:
        CommandError: This release does not know the state it is in.
    """
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def tables_in(revision: str) -> frozenset[str]:
    """Gives the names of the tables of a state; a database may hold others beside them, which are not ours."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            bring(connection, revision)
            return frozenset(inspect(connection).get_table_names()) - {TABLE}
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
