"""The archive: frames in a folder a season, only read, and nothing outside of it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from radar import frames, jma
from radar.errors import FrameError
from radar.frame_pictures import encode_png, read_picture
from radar.frames import FrameRule, Picture
from serving.sidecar.errors import NotFound, Unavailable

MAX_BYTES = 64 << 20
"""Larger files are no frames: a national composite has 0.3 MB, as a PNG 2 MB."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class File:
    """A frame's file.

    Attributes:
        path: Where it lies, links followed.
        tag: Changes whenever the file does: a strong ETag without its quotes.
    """

    path: Path
    tag: str


class Archive:
    """Finds and reads frames.

    Args:
        folder: With a folder a season in it; None where there is no archive.
        max_pixels: Larger pictures are refused by their header.
        window: Part of JMA composites that frames show.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        max_pixels: int = frames.MAX_PIXELS,
        window: jma.Window = jma.HOKUSHINETSU,
    ) -> None:
        self._folder = folder
        self._window = window
        self.max_pixels = max_pixels

    @property
    def is_named(self) -> bool:
        """Whether there is to be one: without, waiting does not help."""
        return self._folder is not None

    def check(self) -> None:
        """Looks whether it is there.

        Raises:
            Unavailable: It is not.
        """
        self._root()

    def folder_of(self, season: str) -> Path:
        """Gives the folder of a season.

        Raises:
            Unavailable: The archive is away.
            NotFound: It holds no such season.
        """
        root = self._root()
        folder = self._inside(root, season)
        if folder is None or folder.parent != root or not folder.is_dir():
            raise NotFound(f"The archive holds no folder of season {season!r}")
        return folder

    def find(self, season: str, name: str) -> File:
        """Finds a frame.

        Args:
            season: Name of its folder.
            name: Its name in there; may have folders in it.

        Raises:
            Unavailable: The archive is away.
            NotFound: It holds no such frame, or the name leads out of it.
            FrameError: It is too large for a frame.
        """
        folder = self.folder_of(season)
        path = self._inside(folder, name)
        if path is None or not path.is_file():
            raise NotFound(f"The archive holds no frame {name!r} of season {season!r}: it was moved or deleted")
        try:
            status = path.stat()
        except OSError as error:
            raise NotFound(f"{season}/{name}: cannot be read: {error.strerror}") from error
        if status.st_size > MAX_BYTES:
            raise FrameError(
                f"{season}/{name}: has {status.st_size / 1e6:,.0f} MB; expected less than {MAX_BYTES / 1e6:,.0f} MB"
            )
        return File(path, f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")

    def picture(self, season: str, name: str, rule: FrameRule) -> Picture:
        """Reads a frame as a picture; see `radar.frame_pictures.read_picture`.

        Raises:
            Unavailable, NotFound: As in `find`.
            FrameError: It cannot be used.
        """
        return self._read(season, name, lambda path: read_picture(path, limited(rule, self.max_pixels), self._window))

    def png(self, season: str, name: str) -> bytes:
        """Gives a frame as a PNG: its own bytes, or a composite drawn in JMA's colours.

        Raises:
            Unavailable, NotFound: As in `find`.
            FrameError: It cannot be used.
        """

        def read(path: Path) -> bytes:
            if jma.is_composite(path.name):
                return encode_png(jma.picture(path, self._window)[0])
            data = frames.read(path)
            # A browser shows half of a truncated picture as if nothing was wrong, and keeps it.
            frames.check(data, max_pixels=self.max_pixels)
            return data

        return self._read(season, name, read)

    def _read(self, season: str, name: str, reader: Callable[[Path], _Result]) -> _Result:
        path = self.find(season, name).path
        try:
            return reader(path)
        except FrameError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise NotFound(f"The archive holds no frame {name!r} of season {season!r} any more") from error
            raise FrameError(f"{season}/{name}: {error}") from error

    def _root(self) -> Path:
        if self._folder is None:
            raise Unavailable("archive", "no folder was named; start the sidecar with --archive FOLDER")
        try:
            root = self._folder.resolve(strict=True)
            with os.scandir(root) as entries:  # a dead network volume has a folder, but nobody can look into it
                next(entries, None)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Unavailable("archive", f"{self._folder}: {reason}") from error
        return root

    @staticmethod
    def _inside(folder: Path, name: str) -> Path | None:
        """Follows a name from a folder; None if it leads out of it, by dots or by a link, or nowhere."""
        try:
            path = (folder / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # too long, with NUL in it, links in a circle
            return None
        return path if path != folder and path.is_relative_to(folder) else None


def limited(rule: FrameRule, max_pixels: int) -> FrameRule:
    """Gives a rule that takes no larger pictures than that."""
    return replace(rule, max_pixels=min(rule.max_pixels, max_pixels))


def count_pixels(data: bytes) -> int:
    """Reads from a PNG's header how many pixels it has.

    Raises:
        FrameError: It is no PNG.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
        raise FrameError(f"is not a PNG: it begins with {data[:8]!r}")
    width, height = struct.unpack(">II", data[16:24])
    return int(width * height)
