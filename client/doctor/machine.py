"""This machine: folders, disk, Python, libraries."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from client.doctor.finding import Finding, failure, ok, warning
from client.errors import ConfigError
from client.sources import find_frames
from radar.errors import FrameError, SnowmodeError
from radar.frames import FrameRule, load

_LITTLE_SPACE = 1 << 30
_BYTES_A_FRAME = 400  # in a result file
_LIBRARIES = ("snowmode", "numpy", "opencv-python-headless", "grpcio", "protobuf", "pydantic", "typer", "rich")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*;\s*extra == ['\"]([a-z]+)['\"]")


def check_folder(folder: Path) -> list[Finding]:
    """Looks whether a folder of frames can be read, and its first frame."""
    try:
        names = find_frames(folder, recursive=False).names
    except (SnowmodeError, ConfigError) as error:
        return [failure("folder", str(error), "Is it mounted, and may this user read it?")]
    pictures = [name for name in names if name.lower().endswith(".png")]
    found = [ok("folder", f"{folder} holds {len(names):,} frames")]
    if pictures:
        path = folder if folder.is_file() else folder / pictures[0]
        try:
            load(os.fspath(path), FrameRule(height=32, width=32))
        except FrameError as error:
            found.append(
                warning("folder", f"{path.name} {error}", "Bad frames cost only themselves; is it one of many?")
            )
    return found


def check_out(folder: Path, frames: int) -> list[Finding]:
    """Looks whether results can be written to a folder, and how much."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".snowmode-doctor-"):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [
            failure(
                "results",
                f"{folder} cannot be written ({error.strerror or error})",
                "Name another folder for results: --out.",
            )
        ]
    text = f"{free / 1e9:,.1f} GB free in {folder.resolve()}"
    if free < max(_LITTLE_SPACE, 2 * frames * _BYTES_A_FRAME):
        return [warning("results", text, "Make room: heat maps and Parquet need more than the result file.")]
    return [ok("results", f"can be written, {text}")]


def check_python() -> Finding:
    """Looks at the versions of Python and the libraries."""
    versions = []
    for name in _LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            return failure("libraries", f"{name} is not installed", "Install again: pip install snowmode")
    text = f"Python {platform.python_version()}, {', '.join(versions)}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return warning("libraries", text, "Tested with Python 3.11 to 3.13.")
    return ok("libraries", text)


def check_extras() -> Finding:
    """Lists which extras are installed, by what the distribution asks for."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for line in importlib.metadata.requires("snowmode") or ():
        if (match := _REQUIREMENT.match(line)) and match[1] != "snowmode" and match[2] not in {"dev", "training"}:
            wanted[match[2]].append(match[1])
    there = sorted(extra for extra, names in wanted.items() if all(map(_installed, names)))
    absent = sorted(set(wanted) - set(there))
    text = f"installed: {', '.join(there) or 'none'}; not installed: {', '.join(absent) or 'none'}"
    return ok("extras", text, f"When needed: pip install 'snowmode[{absent[0]}]'" if absent else "")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
