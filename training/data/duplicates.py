"""Duplicates among frames: the same file twice, and pictures so alike that one tells of the other.

Near duplicates within an event are what weather does in ten minutes. Between events, and so possibly between training
and validation, they are an alarm: a copy under another name, a frame that came into two events, a season given twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HASH_SIDE = 16
NEAR_BITS = 8
"""Of 256: so few differ between a picture and its copy at another size, or with a few pixels changed."""

_EMPTY_DEVIATION = 1.5
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Pair:
    """Two frames that are nearly the same; numbers of the frames, and how many bits of their hashes differ."""

    first: int
    second: int
    bits: int


def difference_hash(picture: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Makes the difference hash of a picture: is each spot brighter than the one right of it?

    Args:
        picture: uint8 RGB, shape (rows, columns, 3).

    Returns:
        256 bits; None for a picture with next to nothing in it, which is like every other such picture.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    if small.std() < _EMPTY_DEVIATION:
        return None
    bits: NDArray[np.bool_] = (small[:, :-1] > small[:, 1:]).ravel()
    return bits


def near_pairs(
    hashes: Sequence[NDArray[np.bool_] | None], groups: NDArray[np.int64], *, bits: int = NEAR_BITS
) -> list[Pair]:
    """Finds near duplicates that belong to different groups.

    Args:
        hashes: Of each frame; None is like no other.
        groups: The group of each frame, shape (N,); pairs inside a group do not count.
        bits: So many may differ.

    Returns:
        The pairs, by the number of bits.
    """
    known = np.array([n for n, found in enumerate(hashes) if found is not None], np.int64)
    if len(known) < 2:
        return []
    # Bits as +1 and -1: their product is 256 less twice the bits that differ, and matrix products are fast.
    signs = np.stack([np.where(hashes[n], 1, -1) for n in known.tolist()]).astype(np.float32)
    group = groups[known]
    pairs = []
    for start in range(0, len(known), _BLOCK):
        block = slice(start, start + _BLOCK)
        differing = (signs.shape[1] - signs[block] @ signs.T) / 2
        near = (differing <= bits) & (group[block, np.newaxis] != group)
        for row, column in np.argwhere(near).tolist():
            if start + row < column:
                pairs.append(Pair(int(known[start + row]), int(known[column]), int(differing[row, column])))
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))
