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
    frames, hits = _counts(ranked, edges), _counts(np.sort(p[yes]), edges)
    histogram = _counts(ranked, np.arange(1, HISTOGRAM_BINS) / HISTOGRAM_BINS)
    forecast = ratio(_sums(ranked, ranked, edges), frames)
    return Curve(edges, forecast, ratio(hits, frames), frames, float(yes.mean()), histogram)


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
    ranked, right = _ranked_confidences(probabilities, observed)
    return _calibration_error(ranked, right, _edges_of_count(ranked, bins) if adaptive else _edges_of_width(bins))


def calibration_errors(probabilities: ArrayLike, observed: ArrayLike) -> tuple[CalibrationError, CalibrationError]:
    """Gives `expected_calibration_error` in bins of equal width and of equal count, at the cost of one of them."""
    ranked, right = _ranked_confidences(probabilities, observed)
    edges = (_edges_of_width(ECE_BINS), _edges_of_count(ranked, ECE_BINS))
    return _calibration_error(ranked, right, edges[0]), _calibration_error(ranked, right, edges[1])


def _ranked_confidences(probabilities: ArrayLike, observed: ArrayLike) -> tuple[Floats, Floats]:
    """Gives the winning probabilities, ascending: of all frames, and of those that are right."""
    table, rows = check_probabilities(probabilities, observed)
    winner = table.argmax(axis=1)
    confidence = table[np.arange(len(rows)), winner]
    return np.sort(confidence), np.sort(confidence[winner == rows])


def _edges_of_width(bins: int) -> Floats:
    return np.arange(1, bins) / bins


def _edges_of_count(ranked: Floats, bins: int) -> Floats:
    return np.unique(ranked[np.arange(1, bins) * len(ranked) // bins]) if len(ranked) else ranked


def _calibration_error(ranked: Floats, right: Floats, edges: Floats) -> CalibrationError:
    if not len(ranked):
        return CalibrationError(math.nan, math.nan)
    value = np.abs(_counts(right, edges) - _sums(ranked, ranked, edges)).sum() / len(ranked)
    # Right frames of a calibrated model: a sum of independent draws, near enough to a normal distribution, which on
    # average is sqrt(2 / pi) standard deviations from its mean.
    spread = np.sqrt(_sums(ranked * (1 - ranked), ranked, edges))
    return CalibrationError(float(value), float(spread.sum() * math.sqrt(2 / math.pi) / len(ranked)))


def _counts(ranked: Floats, edges: Floats) -> NDArray[np.int64]:
    """Counts ascending numbers in bins; what equals an edge lies in the bin above it."""
    return np.diff(_places(ranked, edges))


def _sums(values: Floats, ranked: Floats, edges: Floats) -> Floats:
    """Sums values, one for each of the ascending numbers, in bins of these."""
    places = _places(ranked, edges)
    # Of an empty bin `reduceat` gives the value at its place, which may be the one after the last.
    sums: Floats = np.add.reduceat(np.append(values, 0.0), places[:-1])
    return np.where(np.diff(places) > 0, sums, 0.0)


def _places(ranked: Floats, edges: Floats) -> NDArray[np.int64]:
    return np.concatenate([[0], np.searchsorted(ranked, edges), [len(ranked)]]).astype(np.int64)
