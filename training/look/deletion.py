"""Deletion and insertion: does the score fall when the pixels go that an explanation ranks first?

Petsiuk et al. (2018), RISE, arXiv 1806.07421. Pixels are taken out of a frame in the order of their relevance and
replaced by those of a baseline, or put into the baseline in that order; the curve is the probability of the explained
mode. A good explanation has a small area under the deletion curve and a large one under the insertion curve. What is
small depends on the frame, so the curves of a random ranking and of a ranking by echo intensity belong beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.look import ranking

Score = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""Probabilities (M, K) of frames (M, H, W, 3)."""

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Shares of the pixels at which the curves are taken: dense where they fall, with both ends."""

_BATCH_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves of one ranking.

    Attributes:
        shares: Share of the pixels that was replaced, as it really was, shape (S,), 0 to 1.
        deletion: Probability of the explained mode, shape (N, S); from the frame to the baseline.
        insertion: The same, from the baseline to the frame.
    """

    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Areas under both curves of each frame, over the shares as they really were, shape (N,); 0 to 1."""
        # Written out: NumPy's own function is typed for one curve only.
        step = np.diff(self.shares)
        deleted, inserted = (
            (values[:, 1:] + values[:, :-1]) @ step / 2 for values in (self.deletion, self.insertion)
        )
        return deleted, inserted


def baselines(images: NDArray[np.uint8], no_echo: tuple[int, int, int]) -> dict[str, NDArray[np.uint8]]:
    """Makes what deleted pixels are replaced by.

    No echo is weather that occurs; a blurred frame keeps what is large, and has no hard edges where pixels are taken
    out. An explanation that is good under one of them only has found the baseline.

    Args:
        images: RGB, shape (N, H, W, 3).
        no_echo: RGB of no echo.

    Returns:
        By name, each of the shape of `images`.
    """
    sigma = max(images.shape[1:3]) / 8
    blurred = [cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for image in images]
    empty = np.broadcast_to(np.array(no_echo, np.uint8), images.shape).copy()
    return {"no echo": empty, "blurred": np.stack(blurred) if blurred else empty}


def curves(
    score: Score,
    images: NDArray[np.uint8],
    classes: NDArray[np.integer],
    relevance: ranking.Relevance,
    baseline: NDArray[np.uint8],
    *,
    seed: int,
    shares: tuple[float, ...] = SHARES,
) -> Curves:
    """Takes pixels out of frames, and puts them in, in the order of their relevance.

    Args:
        score: Gives probabilities.
        images: RGB, shape (N, H, W, 3).
        classes: The explained mode of each, shape (N,).
        relevance: Shape (N, H, W).
        baseline: What takes their place, shape (N, H, W, 3).
        seed: Of ties in the ranking.
        shares: Shares of the pixels, ascending, from 0 to 1.

    Raises:
        ValueError: Shapes do not fit, or the shares do not go from 0 to 1.
    """
    if relevance.shape != images.shape[:3] or baseline.shape != images.shape:
        raise ValueError(
            f"Expected relevance of shape {images.shape[:3]} and a baseline of shape {images.shape}. "
            f"Received: relevance {relevance.shape}, baseline {baseline.shape}"
        )
    if shares[0] != 0 or shares[-1] != 1 or sorted(set(shares)) != list(shares):
        raise ValueError(f"Expected ascending shares from 0 to 1. Received: shares={shares}")
    pixels = relevance[0].size if len(relevance) else 1
    counts = np.unique(np.round(np.array(shares) * pixels).astype(np.int64))
    orders = ranking.order(relevance, seed=seed)
    rank = np.empty_like(orders)
    np.put_along_axis(rank, orders, np.arange(pixels)[np.newaxis], axis=1)
    rank = rank.reshape(relevance.shape)
    taken = np.empty((2, len(images), len(counts)))
    for first in range(0, len(images), _BATCH_FRAMES):
        part = slice(first, first + _BATCH_FRAMES)
        # Shape (n, S, H, W, 1): where the most relevant pixels are.
        gone = (rank[part, np.newaxis] < counts[:, np.newaxis, np.newaxis])[..., np.newaxis]
        frame, empty = images[part, np.newaxis], baseline[part, np.newaxis]
        for side, mixed in enumerate((np.where(gone, empty, frame), np.where(gone, frame, empty))):
            table = score(mixed.reshape(-1, *images.shape[1:]))
            of_mode = np.repeat(classes[part], len(counts))
            taken[side, part] = table[np.arange(len(table)), of_mode].reshape(-1, len(counts))
    return Curves(counts / pixels, taken[0], taken[1])


def all_curves(
    score: Score,
    images: NDArray[np.uint8],
    classes: NDArray[np.integer],
    relevance: Mapping[str, ranking.Relevance],
    no_echo: tuple[int, int, int],
    *,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Curves]]:
    """Takes the curves of several rankings, with a random one and one by intensity beside them.

    Args:
        score: Gives probabilities.
        images: RGB, shape (N, H, W, 3).
        classes: The explained mode of each, shape (N,).
        relevance: By the name of the method, shape (N, H, W) each.
        no_echo: RGB of no echo.
        seed: Of the random ranking, and of ties.
        tick: Called after each ranking and baseline.

    Returns:
        By baseline, then by ranking.
    """
    rankings = {
        **relevance,
        INTENSITY: ranking.by_intensity(images, no_echo),
        RANDOM: ranking.at_random(images.shape[:3], seed=seed),
    }
    found: dict[str, dict[str, Curves]] = {}
    for baseline, pixels in baselines(images, no_echo).items():
        found[baseline] = {}
        for name, values in rankings.items():
            found[baseline][name] = curves(score, images, classes, values, pixels, seed=seed)
            tick()
    return found


INTENSITY = "echo intensity"
RANDOM = "random"
