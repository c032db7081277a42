"""The commands `serving backup`, `serving restore` and `serving verify-backup`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

# 74 and 75 are EX_IOERR and EX_TEMPFAIL of sysexits.h, as in `training`.
REFUSED, WRONG, MACHINE, INTERRUPTED = 1, 2, 74, 75

_STOPS = (signal.SIGINT, signal.SIGTERM)

Address = Annotated[
    str,
    typer.Option(
        envvar="SNOWMODE_SIDECAR_DATABASE",
        metavar="URL",
        help="The sidecar's database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. Arguments can be "
        "seen by everybody on a machine: a password belongs into the variable.",
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A backup.", show_default=False)]


def backup(
    database: Address = "sqlite:///snowmode.sqlite",
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER|FILE", help="A folder, in which the backup is named by the time; or a .zip file."
        ),
    ] = Path(),
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Afterwards remove all but the newest N backups of the folder.",
            show_default="remove nothing",
        ),
    ] = None,
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write when it was made, its size and its duration there, for the textfile collector of "
            "Prometheus's node_exporter (a name that ends in .prom).",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Write everything the sidecar's database holds into one file, while it is in use.

    The file is of one moment, was read again before it got its name, and can be restored into SQLite and PostgreSQL
    alike. It needs neither pg_dump nor a stop.

    Exit codes: 0 done; 2 wrong settings; 74 the database does not answer or the disk is full: try again; 75 stopped:
    nothing was left behind, or the last line says that the backup is there and whole.

    Example: serving backup --database sqlite:///winter.sqlite --out backups/ --keep 14
    """
    from serving.sidecar.errors import SettingsError
    from serving.sidecar.store.backup import shelf
    from serving.sidecar.store.backup.dump import dump
    from serving.sidecar.store.backup.report import write_report
    from serving.sidecar.store.database import Database

    with _telling() as course:
        if keep is not None and out.suffix == shelf.SUFFIX:
            raise SettingsError(f"--keep: expected --out to be a folder, received the file {str(out)!r}")
        if textfile is not None and not textfile.parent.is_dir():
            raise SettingsError(f"--textfile: the folder {textfile.parent} is not there; make it first")
        path = shelf.place(out)
        # It has its name as soon as it is whole, and nobody else had that name before.
        course.done = lambda: f"the new backup is there and whole: {path}" if path.exists() else ""
        began = time.monotonic()
        with contextlib.closing(Database(database)) as opened:
            _say(f"Backup of {opened.where}")
            contents = dump(opened, path, say=_say)
        seconds, size = time.monotonic() - began, path.stat().st_size
        _say(f"{contents.rows:,} rows, {size / 1e6:,.1f} MB, {seconds:.1f} s, read again and whole")
        if keep is not None:
            for old in shelf.rotate(path.parent, keep):
                _say(f"Removed {old.name}")
        if textfile is not None:
            write_report(textfile, made=contents.made, size=size, seconds=seconds)
        _print(str(path))


def restore(
    file: File,
    database: Address = "sqlite:///snowmode.sqlite",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the database holds. It is gone then.")
    ] = False,
) -> None:
    """Fill an empty database with a backup. Stop every sidecar on it first.

    The whole file is read before anything is changed, and the database changes in one step: after a failure it is as
    it was. A backup of an earlier release is brought up to date.

    Exit codes: 0 done; 1 refused: the database is not empty, or in use; 2 wrong settings, or a damaged backup; 74 the
    database does not answer, or its disk is full: try again; 75 stopped, nothing was changed.

    Examples:
    serving restore backups/snowmode-20261122T030000Z.zip --database sqlite:///winter.sqlite

    SNOWMODE_SIDECAR_DATABASE=postgresql://... serving restore /backup/snowmode-20261122T030000Z.zip --overwrite
    """
    from serving.sidecar.store.backup.load import load
    from serving.sidecar.store.database import Database

    with _telling() as course:
        began = time.monotonic()
        with contextlib.closing(Database(database)) as opened:
            contents = load(opened, file, overwrite=overwrite, say=_say, settle=course.hold)
            _say(f"{contents.rows:,} rows restored into {opened.where}, {time.monotonic() - began:.1f} s")


