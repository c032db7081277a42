"""Pixels in the order in which an explanation ranks them, and the rankings that every explanation has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Relevance = NDArray[np.floating]


def order(relevance: Relevance, *, seed: int) -> NDArray[np.int64]:
    """Gives the pixels of each frame, the most relevant first.

    Ties are broken at random: a rectified map is zero over wide areas, and breaking ties by position would take those
    from the top of the picture down.

    Args:
        relevance: Shape (N, H, W), any unit.
        seed: Of the ties.

    Returns:
        Flat indices, shape (N, H*W).
    """
    flat = relevance.reshape(len(relevance), -1)
    ties = np.random.default_rng(seed).random(flat.shape)
    found: NDArray[np.int64] = np.lexsort((ties, -flat), axis=-1)
    return found


def at_random(shape: tuple[int, ...], *, seed: int) -> NDArray[np.float64]:
    """Gives a ranking that knows nothing, of `shape` (N, H, W)."""
    return np.random.default_rng(seed).random(shape)


def by_intensity(images: NDArray[np.uint8], no_echo: tuple[int, int, int]) -> NDArray[np.float64]:
    """Ranks pixels by how far their colour is from the no-echo colour: strong echo first, without any network.

    Args:
        images: RGB, shape (N, H, W, 3).
        no_echo: RGB of no echo.

    Returns:
        Euclidean distance in RGB, shape (N, H, W); 0 is no echo.
    """
    apart = images.astype(np.float64) - np.array(no_echo, np.float64)
    distance: NDArray[np.float64] = np.sqrt((apart**2).sum(axis=-1))
    return distance
