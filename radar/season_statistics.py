"""Everything that is counted of one season, from arrays; a file or a database may have filled them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from radar.event_statistics import Durations, EventRecord, find_durations, record_events
from radar.events import LONGEST_GAP, Times, as_datetimes, find_events
from radar.modes import colors_for
from radar.seasons import find_zone
from radar.statistics import (
    ModeSeries,
    Table,
    Transitions,
    find_cadence,
    find_transitions,
    missing_times,
    tabulate,
    without_repeats,
)

ANY_CADENCE = timedelta(minutes=10)  # of a season of one frame, where it makes no difference


@dataclass(frozen=True, slots=True)
class SeasonStatistics:
    """Everything that is counted of one season.

    Attributes:
        name: Of the season, or of the winter: ``2015/16``.
        versions: Of the models that answered.
        series: The frames, in the order of time, each time once.
        cadence: Between frames.
        missing: Times of missing frames between the first and the last.
        repeated: Frames left out, as another one has their time.
        untimed: Frames left out, as they have no time.
        zone: Whose months, days and hours are counted.
        month: By month of the zone.
        day: By day of the zone.
        hour: By hour of the zone.
        hour_utc: By hour, UTC.
        transitions: From frame to frame.
        events: In the order of their start.
        durations: By mode.
        colors: ``#RRGGBB`` by mode, as the model says.
        synthetic: Whether the model learned from synthetic frames.
    """

    name: str
    versions: tuple[int, ...]
    series: ModeSeries
    cadence: timedelta
    missing: Times
    repeated: int
    untimed: int
    zone: str
    month: Table
    day: Table
    hour: Table
    hour_utc: Table
    transitions: Transitions
    events: list[EventRecord]
    durations: list[Durations]
    colors: Mapping[str, str]
    synthetic: bool

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the modes."""
        return self.series.codes

    @property
    def total(self) -> Table:
        """The season as a whole."""
        return self.month.total()

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Times of the first and the last frame, UTC."""
        first, last = as_datetimes(self.series.times[[0, -1]])
        return first, last


def count_season(
    name: str,
    series: ModeSeries,
    *,
    versions: tuple[int, ...] = (),
    cadence: timedelta | None = None,
    longest_gap: timedelta = LONGEST_GAP,
    zone: str = "UTC",
    colors: Mapping[str, str] | None = None,
    synthetic: bool = False,
) -> SeasonStatistics:
    """Counts a season.

    Args:
        name: Of the season.
        series: Its frames, in any order; some of them, not all, may lack a time.
        versions: Of the models that answered.
        cadence: Between frames; None takes the most frequent distance.
        longest_gap: Between two frames of one event.
        zone: Whose months, days and hours to count: ``UTC``, ``JST`` or an IANA name.
        colors: ``#RRGGBB`` by mode; None takes those of `radar.modes`.
        synthetic: Whether the model learned from synthetic frames.

    Raises:
        SeasonError: The zone is unknown.
    """
    where = find_zone(zone)
    untimed = int(np.isnat(series.times).sum())
    series, repeated = without_repeats(series)
    cadence = cadence or (find_cadence(series.times) if len(series.times) > 1 else ANY_CADENCE)
    missing = missing_times(series.times, cadence)
    events, event_of_frame = find_events(series.modes, series.times, longest_gap=longest_gap)
    return SeasonStatistics(
        name=name,
        versions=versions,
        series=series,
        cadence=cadence,
        missing=missing,
        repeated=repeated,
        untimed=untimed,
        zone=zone,
        month=tabulate(series, "month", missing=missing, zone=where),
        day=tabulate(series, "day", missing=missing, zone=where),
        hour=tabulate(series, "hour", missing=missing, zone=where),
        hour_utc=tabulate(series, "hour", missing=missing, zone=UTC),
        transitions=find_transitions(series, cadence),
        events=record_events(events, event_of_frame, series),
        durations=find_durations(events, len(series.codes)),
        colors=colors or colors_for(series.codes),
        synthetic=synthetic,
    )
