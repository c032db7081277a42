"""What comes into a folder, found by polling: which files are new or changed, and which of them are complete.

Polling and nothing else: notifications of the kernel do not cross NFS, CIFS or most Kubernetes volumes. Polling
cannot see a file being closed, so a file counts as complete when it has stood still for a while; whether it decodes
shows then. All clocks here are monotonic: a stepped system clock changes nothing.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLE_SECONDS = 0.3
"""How long a file must stand still."""

RECHECKED = 2000
"""Files that are done and are looked at again with each look, for a correction. On a network volume every file costs
a question to its server: a whole winter cannot be asked about every second."""

NAMED = 100  # files that are left alone: so many are named, and not a log full of them

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a change of a file is seen.

    Attributes:
        size: In bytes.
        mtime_ns: Time of its last change, nanoseconds. Copying programs may keep that of the original.
        ctime_ns: Time when it was last written, renamed or given other permissions, which nobody can set.
    """

    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete file that is new, or was changed.

    Attributes:
        name: Relative to the folder, ``/`` between folders.
        stamp: As it was when it was found to stand still.
        since: When this state of it was first seen, monotonic seconds.
        time_utc: Of the frame, ISO 8601; empty if its name does not tell.
    """

    name: str
    stamp: Stamp
    since: float
    time_utc: str = ""


class Incoming:
    """The files of a folder.

    Args:
        folder: What is watched.
        known: Name and stamp of every file that is done; kept up to date by `settle`.
        is_frame: Tells by name which files are frames.
        time_of: Gives the time of a frame by its name, ISO 8601, or nothing.
        recursive: Whether subfolders count too.
        clock: Monotonic seconds.

    Attributes:
        last_arrival: When something new was last seen, monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        known: dict[str, Stamp],
        *,
        is_frame: Callable[[str], bool],
        time_of: Callable[[str], str] = lambda name: "",
        recursive: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._known = known
        self._is_frame = is_frame
        self._time_of = time_of
        self._recursive = recursive
        self._clock = clock
        self._pending: dict[str, Arrival] = {}
        self._recent: deque[str] = deque(maxlen=RECHECKED // 2)  # a correction mostly is of one of these
        self._parts = self._turn = 0
        self._left_alone: set[str] = set()
        self.last_arrival = clock()

    @property
    def done(self) -> int:
        """How many files are done."""
        return len(self._known)

    @property
    def waiting(self) -> int:
        """How many files have been seen and are not done."""
        return len(self._pending)

    @property
    def restless(self) -> bool:
        """Whether a file has not stood still for long enough yet."""
        now = self._clock()
        return any(now - arrival.since < SETTLE_SECONDS for arrival in self._pending.values())

    def scan(self) -> list[Arrival]:
        """Looks once.

        Returns:
            Files that are new or changed and stand still, in no order. They come again with every look until
            `settle` is told that they are done. Of many files that are done only some are looked at each time.

        Raises:
            OSError: The folder cannot be read. Nothing is forgotten over that.
        """
        now = self._clock()
        seen: dict[str, Arrival] = {}
        arrivals = []
        for name, stamp in self._files():
            if self._known.get(name) == stamp:
                continue
            before = self._pending.get(name)
            if before is None or before.stamp != stamp:
                before = Arrival(name, stamp, now, self._time_of(name))
                self.last_arrival = now
            seen[name] = before
            if now - before.since >= SETTLE_SECONDS:
                arrivals.append(before)
        self._pending = seen
        return arrivals

    def stamp_of(self, name: str) -> Stamp | None:
        """Looks at one file; None if it is gone."""
        try:
            return _stamp(os.stat(f"{self.folder}/{name}"))  # noqa: PTH116  # for every frame: a Path takes longer
        except OSError:
            return None

    def settle(self, name: str, stamp: Stamp) -> None:
        """Takes note that this state of a file is done."""
        self._known[name] = stamp
        self._recent.append(name)
        pending = self._pending.get(name)
        if pending is not None and pending.stamp == stamp:
            del self._pending[name]

    def _files(self) -> Iterator[tuple[str, Stamp]]:
        """Gives the frames, those that are done only in part."""
        folders, done = [""], 0
        watched = self._pending.keys() | set(self._recent)
        while folders:
            prefix = folders.pop()
            try:
                listing = os.scandir(self.folder / prefix)
            except OSError as error:
                if not prefix:
                    raise
                # A subfolder that is gone, or that nobody may read, costs itself.
                if not isinstance(error, FileNotFoundError):
                    self._leave_alone(prefix, f"cannot be read: {error.strerror}")
                continue
            with listing as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if name in self._known:
                        done += 1
                        # By the hash, because a listing has no order that lasts.
                        if self._parts > 1 and hash(name) % self._parts != self._turn and name not in watched:
                            continue
                    elif entry.name.startswith("."):
                        continue
                    elif self._recursive and entry.is_dir(follow_symlinks=False):
                        folders.append(f"{name}/")
                        continue
                    elif not self._is_frame(entry.name) or not self._has_text(name):
                        continue
                    if (stamp := self._look_at(name, entry)) is not None:
                        yield name, stamp
        self._parts = -(-done // RECHECKED)
        self._turn = (self._turn + 1) % max(self._parts, 1)

    def _look_at(self, name: str, entry: os.DirEntry[str]) -> Stamp | None:
        try:
            status = entry.stat()
        except FileNotFoundError:  # gone since it was listed, or a link to what is not there yet
            return None
        except OSError as error:  # a link in a circle
            self._leave_alone(name, f"cannot be looked at: {error.strerror}")
            return None
        if stat.S_ISREG(status.st_mode):
            return _stamp(status)
        if not stat.S_ISDIR(status.st_mode):  # a pipe: reading it would never end
            self._leave_alone(name, "is no ordinary file")
        return None

    def _has_text(self, name: str) -> bool:
        """Tells whether a name can be recorded: one that is no UTF-8 could stand in no result file."""
        try:
            name.encode()
        except UnicodeEncodeError:
            self._leave_alone(name, "has a name that is not UTF-8; rename it")
            return False
        return True

    def _leave_alone(self, name: str, reason: str) -> None:
        if name in self._left_alone or len(self._left_alone) > NAMED:
            return
        self._left_alone.add(name)
        if len(self._left_alone) > NAMED:
            _log.error("more than %d files are left alone; no more of them are named", NAMED)
        else:
            _log.error("%a is left alone: it %s", name, reason)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
