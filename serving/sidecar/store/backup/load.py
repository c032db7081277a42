"""Making a database of a backup: all of it in one transaction, or nothing is changed."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, Table, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from serving.sidecar.errors import Conflict, SettingsError
from serving.sidecar.store import revisions
from serving.sidecar.store.backup.archive import Contents, Reader, reading
from serving.sidecar.store.backup.dump import rows_of, tables_of
from serving.sidecar.store.database import APPLICATION, Database, foreign


def load(
    database: Database,
    path: Path,
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
    settle: Callable[[], None] = lambda: None,
) -> Contents:
    """Fills a database with a backup, and brings its tables up to date.

    Args:
        database: Empty or new; or with `overwrite` one of snowmode, whose contents are replaced. No sidecar may be
            at work on it: it would go on with what it remembers.
        path: Of the backup; read to its end before anything is changed.
        overwrite: Replaces what is there.
        say: Called with lines of progress.
        settle: Called right before the database takes all of it; an exception there still changes nothing.

    Returns:
        What was restored.

    Raises:
        SettingsError: The backup is damaged or of a later release, or the database belongs to somebody else.
        Conflict: The database is not empty, or somebody is at work on it.
        Unavailable: The database does not answer.
    """
    with reading(path) as backup:
        contents = backup.contents
        if not revisions.is_known(contents.revision):
            raise SettingsError(
                f"{path}: expected a backup of this release of snowmode or an earlier one, received one of "
                f"{contents.release}, state {contents.revision!r} of the tables; restore it with that release"
            )
        backup.check()
        say(f"{path}: {contents.rows:,} rows of {contents.made:%Y-%m-%d %H:%M} UTC, whole")
        _check_unused(database)
        with database.rebuilding() as connection:
            _clear(connection, database.where, overwrite=overwrite)
            revisions.bring(connection, contents.revision)
            _fill(connection, backup, path, say)
            try:
                revisions.bring(connection)
            except CommandError as error:
                raise SettingsError(f"{path}: its tables cannot be brought up to date: {error}") from error
            settle()
        newest = revisions.newest()
        if newest != contents.revision:
            say(f"Tables brought from state {contents.revision} to {newest}")
        return contents


def _check_unused(database: Database) -> None:
    """Raises Conflict if somebody is at work on a database."""
    database.close()  # its own connections are no others'
    advice = "stop every sidecar on it first (kubectl scale, docker compose stop sidecar)"
    if database.file is not None:
        if not database.file.is_file():
            return
        # SQLite leaves its write-ahead log only to who is alone with the file, idle connections included.
        with contextlib.closing(sqlite3.connect(database.file, timeout=2, isolation_level=None)) as alone:
            try:
                (mode,) = alone.execute("PRAGMA journal_mode=DELETE").fetchone()
            except sqlite3.OperationalError as error:
                raise Conflict(f"{database.where}: is in use ({error}); {advice}") from error
            except sqlite3.DatabaseError as error:
                raise SettingsError(
                    f"{database.where}: {error}; move the file away (with the -wal and -shm beside it) and restore "
                    "into a new one"
                ) from error
        if mode != "delete":
            raise Conflict(f"{database.where}: is in use; {advice}")
        return
    with database.snapshot() as connection:
        count = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND application_name = :name"
            ),
            {"name": APPLICATION},
        ).scalar_one()
    if count:
        raise Conflict(f"{database.where}: is in use, by {count} connections of sidecars; {advice}")


def _clear(connection: Connection, where: str, *, overwrite: bool) -> None:
    """Takes away what is there, if that was wanted."""
    there = set(inspect(connection).get_table_names())
    if not there:
        return
    revision = revisions.current(connection)
    if revision is None:
        raise foreign(where, there)
    if not revisions.is_known(revision):
        raise SettingsError(
            f"{where}: expected an empty database or one of this release of snowmode, received its state "
            f"{revision!r}; restore into a new database, or with the newer release"
        )
    tables = tables_of(connection, revision)
    counts = {table.name: _count(connection, table) for table in tables}
    if any(counts.values()) and not overwrite:
        held = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
        raise Conflict(
            f"{where}: expected an empty database, received one with rows ({held}); name another one, or "
            "replace what it holds with --overwrite (make a backup of it first)"
        )
    for table in reversed(tables):
        table.drop(connection)
    connection.execute(text(f"DROP TABLE {revisions.TABLE}"))


def _fill(connection: Connection, backup: Reader, path: Path, say: Callable[[str], None]) -> None:
    contents = backup.contents
    there = {table.name: table for table in tables_of(connection, contents.revision)}
    for entry in contents.tables:
        table = there.get(entry.name)
        names = [column.name for column in entry.columns]
        if table is None or set(names) != set(table.columns.keys()):
            raise SettingsError(
                f"{path}: table {entry.name} is not one of state {contents.revision!r}; take another backup. Nothing "
                "was changed"
            )
        # Closed here, as a row that is refused leaves it half-way: it holds the file of the backup open.
        with contextlib.closing(backup.rows(entry)) as rows:
            done = 0
            while part := list(itertools.islice(rows, rows_of(entry.name))):
                which = f"table {entry.name}, rows {done + 1:,} to {done + len(part):,}"
                _insert(connection, table, [dict(zip(names, row, strict=True)) for row in part], f"{path}: {which}")
                done += len(part)
        if _count(connection, table) != entry.rows:
            raise SettingsError(f"{path}: table {entry.name} holds rows twice. Nothing was changed")
        _go_on_counting(connection, table)
        say(f"{entry.name:12} {entry.rows:>11,} rows")


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]], which: str) -> None:
    try:
        connection.execute(table.insert(), rows)
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error, OperationalError):
            raise  # it went away, or its disk is full: no fault of the rows
        reason = " ".join(str(error.orig).split())
        raise SettingsError(f"{which}: the database refuses them: {reason}. Nothing was changed") from error


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Lets PostgreSQL number the next row after those restored; SQLite does so by itself."""
    if connection.dialect.name != "postgresql" or "id" not in table.columns:
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
    ).scalar_one()
    if sequence is not None:
        highest = connection.execute(select(func.max(table.columns["id"]))).scalar_one()
        if highest is not None:
            connection.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
