"""The folder backups are kept in: their names, and how long they stay."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from serving.sidecar.errors import SettingsError

SUFFIX = ".zip"
_NAME = re.compile(r"snowmode-\d{8}T\d{6}Z\.zip")
_LEFTOVER = re.compile(r"\.snowmode-\d{8}T\d{6}Z\.zip\.\d+\.tmp")
_LEFTOVER_SECONDS = 86_400


def place(out: Path, now: datetime | None = None) -> Path:
    """Gives the file of a new backup.

    Args:
        out: A file that ends in ``.zip``; or a folder, in which the file is named by the time.
        now: The time.

    Raises:
        SettingsError: The file is there already, or the folder is not.
    """
    file = out
    if out.suffix != SUFFIX:
        if not out.is_dir():
            raise SettingsError(
                f"--out: expected a folder that is there, or a file that ends in {SUFFIX}, received {str(out)!r}; "
                "mkdir -p makes a folder"
            )
        file = out / f"snowmode-{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    if not file.parent.is_dir():
        raise SettingsError(f"--out: the folder {file.parent} is not there; make it first")
    if file.exists():
        raise SettingsError(f"--out: {file} is there already; name another file, or a folder")
    return file


def rotate(folder: Path, keep: int) -> list[Path]:
    """Removes all but the newest backups of a folder, and what killed ones left behind; nothing else.

    Args:
        folder: Of backups.
        keep: How many stay.

    Returns:
        The backups that were removed.
    """
    found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    old = found[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):
                # A younger one may be another's that is being written.
                if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                    path.unlink()
    return old
