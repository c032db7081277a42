"""Rank correlation of maps, and intervals of means that resample whole events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

RESAMPLES = 1000


class Interval(NamedTuple):
    """A mean with its 95 % interval; NaN where there are too few events or no values."""

    mean: float
    low: float
    high: float
    frames: int


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank correlation of each pair of maps.

    Args:
        a: Shape (N, ...).
        b: The same shape.

    Returns:
        Shape (N,), -1 to 1; NaN where one of the two maps is constant (an empty heat map). Ties share their rank.

    Raises:
        ValueError: The shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"Expected maps of one shape. Received: {a.shape} and {b.shape}")
    return pearson(_ranks(a), _ranks(b))


def pearson(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of each pair of maps, shape (N,); NaN where one of the two is constant."""
    x, y = (values.reshape(len(values), -1).astype(np.float64) for values in (a, b))
    constant = (np.ptp(x, axis=1) == 0) | (np.ptp(y, axis=1) == 0) if x.size else np.zeros(len(x), bool)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    result = np.full(len(x), np.nan)
    np.divide((x * y).sum(axis=1), norm, out=result, where=~constant & (norm > 0))
    clipped: NDArray[np.float64] = np.clip(result, -1, 1)
    return clipped


def mean_by_event(values: NDArray[np.floating], events: Sequence[str], *, seed: int) -> Interval:
    """Gives the mean of values with an interval that resamples whole events.

    Frames ten minutes apart are near copies: resampled one by one they would give intervals far too narrow.

    Args:
        values: Of each frame, shape (N,); NaN is left out.
        events: Of each frame.
        seed: Of the resampling.

    Returns:
        Mean and percentile interval; without an interval where there are fewer than 2 events.
    """
    known = ~np.isnan(values)
    kept = np.asarray(values, np.float64)[known]
    if not len(kept):
        return Interval(np.nan, np.nan, np.nan, 0)
    _, of = np.unique(np.asarray(events)[known], return_inverse=True)
    sums, counts = np.bincount(of, weights=kept), np.bincount(of)
    if len(sums) < 2:
        return Interval(float(kept.mean()), np.nan, np.nan, len(kept))
    drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(kept.mean()), float(low), float(high), len(kept))


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    ranks: NDArray[np.float64] = rankdata(values.reshape(len(values), -1), axis=1)
    return ranks.reshape(values.shape)
