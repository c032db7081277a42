"""Drift: is a winter still what the model was made for?

Three questions. *Confidence*, for which nobody has to look at a frame: how sure the model is month by month, beside
how sure it was of its validation frames. A calibrated model's mean confidence is the accuracy it expects of itself,
so a fall says that it sees weather it knows less. *Calibration*, where people reviewed frames: how often it was
right, beside how sure it was. Reviewed frames are mostly the doubtful ones, so their accuracy says little of the
winter; the difference between the two does. *Mix*: whether the modes of the last weeks come as often as they did
before. That moves with the weather too, so it is held against what weather alone does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from radar.events import Times, find_events
from radar.resampling import Interval, resample
from radar.statistics import Floats, Ints, ModeSeries, to_local
from radar.verification.reliability import CalibrationError, expected_calibration_error
from radar.verification.table import ratio

BINS = 10
ALIKE = timedelta(hours=6)
"""Reviewed frames of one mode no further apart than this are alike, and are drawn together."""

_CHANCE_Z = 3.0902
"""Of the standard normal distribution: 1 in 1000 lies above it."""


BLOCK = timedelta(days=3)
"""Weather of one block says little of the next: about the time between two outbreaks of cold air."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each mode occurs among some frames; K modes.

    Attributes:
        frames: Classified frames.
        blocks: Pieces of time of length `BLOCK` that they lie in; those with few frames count for less.
        shares: Of the frames, shape (K,); NaN without frames.
        variance: Of the shares from block to block, shape (K,); NaN with fewer than two blocks.
    """

    frames: int
    blocks: float
    shares: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class MixShift:
    """How far a mix of modes lies from another one.

    Attributes:
        psi: Population stability index, from 0 (equal); by custom more than 0.25 is much.
        by_chance: What weather alone exceeds about once in 1000 times, by how much the reference moves from block to
            block.
    """

    psi: float
    by_chance: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the model is, by month; M months.

    Attributes:
        months: ``2015-12``, with no month left out between the first and the last.
        frames: Classified frames, shape (M,).
        confidence: Mean of the largest probability, shape (M,); NaN where there are no frames.
        accepted: Share of accepted frames, likewise.
        entropy: Mean entropy of the probabilities in nats, likewise.
    """

    months: tuple[str, ...]
    frames: Ints
    confidence: Floats
    accepted: Floats
    entropy: Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """How right the model is where people looked.

    Attributes:
        frames: Reviewed frames that were classified.
        events: Runs of one reviewed mode among them, see `ALIKE`.
        accuracy: Share in which the model agrees with the reviewer, with its interval by event; None without frames.
        confidence: Mean of the largest probability; NaN without frames.
        error: Expected calibration error; None without frames.
        edges: Of `BINS` bins of confidence, shape (BINS + 1,).
        in_bin: Frames by bin, shape (BINS,).
        said: Mean confidence by bin; NaN where there are none.
        right: Share of agreement by bin, likewise.
    """

    frames: int
    events: int
    accuracy: Interval | None
    confidence: float
    error: CalibrationError | None
    edges: Floats
    in_bin: Ints
    said: Floats
    right: Floats


def find_confidence(series: ModeSeries, *, zone: tzinfo) -> Confidence:
    """Tells how sure the model is, month by month.

    Args:
        series: Frames without a time are left out.
        zone: Whose months they are.
    """
    chosen = (series.modes >= 0) & ~np.isnat(series.times)
    if not chosen.any():
        none = np.empty(0)
        return Confidence((), none.astype(np.int64), none, none, none)
    p = series.probabilities[chosen]
    month = to_local(series.times[chosen], zone).astype("datetime64[M]").astype(np.int64)
    first, groups = int(month.min()), int(np.ptp(month)) + 1
    index = month - first
    frames = np.bincount(index, minlength=groups).astype(np.int64)

    def mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> Floats:
        return ratio(np.bincount(index, values.astype(np.float64), groups), frames)

    return Confidence(
        months=tuple(str(key) for key in np.arange(first, first + groups).astype("datetime64[M]")),
        frames=frames,
        confidence=mean(p.max(axis=1)),
        accepted=mean(series.accepted[chosen]),
        entropy=mean(-(p * np.log(np.clip(p, 1e-12, 1))).sum(axis=1)),
    )


