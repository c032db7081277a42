"""The file of a backup: written to the end, or not there; read only after every byte was found as it was written."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from radar import durable
from serving.sidecar.errors import SettingsError

CONTENTS = "backup.json"
_FORMAT = 1
_LEVEL = 1  # of compression: most of it is compressed already
_LARGEST_CONTENTS = 2**20  # bytes; far more than there can be tables
_LARGEST_ROW = 2**26  # bytes; one of heat maps has up to half a million. A file of a few MB may unpack to anything
_DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)

Kind = Literal["plain", "bytes"]
Row = list[Any]


class Column(BaseModel):
    """A column of a table: its name, and how its values are written."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: Kind


class TableEntry(BaseModel):
    """A table: its columns, its rows, and the SHA-256 of what is written of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    columns: tuple[Column, ...]
    rows: int = Field(ge=0)
    sha256: str


class Contents(BaseModel):
    """What a backup says of itself.

    Attributes:
        format: Of the file.
        revision: State of the tables; see `serving.sidecar.store.revisions`.
        release: Of snowmode that wrote it.
        made: When the database was in this state, UTC.
        database: Its address, without the password.
        tables: In an order in which they can be filled.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int
    revision: str
    release: str
    made: datetime
    database: str
    tables: tuple[TableEntry, ...]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


class Writer:
    """Writes the tables of a backup, one after the other."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file, self._tables = file, list[TableEntry]()

    def table(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> TableEntry:
        """Writes a table; no more than a row at a time is in memory."""
        digest, count = hashlib.sha256(), 0
        blobs = [n for n, column in enumerate(columns) if column.kind == "bytes"]
        # The length is not known before: a member may become larger than 4 GiB.
        with self._file.open(_member(name), "w", force_zip64=True) as member:
            for count, row in enumerate(rows, 1):  # noqa: B007  (the last number is the count)
                values = list(row)
                for n in blobs:
                    values[n] = None if values[n] is None else base64.b64encode(values[n]).decode("ascii")
                line = json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"
                digest.update(line)
                member.write(line)
        entry = TableEntry(name=name, columns=tuple(columns), rows=count, sha256=digest.hexdigest())
        self._tables.append(entry)
        return entry

    def close(self, *, revision: str, release: str, made: datetime, database: str) -> Contents:
        """Writes what the backup says of itself."""
        contents = Contents(
            format=_FORMAT,
            revision=revision,
            release=release,
            made=made,
            database=database,
            tables=tuple(self._tables),
        )
        self._file.writestr(CONTENTS, contents.model_dump_json(indent=1) + "\n")
        return contents


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Writes a backup; it has its name at the end, read again and found whole, or is not there at all.

    Args:
        path: Of the file; nobody but its owner may read it: it holds names of people.

    Raises:
        OSError: It cannot be written.
        SettingsError: It is not what was written when it is read again.
    """
    with durable.replacing(path) as temporary:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(descriptor, "w+b") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive,
        ):
            yield Writer(archive)
        with reading(temporary) as reader:
            reader.check()


class Reader:
    """A backup that says of itself what it holds.

    Attributes:
        contents: What it says.
    """

    def __init__(self, path: Path, file: zipfile.ZipFile, contents: Contents) -> None:
        self.contents = contents
        self._path, self._file = path, file

    def check(self) -> None:
        """Reads everything.

        Raises:
            SettingsError: It is not what was written.
        """
        for table in self.contents.tables:
            for _ in self.rows(table):
                pass

    def rows(self, table: TableEntry) -> Generator[Row, None, None]:
        """Reads a table; only at its end is it sure that all of it was as it was written.

        Raises:
            SettingsError: It is not.
        """
        digest, count, width = hashlib.sha256(), 0, len(table.columns)
        blobs = [n for n, column in enumerate(table.columns) if column.kind == "bytes"]
        try:
            with self._file.open(_member(table.name)) as member:
                for count, line in enumerate(_lines(member), 1):
                    digest.update(line)
                    row = json.loads(line)
                    if not isinstance(row, list) or len(row) != width:
                        raise ValueError(f"row {count} has not {width} values")
                    for n in blobs:
                        row[n] = None if row[n] is None else base64.b64decode(row[n], validate=True)
                    yield row
        except _DAMAGE as error:
            raise _damaged(self._path, f"table {table.name}: {error or type(error).__name__}") from error
        if count != table.rows or digest.hexdigest() != table.sha256:
            raise _damaged(self._path, f"table {table.name}: {count} rows, or other ones, not {table.rows}")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Opens a backup.

    Raises:
        SettingsError: It is not there, none, damaged, or of a later format.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(zipfile.ZipFile(path))
            with file.open(CONTENTS) as member:
                text = member.read(_LARGEST_CONTENTS)
            number = json.loads(text)["format"]
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}; name the file of a backup") from error
        except (*_DAMAGE, TypeError) as error:
            raise _damaged(path, str(error) or type(error).__name__) from error
        if number != _FORMAT:
            raise SettingsError(
                f"{path}: expected a backup of format {_FORMAT}, received format {number!r}; restore it with the "
                "release of snowmode that wrote it, or a newer one"
            )
        try:
            contents = Contents.model_validate_json(text)
        except ValidationError as error:
            raise _damaged(path, f"{CONTENTS}: {error.errors()[0]['msg']}") from error
        yield Reader(path, file, contents)


def _lines(member: IO[bytes]) -> Iterator[bytes]:
    # A table cut off in the middle of a row must not pass for one that ends there.
    # Buffered once more: `readline` of a member is slow as soon as it has a limit.
    with io.BufferedReader(member) as lines:  # type: ignore[type-var]  # all it does is read
        while line := lines.readline(_LARGEST_ROW):
            if not line.endswith(b"\n"):
                whole = len(line) < _LARGEST_ROW
                raise ValueError("its last row is cut off" if whole else f"a row has {_LARGEST_ROW:,} bytes or more")
            yield line


def _member(table: str) -> str:
    return f"tables/{table}.ndjson"


def _damaged(path: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"{path}: expected a backup of `serving backup`, received one that is damaged, or another file: {reason}; "
        "take another backup. Nothing was changed"
    )
