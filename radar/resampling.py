"""Intervals of scores, by resampling whole events.

Frames ten minutes apart are near copies, so frames drawn one by one pretend to more evidence than there is: on
simulated events an interval meant to hold in 95 % of the cases held in 39 %. Here whole events are drawn. Each event
is reduced once to sums that add up (its contingency table, its sum of Brier scores); a replicate is then one row of
counts times the array of sums, whatever the number of frames.

The interval is Efron's BCa, widened for few events. Measured on simulated events of uneven skill (1,000 samples,
nominal 95 %): of 60 events 94.4, 94.4 and 94.8 % for accuracy, HSS and macro F1, where the percentile interval,
widened alike, held in 94.3, 94.3 and 89.6 %; of 20 events 95.3, 95.0 and 84.2 %. Scores that give rare modes full
weight need many events.

Sources: MET User's Guide, appendix D; Gilleland (2020), J. Atmos. Oceanic Technol. 37, 2117-2134; Efron (1987),
JASA 82, 171-185; for the widening Hesterberg (2015), The American Statistician 69, 371-386.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.errors import VerificationError

Floats = NDArray[np.float64]

FEW_EVENTS = 20
"""Below this, intervals are not to be trusted, and reports say so."""

REPLICATES = 1000
LEVEL = 0.95
_CHUNK = 1 << 18  # draws at a time: their counts stay in the processor's cache
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """What a score is, and where it may be.

    Attributes:
        value: The score of all events as they are; any shape, NaN where undefined.
        low: Lower end, same shape; NaN where fewer than two events tell of the score, and where most replicates leave
            it undefined.
        high: Upper end, same shape.
        dropped: How many replicates left the score undefined (a mode vanished from them) and were not used.
        level: Nominal coverage, such as 0.95.
        events: How many events were resampled.
        telling: How many of them the score depends on, same shape as the score: without any one of those it would be
            another. Where they are fewer than two there is no interval: drawing events cannot tell how far to trust
            a POD of one event, or a perfect score.
    """

    value: Floats
    low: Floats
    high: Floats
    dropped: NDArray[np.int64]
    level: float
    events: int
    telling: NDArray[np.intp]

    @property
    def few(self) -> bool:
        """Whether there are too few events to trust the interval."""
        return self.events < FEW_EVENTS


def resample(
    sums: ArrayLike,
    score: Callable[[Floats], Floats],
    *,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Gives a score with its interval.

    Args:
        sums: What adds up, for each of M events: shape (M, ...), for example one contingency table each.
        score: Takes any number of summed-up events, shape (R, ...), and gives their scores, shape (R,) or (R, ...).
        replicates: How many times M events are drawn with replacement.
        level: Nominal coverage.
        seed: Of the draws. The same seed gives the same draws for the same number of events, so that scores of the
            same frames belong together, draw by draw.

    Raises:
        VerificationError: There is no event, or a setting is out of range.
    """
    parts = np.asarray(sums, np.float64)
    if parts.ndim < 1 or not len(parts):
        raise VerificationError("Expected at least one event to resample, received none")
    if replicates < 2 or not 0 < level < 1:
        raise VerificationError(f"Expected 2 or more replicates and a level between 0 and 1: {replicates}, {level}")
    whole = parts.sum(axis=0, keepdims=True)
    value = np.asarray(score(whole), np.float64)[0]
    drawn = np.asarray(score(np.concatenate(list(_replicate(parts, replicates, seed)))), np.float64)
    known = np.isfinite(drawn)
    without_one = score(whole - parts)
    # NaN without an event counts as another score; up to rounding, since sums of differences are not exact.
    telling = (~np.isclose(without_one, value, rtol=1e-12, atol=1e-12)).sum(axis=0)
    ends = np.full((2, value.size), np.nan)
    usable = np.isfinite(value) & (telling > 1) & (2 * known.sum(axis=0) >= replicates)
    spread = _widened_quantile(level, len(parts)) if len(parts) > 1 else math.nan
    skewness = _accelerations(without_one)
    for k in np.flatnonzero(usable.ravel()):
        column = drawn.reshape(replicates, -1)[:, k]
        ends[:, k] = _bca(column[np.isfinite(column)], value.flat[k], skewness.flat[k], spread)
    low, high = ends.reshape(2, *value.shape)
    return Interval(value, low, high, replicates - known.sum(axis=0), level, len(parts), telling)