def find_mix(modes: Ints, times: Times, number_of_modes: int) -> Mix:
    """Tells how often each mode occurs.

    Args:
        modes: Index of the mode of each frame, shape (N,); below 0 for frames that could not be classified.
        times: Times of the frames, shape (N,); frames without one are left out.
        number_of_modes: K.
    """
    chosen = (modes >= 0) & ~np.isnat(times)
    length = int(BLOCK.total_seconds())
    blocks, index = np.unique(times[chosen].astype("datetime64[s]").astype(np.int64) // length, return_inverse=True)
    counts = np.zeros((len(blocks), number_of_modes))
    np.add.at(counts, (index, modes[chosen]), 1.0)
    weights, total = counts.sum(axis=1), counts.sum()
    shares = ratio(counts.sum(axis=0), total)
    effective = float(total**2 / (weights**2).sum()) if total else 0.0
    spread = (weights[:, np.newaxis] * (ratio(counts, weights[:, np.newaxis]) - shares) ** 2).sum(axis=0)
    variance = ratio(spread, total) * ratio(effective, max(effective - 1, 0.0))
    return Mix(int(total), effective, shares, variance)


def compare_mixes(recent: Mix, reference: Mix) -> MixShift | None:
    """Tells how far the modes have moved, and how far weather alone may move them.

    The index is the sum of (p - q) ln(p / q) over the modes. Half a block is added to each mode of both sides, so
    that a mode that did not occur makes it large and not infinite. For independent draws it follows a chi-square
    distribution times (1/m + 1/n) (Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020); here the
    variance of the shares from block to block stands in place of that of independent draws.

    Returns:
        None if there is no recent frame, or the reference has fewer than two blocks.
    """
    if not recent.frames or np.isnan(reference.variance).any():
        return None
    # Smoothed alike: both lie as far from zero, and a short window is no shift by itself.
    p, q = (_smoothed(mix.shares, recent.blocks) for mix in (recent, reference))
    freedom = max(int(((recent.shares > 0) | (reference.shares > 0)).sum()) - 1, 1)
    mean = float((reference.variance / q).sum()) * (1 / recent.blocks + 1 / reference.blocks)
    return MixShift(psi=float(((p - q) * np.log(p / q)).sum()), by_chance=mean * _chi_square(freedom) / freedom)


def _smoothed(shares: Floats, blocks: float) -> Floats:
    return (shares * blocks + 0.5) / (blocks + 0.5 * len(shares))


def _chi_square(freedom: int) -> float:
    """What a chi-square variable exceeds once in 1000 times, by Wilson and Hilferty's formula: within 1 %."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + _CHANCE_Z * part**0.5) ** 3)


def find_calibration(series: ModeSeries, reviewed: Ints, *, seed: int = 0) -> Calibration:
    """Compares what the model says with what people say of the same frames.

    Args:
        series: The model's answers.
        reviewed: Index of the mode a person saw, or -1 where nobody looked, shape (N,).
        seed: Of the resampling of events.
    """
    edges = np.linspace(0, 1, BINS + 1)
    chosen = (series.modes >= 0) & (reviewed >= 0)
    p, seen = series.probabilities[chosen], reviewed[chosen]
    top, right = p.max(axis=1, initial=0.0), series.modes[chosen] == seen
    index = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    in_bin = np.bincount(index, minlength=BINS).astype(np.int64)
    said = ratio(np.bincount(index, top, BINS), in_bin)
    share = ratio(np.bincount(index, right.astype(np.float64), BINS), in_bin)
    if not len(seen):
        return Calibration(0, 0, None, float("nan"), None, edges, in_bin, said, share)
    # A frame without a time is an event of its own.
    events, of_frame = find_events(seen, series.times[chosen], longest_gap=ALIKE)
    alone = of_frame < 0
    of_frame[alone] = len(events) + np.arange(int(alone.sum()))
    count = len(events) + int(alone.sum())
    sums = np.stack(
        [np.bincount(of_frame, right.astype(np.float64), count), np.bincount(of_frame, minlength=count)], axis=1
    )
    return Calibration(
        frames=len(seen),
        events=count,
        accuracy=resample(sums, lambda s: ratio(s[:, 0], s[:, 1]), seed=seed),
        confidence=float(top.mean()),
        error=expected_calibration_error(p, seen),
        edges=edges,
        in_bin=in_bin,
        said=said,
        right=share,
    )
