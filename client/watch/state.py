"""What `client watch` has done, in one SQLite file: survives SIGKILL at any moment and a power failure.

A frame is recorded by one transaction, and with it the days whose result file must be written anew and the record
that the sidecar must be sent. Whatever is not finished when the process ends is finished by the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from client.errors import ConfigError, OutputError
from client.watch.folder import Stamp
from client.watch.records import COLUMNS, NUMBER_OF_COLUMNS, Recorded, from_columns, to_columns

VERSION = 1
UNDATED = "undated"

_SCHEMA = (
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    # sent: the revision that the sidecar has.
    f"CREATE TABLE frames ({COLUMNS}, sent INTEGER NOT NULL) STRICT",
    "CREATE INDEX frames_by_day ON frames (day, time_utc, name)",
    "CREATE INDEX frames_to_send ON frames (sent) WHERE sent < revision",
    "CREATE TABLE unwritten_days (day TEXT PRIMARY KEY) STRICT",
)
_VARIABLES = 500  # in one statement; SQLite has a limit
_INSERT = f"INSERT OR REPLACE INTO frames VALUES ({', '.join('?' * (NUMBER_OF_COLUMNS + 1))})"


@dataclass(frozen=True, slots=True)
class Before:
    """What was recorded of a frame: its content's SHA-256, its error, and whether that was final."""

    sha256: str
    error: str
    final: bool


