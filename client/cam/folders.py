"""Which frames `client cam` draws, and whether it may write where it is told to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.errors import ConfigError
from client.sources import find_frames, name_of
from radar import durable

ABOUT = "cam.json"


@dataclass(frozen=True, slots=True)
class Group:
    """Frames of one folder.

    Attributes:
        root: The folder.
        names: Frames, relative to it.
        prefix: Before the names of their pictures, so that those of several folders stay apart.
    """

    root: Path
    names: list[str]
    prefix: str = ""


def find_groups(inputs: Sequence[Path], *, recursive: bool = False) -> list[Group]:
    """Finds the frames of folders and single frames; those of one folder are one group.

    Raises:
        ArchiveError: There is no such folder or frame.
        ConfigError: A folder holds no frames, or two folders have the same name.
    """
    names: dict[Path, dict[str, None]] = {}
    for path in inputs:
        listing = find_frames(path, recursive=recursive)
        names.setdefault(Path(os.path.realpath(listing.root)), {}).update(dict.fromkeys(listing.names))
    roots = list(names)
    if len(roots) == 1:
        return [Group(roots[0], list(names[roots[0]]))]
    if twice := sorted({root.name for root in roots if sum(root.name == other.name for other in roots) > 1}):
        raise ConfigError(
            f"Folders of the same name, {twice[0]!r}, would share their pictures; give them one at a time"
        )
    return [Group(root, list(found), f"{root.name}/") for root, found in names.items()]


def default_out(inputs: Sequence[Path]) -> Path:
    """Names the folder of the pictures after the first folder of frames."""
    first = inputs[0]
    return Path(f"{name_of(first if first.is_dir() else first.resolve().parent)}-heat-maps")


def check_out(out: Path) -> None:
    """Checks that the folder is new, empty, or one of `client cam`.

    Raises:
        ConfigError: It is not.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: expected a folder, received a file")
    if out.is_dir() and not (out / ABOUT).exists() and any(out.iterdir()):
        raise ConfigError(
            f"--out {out}: expected a new folder, or one of `client cam`; received one with other files"
        )


def claim(out: Path, mine: Mapping[str, object], *, overwrite: bool) -> None:
    """Makes a folder one of heat maps of a kind, or checks that it is.

    Args:
        out: The folder; it is made if it is not there.
        mine: What must be equal for heat maps to stand in one folder.
        overwrite: Whether those of another kind may be replaced.

    Raises:
        ConfigError: It has heat maps of another kind.
        OSError: It cannot be written.
    """
    about = out / ABOUT
    if about.exists() and not overwrite:
        try:
            before = dict(json.loads(about.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{about}: cannot be read: {error}. Give --overwrite, or another --out") from error
        differences = [
            f"  {name}: {before.get(name)!r} there, {value!r} now"
            for name, value in mine.items()
            if before.get(name) != value
        ]
        if differences:
            raise ConfigError(
                "\n".join([f"{out} has heat maps of another kind:", *differences])
                + "\nGive --overwrite to replace those of the same frames, or another --out."
            )
    out.mkdir(parents=True, exist_ok=True)
    durable.write_text(about, json.dumps(mine, indent=1) + "\n")
