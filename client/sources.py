"""Where frames come from: PNGs, and JMA's GRIB2 composites and their tars, side by side in one folder."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from client.errors import ConfigError
from client.tally import Clock
from radar import frames, jma
from radar.archive import Listing, scan
from radar.frames import FrameRule, Picture
from radar.seasons import SEASON_FILE, TimeRule, read_season

_SUFFIXES = (".png", ".bin", ".tar", ".gz", ".grib2")
_ODD_SHAPE = 1.5  # frames that much wider or higher than the model's input are worth a word


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to be classified.

    Attributes:
        path: The folder, or one frame.
        given_rule: How names of PNGs tell the time, as the user says; None leaves it to the folder's `season.toml`.
        given_minutes: Minutes between frames, as the user says; None leaves it to the rule.
        recursive: Whether subfolders belong to it.
    """

    path: Path
    given_rule: TimeRule | None = None
    given_minutes: float | None = None
    recursive: bool = False

    @property
    def rule(self) -> TimeRule | None:
        """How names of PNGs tell the time; None if nobody says it. Raises SeasonError for a bad `season.toml`."""
        return self.given_rule or season_rule(self.path)

    @property
    def cadence(self) -> timedelta | None:
        """Time between frames; None if nobody says it. Raises SeasonError if it is impossible."""
        if self.given_minutes is not None:
            # Composites tell their time themselves: the pattern is not used, the minutes are checked as ever.
            return TimeRule("%Y%m%d", cadence_minutes=self.given_minutes).cadence
        return None if self.rule is None else self.rule.cadence

    def frames(self) -> Listing:
        """Lists the frames, PNGs and composites, and checks that the time rule is of them.

        Raises:
            ArchiveError: There is no such folder.
            ConfigError: It holds no frames, or not one name follows the time rule.
            SeasonError: The folder's `season.toml` cannot be used.
        """
        rule, cadence = self.rule, self.cadence
        listing = find_frames(self.path, recursive=self.recursive)
        pictures = [name for name in listing.names if not jma.is_composite(name)]
        if len(pictures) == len(listing.names) and rule is None and cadence is not None:
            raise ConfigError(
                f"--cadence needs --pattern, which says where the time stands in a name such as {pictures[0]!r}"
            )
        clock = Clock(rule)
        if pictures and rule is not None and not any(clock.time_of(name) for name in pictures):
            raise ConfigError(
                f"Not one of the {len(pictures):,} frames follows the time rule {rule.pattern!r}; the first is "
                f"{pictures[0]!r}. Correct --pattern (or season.toml)."
            )
        return listing


class Source:
    """Reads frames for a run.

    Args:
        window: Part of a composite that the model gets to see.

    Attributes:
        odd_shape: Rows and columns of the first frame that is much wider or higher than the model's input; None as
            long as there is none.
    """

    def __init__(self, window: jma.Window = jma.HOKUSHINETSU) -> None:
        self.odd_shape: tuple[int, int] | None = None
        self._window = window
        self._times: dict[str, datetime] = {}  # of frames on their way through the pipeline, and of no others

    def load(self, path: str, rule: FrameRule) -> Picture:
        """Reads and prepares one frame; fit for many threads.

        Raises:
            FrameError: It cannot be used.
        """
        if jma.is_composite(path.rpartition("/")[2]):
            picture, self._times[path] = jma.picture(path, self._window)
        else:
            picture = frames.decode(frames.read(path), no_echo=rule.no_echo, max_pixels=rule.max_pixels)
        if self.odd_shape is None and rule.crop is None:
            rows, columns = picture.shape[:2]
            if abs(math.log(columns / rows * rule.height / rule.width)) > math.log(_ODD_SHAPE):
                self.odd_shape = rows, columns
        return frames.prepare(picture, rule)

    def take_time(self, path: str) -> datetime | None:
        """Gives the time that a composite's message carries, once; None for a PNG."""
        return self._times.pop(path, None)


def is_frame(name: str) -> bool:
    """Tells by its name whether a file is a frame: a PNG or a composite."""
    return name.lower().endswith(".png") or jma.is_composite(name.rpartition("/")[2])


def find_frames(folder: Path, *, recursive: bool = False) -> Listing:
    """Lists the frames of a folder.

    Raises:
        ArchiveError: There is no such folder.
        ConfigError: It holds no frames.
    """
    found = scan(folder, suffixes=_SUFFIXES, recursive=recursive)
    names = [name for name in found.names if is_frame(name)]
    if not names and folder.is_file():
        raise ConfigError(
            f"{folder}: expected a PNG, or a JMA composite by its own name (Z__C_RJTD_..._RDR_JMAGPV_...)"
        )
    others = found.others + len(found.names) - len(names)
    if not names:
        holds = f"{others} other files" if others else "no files"
        hint = f" and {found.folders} subfolders; give --recursive to look into them" if found.folders else ""
        raise ConfigError(f"{folder}: expected PNG frames (*.png) or JMA composites, found {holds}{hint}")
    return Listing(found.root, names, others, found.folders)


def season_rule(folder: Path) -> TimeRule | None:
    """Reads the time rule a folder carries in its `season.toml`; None if it carries none."""
    file = (folder if folder.is_dir() else folder.parent) / SEASON_FILE
    return read_season(file) if file.exists() else None


def name_of(folder: Path) -> str:
    """Gives the name of a folder, for messages and result files; also of ``.`` and of links."""
    return Path(os.path.realpath(folder)).name