def verify_backup(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Backups, one or many.", show_default=False)],
) -> None:
    """Read backups from their beginning to their end, and tell what they hold.

    Exit codes: 0 all are whole; 2 one is damaged, or no backup; the others are read all the same.

    Example: serving verify-backup backups/*.zip
    """
    from radar.errors import SnowmodeError

    with _telling():
        bad = 0
        for file in files:
            try:
                _verify(file)
            except SnowmodeError as error:
                bad += 1
                _say(f"Error: {error}")
        if bad and len(files) > 1:
            _say(f"{bad} of {len(files)} are not whole")
        if bad:
            raise typer.Exit(WRONG)


def _verify(file: Path) -> None:
    from serving.sidecar.store import revisions
    from serving.sidecar.store.backup.archive import reading

    with reading(file) as reader:
        contents = reader.contents
        reader.check()
    _print(f"{file}: whole")
    _print(f"made      {contents.made:%Y-%m-%d %H:%M:%S} UTC, by snowmode {contents.release}")
    _print(f"of        {contents.database}")
    known = "" if revisions.is_known(contents.revision) else ", of a later release: this one cannot restore it"
    _print(f"tables    state {contents.revision}{known}")
    for table in contents.tables:
        _print(f"{table.name:12} {table.rows:>11,} rows")


class _Stopped(Exception):  # noqa: N818  (no error: somebody asked for it)
    """SIGTERM came."""


class _Course:
    """How far a command has come.

    Attributes:
        done: Gives what is there already, and stays whatever happens now; empty if nothing is.
    """

    def __init__(self) -> None:
        self.done: Callable[[], str] = lambda: ""

    def hold(self) -> None:
        """Lets nobody stop the command any more: the next step does everything, and its end can be awaited."""
        for number in _STOPS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _telling() -> Iterator[_Course]:
    """Ends with the code that belongs to what went wrong, and its text alone."""
    from radar.errors import SnowmodeError
    from serving.sidecar.errors import Conflict, Unavailable

    def stop(*_: object) -> NoReturn:
        raise _Stopped

    course = _Course()
    before = [signal.getsignal(number) for number in _STOPS]
    # Otherwise SIGTERM leaves half a file behind.
    signal.signal(signal.SIGTERM, stop)
    try:
        yield course
    except (_Stopped, KeyboardInterrupt):
        _fail(f"Stopped; {course.done() or 'nothing was left behind or changed'}", INTERRUPTED)
    except Conflict as error:
        _fail(f"Refused: {error}", REFUSED)
    except Unavailable as error:
        _fail(f"Error: {error}", MACHINE)
    except SnowmodeError as error:
        _fail(f"Error: {error}", WRONG)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        done = course.done()
        # A missing folder or right is not cured by another try; a full or lost disk may be.
        if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError | IsADirectoryError):
            _fail(f"Error: {text}{done and f'; {done}'}", WRONG)
        advice = done or "Make room and run it again; earlier backups are as they were"
        _fail(f"Error: cannot be written: {text}. {advice[0].upper()}{advice[1:]}", MACHINE)
    finally:
        for number, handler in zip(_STOPS, before, strict=True):
            signal.signal(number, handler)


def _say(text: str) -> None:
    _print(text, err=True)


def _print(text: str, *, err: bool = False) -> None:
    """Writes a line. Nobody has to read it: what a command did decides its exit code."""
    try:
        typer.echo(text, err=err)
    except BrokenPipeError:  # who reads has had enough, such as `head`
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), (sys.stderr if err else sys.stdout).fileno())


def _fail(text: str, code: int) -> NoReturn:
    _say(text)
    raise typer.Exit(code)
