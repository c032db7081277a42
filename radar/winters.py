"""Winters side by side: how often each mode was, and whether two winters differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radar.errors import SeasonError
from radar.resampling import Interval, resample
from radar.season_statistics import SeasonStatistics
from radar.statistics import Floats
from radar.verification.table import ratio


@dataclass(frozen=True, slots=True)
class Winter:
    """One winter beside others.

    Attributes:
        season: What was counted.
        shares: Of the modes among the classified frames, shape (K,), with their intervals by day.
        per_day: Mean number of events that begin on a day, shape (K,).
    """

    season: SeasonStatistics
    shares: Interval
    per_day: Floats


def compare_winters(seasons: Sequence[SeasonStatistics], *, seed: int = 0) -> list[Winter]:
    """Sets winters side by side.

    Whole days are drawn with replacement, since frames of one day are alike. Days of one spell are alike too, so the
    intervals are rather too narrow; two that do not overlap still tell a difference.

    Args:
        seasons: Of models with the same modes.
        seed: Of the draws.

    Raises:
        SeasonError: The modes differ, or a season has no classified frame with a time.
    """
    winters = []
    for season in seasons:
        if season.codes != seasons[0].codes:
            raise SeasonError(
                f"{season.name}: expected the modes {', '.join(seasons[0].codes)} of {seasons[0].name}, received "
                f"{', '.join(season.codes)}; only winters by models with the same modes can be set side by side"
            )
        days = season.day.counts[season.day.classified > 0]
        if not len(days):
            raise SeasonError(f"{season.name}: not one classified frame has a time")
        shares = resample(days, lambda sums: ratio(sums, sums.sum(axis=1, keepdims=True)), seed=seed)
        counts = np.array([durations.events for durations in season.durations], np.float64)
        winters.append(Winter(season, shares, counts / len(days)))
    return winters
