"""Drift: is a winter still what the model was made for?

Two questions. *Confidence*, for which nobody has to look at a frame: how sure the model is month by month, beside how
sure it was of its validation frames. A calibrated model's mean confidence is the accuracy it expects of itself, so a
fall says that it sees weather it knows less. *Calibration*, where people reviewed frames: how often it was right,
beside how sure it was. Reviewed frames are mostly the doubtful ones, so their accuracy says little of the winter; the
difference between the two does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from radar.events import find_events
from radar.resampling import Interval, resample
from radar.statistics import Floats, Ints, ModeSeries, to_local
from radar.verification.reliability import CalibrationError, expected_calibration_error
from radar.verification.table import ratio

BINS = 10
ALIKE = timedelta(hours=6)
"""Reviewed frames of one mode no further apart than this are alike, and are drawn together."""


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
