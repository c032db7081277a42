"""Publishing: a version appears whole, or not at all."""

from __future__ import annotations

import errno
import secrets
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from radar import durable
from training.errors import TrainingError


def version_of(created: datetime) -> int:
    """Gives the version number of a model: its UTC stamp ``yyyymmddHHMM``."""
    return int(created.strftime("%Y%m%d%H%M"))


def check_writable(folder: Path, option: str) -> None:
    """Makes a folder and tries to write there, so that a run does not find out after the training.

    Args:
        folder: The folder.
        option: Where the user chose it, such as ``--models``.

    Raises:
        TrainingError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot write there: {error.strerror or error}; choose another folder with {option}"
        ) from error


def publish(base: Path, version: int, make: Callable[[Path], None]) -> Path:
    """Makes a version in a hidden folder and renames it when it is finished.

    A model server takes a folder for a version as soon as its name is a number, complete or not; so the number is
    given last, after everything is on the disk.

    Args:
        base: Folder of the versions, ``<models>/snowmode``.
        version: Wanted number; the next free one is taken if it exists.
        make: Fills a folder that does not exist yet; whatever it raises leaves nothing behind.

    Returns:
        The folder of the version.

    Raises:
        TrainingError: The folder cannot be written.
    """
    # Random, because jobs in containers share the volume and all have the same process number.
    partial = base / f".partial-{version}-{secrets.token_hex(8)}"
    try:
        base.mkdir(parents=True, exist_ok=True)
        try:
            make(partial)
            _sync_tree(partial)
            return _rename(partial, base, version)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise TrainingError(f"{base}: cannot publish there: {error.strerror or error}") from error


def _rename(partial: Path, base: Path, version: int) -> Path:
    while True:
        target = base / str(version)
        try:
            # Fails if the number is taken, even by a job of the same minute; nothing is ever replaced.
            partial.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            version += 1
            continue
        durable.sync(base)
        return target


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        durable.sync(path)
    durable.sync(folder)
