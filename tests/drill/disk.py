"""A small disk that can be filled without harm to the machine."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class NoDisk(Exception):
    """None can be had here; the text says why."""


class SmallDisk:
    """A mounted file system of a few MB.

    Args:
        path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leaves not one byte free, as logs and cores of others do."""
        for size in (1 << 16, 1):
            with self._filler.open("ab", buffering=0) as file:
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Makes room."""
        self._filler.unlink()


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mounts one for the time of the block.

    Raises:
        NoDisk: It needs root, and a machine that lets it mount.
    """
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        raise NoDisk("a small disk can be mounted by root only")
    options = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nosuid,nodev", "drill", str(path)]
    done = subprocess.run(options, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDisk(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazy: a process that is still ending may hold a file, and must not leave the disk behind.
        subprocess.run(["umount", "--lazy", str(path)], check=False)
