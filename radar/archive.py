"""Archives: the frames of a folder, in the order a person expects."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from radar.errors import ArchiveError

_DIGITS = re.compile("[0-9]+")
_DIGIT_SHAPE = str.maketrans("0123456789", "0" * 10)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a scan of a folder found.

    Attributes:
        root: The folder.
        names: Frames, relative to `root` with ``/`` between folders, in natural order.
        others: How many files were left alone because they are no frames.
        folders: How many subfolders were left alone (always 0 for a recursive scan).
    """

    root: Path
    names: list[str]
    others: int
    folders: int


def scan(
    folder: str | os.PathLike[str], *, suffixes: tuple[str, ...] = (".png",), recursive: bool = False
) -> Listing:
    """Lists the frames of a folder: names only, no file is opened.

    Args:
        folder: The folder, or a single frame.
        suffixes: Endings of frames' names, lower case; upper case matches too.
        recursive: Whether to go into subfolders. Hidden files and folders are always left out, and links
            to folders are not followed.

    Returns:
        The listing; its `names` may be empty.

    Raises:
        ArchiveError: There is no such folder, or it cannot be read.
    """
    root = Path(folder)
    if root.is_file():
        return Listing(root.parent, [root.name], 0, 0)
    names: list[str] = []
    others = folders = 0
    pending = [""]
    try:
        while pending:
            prefix = pending.pop()
            with os.scandir(root / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if recursive:
                            pending.append(f"{prefix}{entry.name}/")
                        else:
                            folders += 1
                    elif entry.name.lower().endswith(suffixes) and _may_be_file(entry):
                        names.append(prefix + entry.name)
                    else:
                        others += 1
    except OSError as error:
        hint = (
            " (check the spelling; the folder of a winter is expected)"
            if isinstance(error, FileNotFoundError)
            else ""
        )
        raise ArchiveError(f"{error.filename or root}: {error.strerror}{hint}") from error
    return Listing(root, natural_order(names), others, folders)


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Tells a file, or a link that leads nowhere: such a frame is missing, and must not go unnoticed."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True


def natural_order(names: list[str]) -> list[str]:
    """Sorts names so that frame 2 comes before frame 10."""
    if len({name.translate(_DIGIT_SHAPE) for name in names}) <= 1:
        # Names of one shape, the rule in an archive, are in natural order as plain strings.
        return sorted(names)
    return sorted(names, key=lambda name: (_DIGITS.sub(_number_key, name), name))


def _number_key(match: re.Match[str]) -> str:
    """Makes digits compare as a number when compared as text: how many there are, then which."""
    digits = match[0].lstrip("0")
    return f"{len(digits):03d}{digits}"
