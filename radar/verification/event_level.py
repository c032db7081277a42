"""Verification of events: was the band seen, and when did it begin and end?

An observed event is a **hit** if an event of the same mode was predicted that overlaps it, give or take a tolerance;
else a **miss**. A predicted event that overlaps no observed one is a **false alarm**. Pieces of one hit count once:
how often an event was torn apart is told by its number of pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from radar.events import Event
from radar.verification.table import Floats, ratio

TOLERANCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Hit:
    """An observed event and the predicted ones that overlap it.

    Attributes:
        observed: The event.
        start: Start of the first predicted piece.
        end: End of the last predicted piece.
        pieces: How many predicted events overlap it.
    """

    observed: Event
    start: datetime
    end: datetime
    pieces: int

    @property
    def onset_error(self) -> float:
        """Minutes from the observed to the predicted start; above 0 it was seen late."""
        return (self.start - self.observed.start) / timedelta(minutes=1)

    @property
    def end_error(self) -> float:
        """Minutes from the observed to the predicted end; above 0 it was held too long."""
        return (self.end - self.observed.end) / timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class EventScores:
    """What became of the events of one winter or more.

    Attributes:
        hits: Observed events that were predicted.
        misses: Observed events that were not.
        false_alarms: Predicted events of which nothing was observed.
        modes: K.
        tolerance: Which was given to both ends of an event.
    """

    hits: tuple[Hit, ...]
    misses: tuple[Event, ...]
    false_alarms: tuple[Event, ...]
    modes: int
    tolerance: timedelta

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Counts hits, misses and false alarms of each mode; each of shape (K,)."""
        lists = (
            [hit.observed.mode for hit in self.hits],
            *([e.mode for e in x] for x in (self.misses, self.false_alarms)),
        )
        hits, misses, alarms = (np.bincount(np.array(x, np.int64), minlength=self.modes) for x in lists)
        return hits, misses, alarms

    def probability_of_detection(self) -> Floats:
        """POD = hits / (hits + misses) of each mode's events, shape (K,); 0 to 1, perfect 1, NaN without any."""
        hits, misses, _ = self.counts()
        return ratio(hits, hits + misses)

    def false_alarm_ratio(self) -> Floats:
        """FAR = false alarms / (hits + false alarms), shape (K,); 0 to 1, perfect 0, NaN without any."""
        hits, _, alarms = self.counts()
        return ratio(alarms, hits + alarms)

    def critical_success_index(self) -> Floats:
        """CSI = hits / (hits + misses + false alarms), shape (K,); 0 to 1, perfect 1, NaN without any."""
        hits, misses, alarms = self.counts()
        return ratio(hits, hits + misses + alarms)


def match_events(
    observed: Sequence[Event],
    predicted: Sequence[Event],
    modes: int,
    *,
    tolerance: timedelta = TOLERANCE,
    scored: Sequence[bool] | None = None,
) -> EventScores:
    """Compares observed with predicted events of the same season and mode.

    Args:
        observed: Events as people saw them; see `radar.events.find_events` and `radar.periods.read_periods`.
        predicted: Events as a model saw them.
        modes: K.
        tolerance: Events this far apart still overlap.
        scored: Whether each predicted event lies, with any of its frames, in time that people looked at; one that
            does not is no false alarm. All by default.
    """
    hits: list[Hit] = []
    misses: list[Event] = []
    counted = [True] * len(predicted) if scored is None else scored
    idle = {id(event) for event, counts in zip(predicted, counted, strict=True) if counts}
    candidates = _by_series_and_mode(sorted(predicted, key=lambda event: event.start))
    slack = tolerance.total_seconds()
    for key, events in sorted(_by_series_and_mode(observed).items()):
        of_key = candidates.get(key, [])
        # Within a season the events of one mode do not overlap each other, so their ends are in order too.
        begins = np.searchsorted([e.end.timestamp() for e in of_key], [e.start.timestamp() - slack for e in events])
        stops = np.searchsorted(
            [e.start.timestamp() for e in of_key], [e.end.timestamp() + slack for e in events], side="right"
        )
        for event, begin, stop in zip(events, begins.tolist(), stops.tolist(), strict=True):
            pieces = of_key[begin:stop]
            if not pieces:
                misses.append(event)
                continue
            hits.append(Hit(event, pieces[0].start, pieces[-1].end, len(pieces)))
            idle -= {id(piece) for piece in pieces}
    alarms = tuple(event for event in predicted if id(event) in idle)
    return EventScores(tuple(hits), tuple(misses), alarms, modes, tolerance)


def _by_series_and_mode(events: Iterable[Event]) -> dict[tuple[int, int], list[Event]]:
    groups: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        groups.setdefault((event.series, event.mode), []).append(event)
    return groups