class WatchState:
    """The state file of one watched folder.

    Args:
        path: The file; it is made if it is not there.
        season: Name of the season; a state belongs to one.

    Raises:
        ConfigError: The file is none of this kind, is of another season, or is damaged.
        OutputError: It cannot be opened or written.
    """

    def __init__(self, path: Path, season: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._open("rwc")
            try:
                self._check(season)
                with self._transaction():
                    self._make(season)
            except BaseException:
                self._database.close()
                raise
        except (OSError, sqlite3.OperationalError) as error:
            raise OutputError(f"{path}: cannot be opened or written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{path}: is no state of `client watch`, or is damaged: {error}. Choose another file with --state, "
                "or move it away: everything in the folder is classified anew then"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @contextmanager
    def another(self) -> Iterator[WatchState]:
        """Opens the same file once more, for another thread; raises sqlite3.Error if it is away."""
        other = object.__new__(WatchState)
        other.path = self.path
        other._database = other._open("rw")
        with other:
            yield other

    def reopen(self) -> None:
        """Opens the file anew, after an error: its disk may have been away, and the old handle dead for ever.

        Raises:
            sqlite3.Error: It is still away. It is never made anew here, which would forget everything.
        """
        database = self._open("rw")
        self._database.close()
        self._database = database

    def stamps(self) -> dict[str, Stamp]:
        """Gives the stamp of every file of which all is said, by name."""
        rows = self._database.execute("SELECT name, size, mtime_ns, ctime_ns FROM frames WHERE final")
        return {name: Stamp(*stamp) for name, *stamp in rows}

    def before(self, names: Iterable[str]) -> dict[str, Before]:
        """Gives what was recorded of frames; nothing for those that were not."""
        found = {}
        rest = list(names)
        while rest:
            some, rest = rest[:_VARIABLES], rest[_VARIABLES:]
            query = f"SELECT name, sha256, error, final FROM frames WHERE name IN ({', '.join('?' * len(some))})"
            for name, sha256, error, final in self._database.execute(query, some):
                found[name] = Before(sha256, error, bool(final))
        return found

    def touch(self, files: Iterable[tuple[str, Stamp]]) -> None:
        """Takes note that files have other times but the same content."""
        with self._transaction():
            self._database.executemany(
                "UPDATE frames SET size = ?, mtime_ns = ?, ctime_ns = ? WHERE name = ?",
                [(stamp.size, stamp.mtime_ns, stamp.ctime_ns, name) for name, stamp in files],
            )

    def record(self, frames: Sequence[Recorded]) -> int:
        """Records frames, all or none.

        Returns:
            How many of them were recorded before, with another content.

        Raises:
            sqlite3.Error: The file cannot be written; nothing is recorded then.
        """
        corrected = 0
        days = {frame.day for frame in frames}
        with self._transaction():
            for frame in frames:
                before = self._database.execute(
                    "SELECT revision, day, sent FROM frames WHERE name = ?", (frame.row.file,)
                ).fetchone()
                revision, day, sent = before or (0, frame.day, 0)
                corrected += before is not None
                self._database.execute(_INSERT, (*to_columns(frame, revision + 1), sent))
                days.add(day)
            self._database.executemany("INSERT OR IGNORE INTO unwritten_days VALUES (?)", [(day,) for day in days])
        return corrected

    def days_to_write(self) -> list[str]:
        """Lists the days whose result files are behind."""
        return [day for (day,) in self._database.execute("SELECT day FROM unwritten_days ORDER BY day")]

    def day_written(self, day: str) -> None:
        """Takes note that a day's result file is up to date."""
        with self._transaction():
            self._database.execute("DELETE FROM unwritten_days WHERE day = ?", (day,))

    def frames_of(self, day: str) -> list[Recorded]:
        """Gives the frames of a day, by time and name."""
        return self._frames("WHERE day = ? ORDER BY time_utc, name", day)

    def to_send(self, limit: int, without: Mapping[str, int] | None = None) -> list[Recorded]:
        """Gives frames the sidecar does not have yet, the oldest records first.

        Args:
            limit: How many at most.
            without: Frames that are left out, by name, each with the revision that is.
        """
        left_out = without or {}
        found = self._frames("WHERE sent < revision ORDER BY rowid LIMIT ?", limit + len(left_out))
        return [frame for frame in found if left_out.get(frame.row.file) != frame.revision][:limit]

    def sent(self, frames: Iterable[Recorded]) -> None:
        """Takes note that the sidecar has these revisions of frames."""
        with self._transaction():
            self._database.executemany(
                "UPDATE frames SET sent = MAX(sent, ?) WHERE name = ?",
                [(frame.revision, frame.row.file) for frame in frames],
            )

    def unsent(self) -> int:
        """Counts frames the sidecar does not have yet."""
        return int(self._database.execute("SELECT COUNT(*) FROM frames WHERE sent < revision").fetchone()[0])

    def newest(self, number: int = 1) -> list[str]:
        """Gives the newest times of frames, ISO 8601, the newest first."""
        # Days are digits, and so come before the undated ones.
        found = self._database.execute(
            "SELECT DISTINCT day, time_utc FROM frames WHERE day < ? ORDER BY day DESC, time_utc DESC LIMIT ?",
            (UNDATED, number),
        )
        return [str(time) for _, time in found]

    def _frames(self, which: str, value: object) -> list[Recorded]:
        return [from_columns(row[:-1]) for row in self._database.execute(f"SELECT * FROM frames {which}", (value,))]

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        database = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA synchronous = FULL")  # a commit is on the disk
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # opens it, which connecting does not
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _check(self, season: str) -> None:
        tables = self._tables()
        about = dict(self._database.execute("SELECT key, value FROM about")) if "about" in tables else {}
        if tables and about.get("version") != str(VERSION):
            raise ConfigError(
                f"{self.path}: expected a state file of `client watch`, version {VERSION}, received another "
                "database; choose another file with --state"
            )
        if tables and about["season"] != season:
            raise ConfigError(
                f"{self.path} is the state of season {about['season']!r}, received --season {season!r}; choose "
                "another file with --state"
            )
        self._database.execute("PRAGMA journal_mode = WAL")

    def _make(self, season: str) -> None:
        if self._tables():
            return
        for statement in _SCHEMA:
            self._database.execute(statement)
        about = {"version": str(VERSION), "season": season}
        self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    def _tables(self) -> set[Any]:
        return {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # A commit that fails on a full disk may leave the transaction open, or may have ended it.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
