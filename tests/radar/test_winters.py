"""Winters side by side."""

from __future__ import annotations

import numpy as np
import pytest

from radar.errors import SeasonError
from radar.season_statistics import SeasonStatistics, count_season
from radar.statistics import ModeSeries
from radar.winters import compare_winters


def winter(
    name: str, share: float, *, days: int = 60, codes: tuple[str, ...] = ("A", "B"), seed: int = 0
) -> SeasonStatistics:
    rng = np.random.default_rng(seed)
    modes = (rng.random(days * 24) >= share).astype(np.int64)
    times = np.datetime64("2015-11-01", "s") + np.arange(days * 24) * np.timedelta64(3600, "s")
    p = np.eye(len(codes))[modes]
    return count_season(name, ModeSeries(codes, times, modes, p, np.ones(len(modes), bool)))


def test_intervals_hold_the_truth_and_tell_two_winters_apart() -> None:
    first, second = compare_winters([winter("a", 0.5), winter("b", 0.7, seed=1)])
    assert first.shares.low[0] < 0.5 < first.shares.high[0]
    assert second.shares.low[0] < 0.7 < second.shares.high[0]
    assert first.shares.high[0] < second.shares.low[0]
    assert first.shares.value.sum() == pytest.approx(1)


def test_fewer_days_are_less_sure() -> None:
    few, many = compare_winters([winter("few", 0.5, days=6), winter("many", 0.5, days=120)])
    widths = [one.shares.high[0] - one.shares.low[0] for one in (few, many)]
    assert widths[0] > 2 * widths[1]


def test_events_by_day() -> None:
    (one,) = compare_winters([winter("a", 1.0, days=10)])
    # One event an hour long each hour: an hour between frames is longer than the longest gap.
    assert one.per_day.tolist() == [24, 0]


def test_winters_of_other_modes_or_without_frames_are_refused() -> None:
    with pytest.raises(SeasonError, match="b: expected the modes A, B of a, received A, C"):
        compare_winters([winter("a", 0.5), winter("b", 0.5, codes=("A", "C"))])
    nothing = winter("a", 0.5)
    empty = count_season("e", nothing.series.take(np.zeros(len(nothing.series.times), bool)))
    with pytest.raises(SeasonError, match="e: not one classified frame"):
        compare_winters([empty])
