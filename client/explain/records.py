"""Records of heat maps on the disk: float32 (K, h, w), one a frame, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]

BLOCK_BYTES = 1 << 22  # read and written at a time


class Records:
    """One file of records, open for appending.

    Args:
        path: The file; it is made if it is not there.
        shape: Of one record.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self.path, self.shape = path, shape
        self.record_bytes = 4 * int(np.prod(shape))
        # Unbuffered, as the rows are: what is in the file survives the process.
        self._file = path.open("ab", buffering=0)

    def __len__(self) -> int:
        return os.fstat(self._file.fileno()).st_size // self.record_bytes

    def append(self, maps: Maps) -> None:
        """Appends maps, shape (n, K, h, w); raises OSError if they cannot be written."""
        rest = memoryview(maps.astype("<f4", copy=False).tobytes())
        while rest:
            rest = rest[self._file.write(rest) :]

    def truncate(self, count: int) -> None:
        """Drops all but the first records, and what there is of half a record."""
        self._file.truncate(count * self.record_bytes)

    def refill(self, blocks: Iterable[Maps]) -> None:
        """Puts other records in the place of all there are."""
        self.truncate(0)
        for block in blocks:
            self.append(block)

    def blocks(self) -> Iterator[Maps]:
        """Gives all records, some at a time, shape (n, K, h, w)."""
        size = max(1, BLOCK_BYTES // self.record_bytes)
        with self.path.open("rb") as file:
            for start in range(0, len(self), size):
                count = min(size, len(self) - start)
                yield np.frombuffer(file.read(count * self.record_bytes), "<f4").reshape(count, *self.shape)

    def close(self) -> None:
        """Closes the file; the records stay."""
        self._file.close()
