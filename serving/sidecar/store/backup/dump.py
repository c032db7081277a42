"""Writing a backup while others read and write: one state of the database, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, select

from serving.sidecar.errors import SettingsError
from serving.sidecar.store import revisions
from serving.sidecar.store.backup.archive import Column, Contents, writing
from serving.sidecar.store.database import Database

_ROWS, _LARGE = 1000, {"heat_sums": 10}
"""Rows in memory together; those of heat maps have up to half a megabyte each."""


def dump(database: Database, path: Path, *, say: Callable[[str], None] = lambda _: None) -> Contents:
    """Writes everything a database holds into a file.

    The tables are left in the state they are in: a backup may be what is made before they are brought up to date.

    Args:
        database: To be read.
        path: Of the file; see `archive.writing`.
        say: Called with lines of progress.

    Returns:
        What was written.

    Raises:
        SettingsError: There is no such database, or it is not one of snowmode, or of a later release.
        Unavailable: The database does not answer.
        OSError: The file cannot be written.
    """
    if database.file is not None and not database.file.is_file():
        raise SettingsError(f"--database: expected a database, received {database.where}, where there is no file")
    # The file is read again after the database was let go: PostgreSQL ends a transaction that is idle for long.
    with writing(path) as writer, database.snapshot() as connection:
        revision = _revision(connection, database.where)
        made = datetime.now(UTC).replace(microsecond=0)
        for table in tables_of(connection, revision):
            columns = [_column(column) for column in table.columns]
            entry = writer.table(table.name, columns, _rows(connection, table))
            say(f"{entry.name:12} {entry.rows:>11,} rows")
        return writer.close(
            revision=revision,
            release=metadata.version("snowmode"),
            made=made,
            database=database.where,
        )


def tables_of(connection: Connection, revision: str) -> list[Table]:
    """Gives the tables of a state as the database has them, in an order in which they can be filled."""
    found = MetaData()
    found.reflect(connection, only=sorted(revisions.tables_in(revision)))
    return list(found.sorted_tables)


def rows_of(table: str) -> int:
    """Gives how many rows of a table are held in memory together."""
    return _LARGE.get(table, _ROWS)


def _revision(connection: Connection, where: str) -> str:
    revision = revisions.current(connection)
    if revision is None:
        raise SettingsError(f"{where}: expected a database of snowmode, received an empty one or somebody else's")
    if not revisions.is_known(revision):
        raise SettingsError(
            f"{where}: expected a database of this release of snowmode or an earlier one, received its state "
            f"{revision!r}; make the backup with the newer release"
        )
    return revision


def _rows(connection: Connection, table: Table) -> Iterator[Any]:
    # In the order of the key: the same database gives the same backup. A cursor of the server: memory stays flat.
    statement = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(stream_results=True, yield_per=rows_of(table.name)).execute(statement)
    for part in rows.partitions():
        yield from part


def _column(column: Any) -> Column:
    return Column(name=column.name, kind="bytes" if isinstance(column.type, LargeBinary) else "plain")
