"""The connection to the database: opened, brought up to date, and its absence told as such."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from serving.sidecar.errors import SettingsError, Unavailable
from serving.sidecar.store import revisions

BUSY_SECONDS = 30
"""So long a writer of SQLite waits for another one."""

STATEMENT_SECONDS, LOCK_SECONDS, IDLE_SECONDS = 60, 10, 120
"""So long PostgreSQL works on a statement, waits for a lock, and keeps a transaction that nobody goes on with."""

APPLICATION = "snowmode sidecar"
"""How a connection shows itself to PostgreSQL."""

_SECRET_PARAMETERS = ("password", "sslpassword")

_MIGRATION_LOCK = 7_276_669_001  # an arbitrary number: which advisory lock of PostgreSQL migrations take

_log = logging.getLogger(__name__)


class Database:
    """A database that holds the tables of this release.

    Args:
        url: ``sqlite:///file.sqlite`` or ``postgresql://user:password@host/name``.

    Raises:
        SettingsError: The address makes no sense, or the database belongs to a later release.

    Example:
        >>> database = Database("sqlite:///winter.sqlite")  # doctest: +SKIP
        >>> with database.writing() as connection:
        ...     record(connection, records)
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        # libpq takes a password as a parameter, too.
        self.where = self._url.difference_update_query(_SECRET_PARAMETERS).render_as_string(hide_password=True)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.file = Path(str(self._url.database)) if self.is_sqlite else None
        self._engine = _engine(self._url, self.is_sqlite)
        self._is_ready, self._upgrading = False, threading.Lock()

    @property
    def connections_in_use(self) -> int:
        """How many requests and jobs hold a connection."""
        pool = self._engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def upgrade(self) -> None:
        """Brings the tables up to date; makes them where there are none.

        Whoever reads or writes first does so as well: a database that was away at the start may come back.

        Raises:
            Unavailable: The database does not answer.
            SettingsError: It belongs to a later release.
        """
        if not self._upgrading.acquire(timeout=1):  # Alembic cannot do it twice at a time
            raise Unavailable("database", f"{self.where}: is being brought up to date, or does not answer")
        try:
            if not self._is_ready:
                self._upgrade()
                self._is_ready = True
        finally:
            self._upgrading.release()

    def _upgrade(self) -> None:
        head = revisions.newest()
        with self.rebuilding() as connection:
            before = revisions.current(connection)
            if before == head:
                return
            if before is None and (others := inspect(connection).get_table_names()):
                raise foreign(self.where, others)
            try:
                revisions.bring(connection)
            except CommandError as error:
                raise SettingsError(
                    f"{self.where}: expected a database of this release of snowmode or an earlier one, received its "
                    f"state {before!r}; start the newer release, or restore a backup"
                ) from error
        _log.info("%s: tables brought from state %s to %s", self.where, before or "empty", head)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Gives a connection that sees one state of the database throughout.

        Raises:
            Unavailable: The database does not answer.
        """
        if not self._is_ready:
            self.upgrade()
        with self.snapshot() as connection:
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `reading`, but the tables are left in the state they are in, which may be an earlier release's.

        Raises:
            Unavailable: The database does not answer.
        """
        with self._translated(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Gives a connection whose work is kept as a whole at the end, or not at all after an exception.

        Raises:
            Unavailable: The database does not answer.
        """
        if not self._is_ready:
            self.upgrade()
        with self._begin_writing() as connection:
            yield connection

    @contextlib.contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """As `writing`, but the tables are left in the state they are in; one process at a time may change them.

        Raises:
            Unavailable: The database does not answer.
        """
        with self._begin_writing() as connection:
            if not self.is_sqlite:  # several sidecars may start at once; SQLite's writers wait for each other anyway
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            yield connection

    @contextlib.contextmanager
    def _begin_writing(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(snowmode_writes=True)
            with connection.begin():
                yield connection

    def check(self) -> None:
        """Asks for an answer.

        Raises:
            Unavailable: There is none.
        """
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise Unavailable("database", f"{self.where}: all connections are busy; try again") from error
        except DBAPIError as error:
            if type(error) is DatabaseError:  # what SQLite says of a file that is none of its own, or is damaged
                reason = " ".join(str(error.orig).split())
                raise SettingsError(f"{self.where}: {reason}; name another file, or restore a backup") from error
            if _is_absence(error):
                reason = " ".join(str(error.orig).split())
                raise Unavailable("database", f"{self.where}: {reason}") from error
            raise


def foreign(where: str, tables: Iterable[str]) -> SettingsError:
    """Says that a database belongs to somebody else."""
    return SettingsError(
        f"{where}: expected an empty database or one of snowmode, received one with the tables "
        f"{', '.join(sorted(tables)[:5])}; name another one"
    )


def _is_absence(error: DBAPIError) -> bool:
    """Tells a database that is away, locked, full or read-only from a wrong statement."""
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _checked(url: str) -> URL:
    expected = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        kind, colon, rest = url.partition(":")
        shown = repr(url)
        if colon and rest:
            shown = (
                f"{kind}:... (the rest may hold a password, and is not shown); a port is a number, and @ : / in a "
                "password are written %40 %3A %2F"
            )
        # The cause repeats a part of the address, which may be the password.
        raise SettingsError(f"--database: expected {expected}, received {shown}") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    elif backend != "sqlite":
        raise SettingsError(f"--database: expected {expected}, received {parsed.render_as_string()!r}")
    elif not parsed.database or parsed.database == ":memory:":
        raise SettingsError(f"--database: expected a file, as in {expected}, received {url!r}")
    elif not Path(parsed.database).expanduser().parent.is_dir():
        raise SettingsError(
            f"--database: the folder {Path(parsed.database).expanduser().parent} is not there; make it first"
        )
    else:
        parsed = parsed.set(database=str(Path(parsed.database).expanduser()))
    return parsed


def _limit(connection: Any, _: Any) -> None:
    # Not as `options` of the connection, which poolers such as PgBouncer refuse.
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.autocommit = False


def _engine(url: URL, is_sqlite: bool) -> Engine:
    try:
        if not is_sqlite:
            postgres = create_engine(
                url,
                pool_size=10,
                max_overflow=10,
                pool_timeout=10,
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": 5,
                    "application_name": APPLICATION,
                    "keepalives_idle": 30,  # a machine that vanished must not hold a request for hours
                    "tcp_user_timeout": 20_000,
                },
            )
            event.listen(postgres, "connect", _limit)
            return postgres
        engine = create_engine(
            url, pool_size=10, max_overflow=10, pool_timeout=10, connect_args={"timeout": BUSY_SECONDS}
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(f"--database: {error}") from error

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # The driver must not begin transactions by itself: `_begin` does, and says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # NORMAL may lose what was acknowledged when the power fails
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A reader that begins to write later may find another writer before it, and cannot go on.
        writes = connection.get_execution_options().get("snowmode_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