def resample_difference(
    first: ArrayLike,
    second: ArrayLike,
    score: Callable[[Floats], Floats],
    *,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Gives the difference of a score between two classifications of the same frames: first minus second.

    Both are scored on the same drawn events. Two intervals that overlap say little; this one says whether the
    difference may be chance: not, if it excludes 0.

    Args:
        first: Sums of each of M events by the one, shape (M, ...).
        second: Sums of the same events by the other, same shape.
        score: As in `resample`.
        replicates: How many times M events are drawn.
        level: Nominal coverage.
        seed: Of the draws.

    Raises:
        VerificationError: The shapes differ, there is no event, or a setting is out of range.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise VerificationError(f"Expected the same events twice; received the shapes {one.shape} and {other.shape}")
    both = np.stack([one, other], axis=1)
    interval = resample(
        both, lambda pair: score(pair[:, 0]) - score(pair[:, 1]), replicates=replicates, level=level, seed=seed
    )
    # No event makes any difference: that is known, unlike the spread of a perfect score.
    same = (interval.value == 0) & (interval.telling == 0)
    return replace(interval, low=np.where(same, 0.0, interval.low), high=np.where(same, 0.0, interval.high))


def _replicate(parts: Floats, replicates: int, seed: int) -> Iterator[Floats]:
    """Draws events; gives the sums of some replicates at a time, shape (R, ...)."""
    events = len(parts)
    flat = parts.reshape(events, -1)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // events)
    for begin in range(0, replicates, step):
        rows = min(step, replicates - begin)
        draws = rng.integers(0, events, (rows, events), dtype=np.int32)
        draws += np.arange(rows, dtype=np.int32)[:, np.newaxis] * events
        weights = np.bincount(draws.ravel(), minlength=rows * events).reshape(rows, events)
        yield (weights.astype(np.float64) @ flat).reshape(rows, *parts.shape[1:])


def _accelerations(without_one: Floats) -> Floats:
    """Skewness of a score, from its values without each event in turn: Efron (1987), equation 6.6."""
    known = np.isfinite(without_one)
    number = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, without_one, 0.0)
    away = np.where(known, values.sum(axis=0) / number - values, 0.0)
    power = away * away
    square = power.sum(axis=0) ** 1.5
    power *= away  # away**3 takes ten times as long
    result: Floats = np.divide(power.sum(axis=0), 6 * square, out=np.zeros(square.shape), where=square > 0)
    return result


def _bca(drawn: Floats, value: float, acceleration: float, spread: float) -> tuple[float, float]:
    """Quantiles of the draws, moved for bias and skewness: Efron (1987), equations 2.3 and 4.1."""
    ranked = np.sort(drawn)
    # Half of the ties: a score of few frames takes few values.
    below = (np.searchsorted(ranked, value) + np.searchsorted(ranked, value, side="right")) / 2
    share = min(max(below, 0.5), len(ranked) - 0.5) / len(ranked)
    bias = _NORMAL.inv_cdf(share)
    ends = []
    for z in (bias - spread, bias + spread):
        moved = _NORMAL.cdf(bias + z / max(1 - acceleration * z, 1e-3))
        ends.append(float(np.interp(moved * (len(ranked) - 1), np.arange(len(ranked)), ranked)))
    return ends[0], ends[1]


def _widened_quantile(level: float, events: int) -> float:
    """Half-width in standard deviations: Student's t, times what a sample of M events spreads too little.

    Source: Hesterberg (2015), section 3.3.
    """
    return _student_quantile((1 + level) / 2, events - 1) * math.sqrt(events / (events - 1))


def _student_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t by the expansion of Cornish and Fisher: Abramowitz and Stegun (1964), 26.7.5."""
    x = _NORMAL.inv_cdf(share)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return float(x + sum(term / freedom**power for power, term in enumerate(terms, start=1)))
