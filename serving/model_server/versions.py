"""The version folders of a model on disk."""

import re
from pathlib import Path
from typing import Final, TypeAlias

LARGEST_VERSION: Final = 2**63 - 1
"""A version is an int64 wherever it travels."""

_SHARD = re.compile(r"variables\.data-\d+-of-(\d+)")

Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""Name, size and mtime of every file of a version: another stamp is another try at loading it."""


def version_folders(base_path: Path) -> list[tuple[int, Path]]:
    """Finds `<base_path>/<integer>/`, complete or not.

    Returns:
        Numbers and folders. `7` and `007` are two folders of one number; the last one counts.

    Raises:
        OSError: if there is no such base path, or it cannot be read.
    """
    return [
        (int(entry.name), entry)
        for entry in sorted(base_path.iterdir())
        if entry.name.isascii() and entry.name.isdecimal() and int(entry.name) <= LARGEST_VERSION and entry.is_dir()
    ]


def what_is_missing(folder: Path) -> str:
    """Tells a whole SavedModel from one still being copied: a part can load, and even answer.

    Returns:
        What it lacks, for a message; empty if it is whole.
    """
    try:
        return _what_is_missing(folder)
    except OSError as error:  # it is being removed, or nobody may look inside
        return f"{error.filename or folder} cannot be read ({error.strerror or error})"


def _what_is_missing(folder: Path) -> str:
    graph, index = folder / "saved_model.pb", folder / "variables" / "variables.index"
    fingerprint = folder / "fingerprint.pb"
    for path in (graph, index):
        if not path.is_file():
            return f"there is no {path.relative_to(folder)}"
    for path in (graph, index, fingerprint):
        if path.is_file() and not path.stat().st_size:
            return f"{path.relative_to(folder)} is empty"
    shards = [match for path in index.parent.iterdir() if (match := _SHARD.fullmatch(path.name))]
    if not shards:
        return "there is no variables/variables.data-*"
    wanted = int(shards[0].group(1))
    return "" if len(shards) == wanted else f"{len(shards)} of {wanted} variables/variables.data-* are there"


def stamp_of(folder: Path) -> Stamp:
    """Takes the stamp of a version folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        (str(path.relative_to(folder)), (status := path.stat()).st_size, status.st_mtime_ns) for path in files
    )
