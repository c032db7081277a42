"""Reliability: do things said with 80 % happen in 80 % of the cases?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.verification.probabilities import check_probabilities
from radar.verification.table import Floats, ratio

CURVE_BINS = 10
ECE_BINS = 15
HISTOGRAM_BINS = 20


@dataclass(frozen=True, slots=True)
class Curve:
    """Reliability of the probabilities of one mode, in bins of nearly equal count.

    Attributes:
        edges: Probabilities between the bins, shape (B - 1,), ascending; bin b holds those from edge b - 1 on.
        forecast: Mean probability of each bin, shape (B,).
        observed: Share of its frames in which the mode was observed, shape (B,).
        frames: How many frames it has, shape (B,).
        climatology: Share of all frames in which the mode was observed.
        histogram: Frames by probability, in `HISTOGRAM_BINS` bins of equal width: how sharp the forecasts are.
    """

    edges: Floats
    forecast: Floats
    observed: Floats
    frames: NDArray[np.int64]
    climatology: float
    histogram: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Expected calibration error of the winning mode's probability, and what of it is only noise.

    Attributes:
        value: Mean over bins, weighted by frames, of |share right - mean probability|. Range 0 to 1, perfect 0.
        bias: What a perfectly calibrated model with these probabilities would show on this many *independent* frames.
            The value is biased upward by about this much, and by more, as frames of one event are alike.
    """

    value: float
    bias: float


def curve(probability: ArrayLike, happened: ArrayLike, *, bins: int = CURVE_BINS) -> Curve:
    """Draws the reliability curve of one mode.

    Source: Wilks (2019), Statistical Methods in the Atmospheric Sciences, section 9.4; bins of equal count, since
    most probabilities of a classifier lie near 0 and 1.

    Args:
        probability: Of the mode, shape (N,).
        happened: Whether it was observed, shape (N,).
        bins: At most this many; equal probabilities are never torn apart, so there may be fewer.
    """
    p, yes = np.asarray(probability, np.float64), np.asarray(happened, bool)
    if not len(p):
        none = np.empty(0)
        return Curve(none, none, none, none.astype(np.int64), float("nan"), np.zeros(HISTOGRAM_BINS, np.int64))
    ranked = np.sort(p)
    cuts = ranked[np.arange(1, bins) * len(p) // bins]
    edges = np.unique(cuts[cuts > ranked[0]])
    frames, total, hits = _bin_sums(bins_of(p, edges), p, yes, len(edges) + 1)
    histogram = np.histogram(p, HISTOGRAM_BINS, (0, 1))[0].astype(np.int64)
    return Curve(edges, ratio(total, frames), ratio(hits, frames), frames, float(yes.mean()), histogram)


def expected_calibration_error(
    probabilities: ArrayLike, observed: ArrayLike, *, adaptive: bool = False, bins: int = ECE_BINS
) -> CalibrationError:
    """Measures how far the winning mode's probability is from the share of frames that are right.

    Source: Naeini et al. (2015), AAAI; Guo et al. (2017), ICML. Biased upward for few frames: see `CalibrationError`.

    Args:
        probabilities: Shape (N, K).
        observed: Index of the observed mode, shape (N,).
        adaptive: Bins of equal count; otherwise of equal width, which most publications use.
        bins: How many.

    Raises:
        VerificationError: The shapes do not fit, or the numbers are no probabilities.
    """
    table, rows = check_probabilities(probabilities, observed)
    if not len(rows):
        return CalibrationError(float("nan"), float("nan"))
    winner = table.argmax(axis=1)
    confidence = table[np.arange(len(rows)), winner]
    if adaptive:
        ranked = np.sort(confidence)
        edges = np.unique(ranked[np.arange(1, bins) * len(ranked) // bins])
    else:
        edges = np.arange(1, bins) / bins
    of = bins_of(confidence, edges)
    _, total, hits = _bin_sums(of, confidence, winner == rows, len(edges) + 1)
    value = np.abs(hits - total).sum() / len(rows)
    # Right frames of a calibrated model: a sum of independent draws, near enough to a normal distribution, which on
    # average is sqrt(2 / pi) standard deviations from its mean.
    spread = np.sqrt(np.bincount(of, confidence * (1 - confidence)))
    return CalibrationError(float(value), float(spread.sum() * math.sqrt(2 / math.pi) / len(rows)))


def bins_of(probability: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Gives the bin of each probability, as `numpy.searchsorted` from the right does, faster for few edges.

    Args:
        probability: Shape (N,).
        edges: Between B bins, ascending, shape (B - 1,); what equals an edge lies in the bin above it.

    Returns:
        From 0 to B - 1, shape (N,).
    """
    p, cuts = np.ascontiguousarray(probability, np.float64), np.asarray(edges, np.float64)
    bins = np.zeros(p.shape, np.min_scalar_type(len(cuts)))
    for cut in cuts:
        bins += p >= cut
    return bins.astype(np.int64)


def _bin_sums(
    of: NDArray[np.int64], p: Floats, yes: NDArray[np.bool_], bins: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    frames = np.bincount(of, minlength=bins).astype(np.int64)
    return frames, np.bincount(of, p, bins).astype(np.float64), np.bincount(of, yes, bins).astype(np.float64)
