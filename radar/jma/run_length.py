"""Run-length packing with levels, GRIB2 templates 5.200 and 7.200."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radar.errors import FrameError


def unpack(packed: bytes, highest: int, points: int) -> NDArray[np.uint8]:
    """Unpacks a field of levels.

    A byte up to the file's highest level is a level. The bytes above it that follow are the digits of its run length,
    least significant first, to the base ``255 - highest``:
    ``run = 1 + sum over i of (byte[i] - highest - 1) * base**i``.

    Args:
        packed: Octets 6 onwards of section 7.
        highest: The highest level of this file (MV of section 5), 0 to 254.
        points: How many points the grid has.

    Returns:
        Levels, uint8, shape (points,); 0 is missing.

    Raises:
        FrameError: The runs do not fill the grid exactly, as happens where bytes are damaged.
    """
    octets = np.frombuffer(packed, np.uint8)
    starts = np.flatnonzero(octets <= highest)
    if not len(starts) or starts[0] != 0:
        raise FrameError("is damaged: its data do not begin with a level")
    levels = octets[starts]
    runs = np.ones(len(starts), np.int64)
    digits = np.diff(starts, append=len(octets)) - 1
    place, longest = 1, int(digits.max())
    for n in range(longest):
        # Digits that stand for more than the grid holds are damage; they would overflow in the end.
        if place > points:
            raise FrameError(f"is damaged: a run length of {longest} digits in its data")
        long = np.flatnonzero(digits > n)
        runs[long] += (octets[starts[long] + n + 1].astype(np.int64) - highest - 1) * place
        place *= 255 - highest
    if (total := int(runs.sum())) != points:
        raise FrameError(f"is damaged: its data fill {total:,} points of {points:,}")
    return np.repeat(levels, runs)
