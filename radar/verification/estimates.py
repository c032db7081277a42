"""All scores of a sample with their intervals, from one resampling of its events."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from radar.resampling import Interval, resample, resample_difference
from radar.verification.catalog import OF_MODES, OF_PROBABILITIES, OVERALL, Score
from radar.verification.probabilities import brier_scores, log_losses
from radar.verification.reliability import Curve
from radar.verification.sample import Sample
from radar.verification.table import Floats, count_by_group, ratio


@dataclass(frozen=True, slots=True)
class Estimate:
    """One score: its value, its interval, and how many replicates left it undefined; NaN where unknown."""

    value: float
    low: float = math.nan
    high: float = math.nan
    dropped: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True, slots=True)
class Estimates:
    """Scores by name.

    Attributes:
        overall: Of all frames; with those of probabilities, if there are any.
        accepted: Of accepted frames, if it is known which are.
        modes: Of each mode, by code.
        bars: Lower and upper end of each point of the reliability curves, shape (2, B) each.
    """

    overall: dict[str, Estimate]
    accepted: dict[str, Estimate] = field(default_factory=dict)
    modes: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    bars: tuple[Floats, ...] = ()


def estimate(sample: Sample, curves: Sequence[Curve], *, replicates: int, level: float, seed: int) -> Estimates:
    """Scores a sample.

    Args:
        sample: The frames; without events there are values, and no intervals.
        curves: Reliability curve of each mode, or none.
        replicates: How many times events are resampled.
        level: Nominal coverage of the intervals.
        seed: Of the resampling.
    """
    layout = _Layout(sample, curves)
    interval = resample(layout.sums(sample), layout.scores, replicates=replicates, level=level, seed=seed)
    return layout.named(interval)


def estimate_difference(first: Sample, second: Sample, *, replicates: int, level: float, seed: int) -> Estimates:
    """Scores first minus second, on the same resampled events.

    Args:
        first: Frames as one model classified them.
        second: The same frames as the other did.
        replicates: How many times events are resampled.
        level: Nominal coverage of the intervals.
        seed: Of the resampling.

    Raises:
        VerificationError: They are not the same events.
    """
    # What each accepts are other frames; scores of those have no paired difference.
    first, second = (replace(sample, accepted=None) for sample in (first, second))
    layout = _Layout(first, ())
    interval = resample_difference(
        layout.sums(first), layout.sums(second), layout.scores, replicates=replicates, level=level, seed=seed
    )
    return layout.named(interval)


class _Layout:
    """Where everything stands in the row of sums of an event, and in the row of scores made of it."""

    def __init__(self, sample: Sample, curves: Sequence[Curve]) -> None:
        self._codes = sample.codes
        self._with_probabilities = sample.probabilities is not None
        self._with_accepted = sample.accepted is not None
        self._curves = tuple(curves)

    def sums(self, sample: Sample) -> Floats:
        """Reduces each event to what adds up, shape (M, P)."""
        modes = len(self._codes)
        of = sample.events if len(sample.events) else np.zeros(len(sample.observed), np.int64)
        events = int(of.max()) + 1
        table = count_by_group(sample.observed, sample.predicted, modes, of, events)
        parts = [table.reshape(events, -1)]
        if sample.accepted is not None:
            kept = sample.accepted
            of_kept = count_by_group(sample.observed[kept], sample.predicted[kept], modes, of[kept], events)
            parts.append(of_kept.reshape(events, -1))
        if sample.probabilities is not None:
            for score in (brier_scores, log_losses):
                values = score(sample.probabilities, sample.observed)
                parts.append(np.bincount(of, values, minlength=events)[:, np.newaxis])
            for k, curve in enumerate(self._curves):
                bins = len(curve.frames)
                column = np.ascontiguousarray(sample.probabilities[:, k])
                cell = of * bins
                # A comparison with each edge takes half as long as a search among them.
                for edge in curve.edges:
                    cell += column >= edge
                for cells in (cell, cell[sample.observed == k]):
                    parts.append(np.bincount(cells, minlength=events * bins).reshape(events, bins))
        return np.concatenate(parts, axis=1).astype(np.float64)

    def scores(self, sums: Floats) -> Floats:
        """Gives all scores in a row, shape (R, S), of sums (R, P)."""
        take = _Taker(sums)
        modes = len(self._codes)
        table = take(modes * modes).reshape(-1, modes, modes)
        rows = [_stack(OVERALL, table)]
        if self._with_accepted:
            rows.append(_stack(OVERALL, take(modes * modes).reshape(-1, modes, modes)))
        if self._with_probabilities:
            rows.append(ratio(take(len(OF_PROBABILITIES)), table.sum(axis=(1, 2))[:, np.newaxis]))
        rows.append(_stack(OF_MODES, table).reshape(len(sums), -1))
        for curve in self._curves:
            frames = take(len(curve.frames))
            rows.append(ratio(take(len(curve.frames)), frames))
        return np.concatenate(rows, axis=1)

    def named(self, interval: Interval) -> Estimates:
        """Gives the scores their names."""
        ends = np.stack([interval.value, interval.low, interval.high, interval.dropped])
        take = _Taker(ends)
        overall = _named(OVERALL, take(len(OVERALL)))
        accepted = _named(OVERALL, take(len(OVERALL))) if self._with_accepted else {}
        if self._with_probabilities:
            overall |= _named(OF_PROBABILITIES, take(len(OF_PROBABILITIES)))
        of_modes = take(len(OF_MODES) * len(self._codes)).reshape(4, len(OF_MODES), -1)
        modes = {code: _named(OF_MODES, of_modes[:, :, k]) for k, code in enumerate(self._codes)}
        bars = tuple(take(len(curve.frames))[1:3] for curve in self._curves)
        return Estimates(overall, accepted, modes, bars)


class _Taker:
    """Takes columns from left to right."""

    def __init__(self, columns: Floats) -> None:
        self._columns, self._at = columns, 0

    def __call__(self, number: int) -> Floats:
        self._at += number
        return self._columns[:, self._at - number : self._at]


def _stack(scores: Sequence[Score], table: Floats) -> Floats:
    functions: list[Callable[..., Floats]] = [s.function for s in scores if s.function is not None]
    return np.stack([function(table) for function in functions], axis=1)


def _named(scores: Sequence[Score], columns: NDArray[np.float64]) -> dict[str, Estimate]:
    return {
        score.name: Estimate(float(value), float(low), float(high), int(dropped))
        for score, (value, low, high, dropped) in zip(scores, columns.T, strict=True)
    }
