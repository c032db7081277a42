"""The version folders of a model on disk."""

import re
from pathlib import Path
from typing import TypeAlias

_SHARD = re.compile(r"variables\.data-\d+-of-(\d+)")

Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""Name, size and mtime of every file of a version: another stamp is another try at loading it."""


def version_folders(base_path: Path) -> dict[int, Path]:
    """Finds `<base_path>/<integer>/`, complete or not.

    Raises:
        OSError: if there is no such base path, or it cannot be read.
    """
    return {
        int(entry.name): entry
        for entry in sorted(base_path.iterdir())
        if entry.name.isascii() and entry.name.isdecimal() and entry.is_dir()
    }


def is_complete(folder: Path) -> bool:
    """Tells a whole SavedModel from one still being copied: a part can load, and even answer."""
    graph, index = folder / "saved_model.pb", folder / "variables" / "variables.index"
    fingerprint = folder / "fingerprint.pb"
    if not all(path.is_file() and path.stat().st_size for path in (graph, index)):
        return False
    if fingerprint.is_file() and not fingerprint.stat().st_size:
        return False
    shards = [match for path in index.parent.iterdir() if (match := _SHARD.fullmatch(path.name))]
    return bool(shards) and len(shards) == int(shards[0].group(1))


def stamp_of(folder: Path) -> Stamp:
    """Takes the stamp of a version folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        (str(path.relative_to(folder)), (status := path.stat()).st_size, status.st_mtime_ns) for path in files
    )
