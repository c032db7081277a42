"""Statistics of events: how long they last, and how sure the model was of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from radar.events import Event
from radar.statistics import Ints, ModeSeries

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of durations."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event and how sure the model was.

    Attributes:
        event: When, and of which mode.
        peak: Largest probability of the mode in one of its frames.
        peak_time: UTC, of the first such frame.
        mean: Mean probability of the mode over its frames.
        accepted: Share of accepted frames.
    """

    event: Event
    peak: float
    peak_time: np.datetime64
    mean: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the events of a mode last, in hours, from the first frame to the last.

    Attributes:
        events: How many there are.
        quantiles: At `QUANTILES`; NaN if there are none.
        longest: The longest, or NaN.
        total: All together.
    """

    events: int
    quantiles: tuple[float, ...]
    longest: float
    total: float


def record_events(events: Sequence[Event], event_of_frame: Ints, series: ModeSeries) -> list[EventRecord]:
    """Tells how sure the model was of each event.

    Args:
        events: As `radar.events.find_events` gives them.
        event_of_frame: Index of the event of each frame, or -1, shape (N,); likewise.
        series: The frames.
    """
    order = np.argsort(event_of_frame, kind="stable")
    order = order[event_of_frame[order] >= 0]
    starts = np.searchsorted(event_of_frame[order], np.arange(len(events) + 1))
    records = []
    for number, event in enumerate(events):
        own = order[starts[number] : starts[number + 1]]
        p = series.probabilities[own, event.mode]
        best = own[int(p.argmax())]
        records.append(
            EventRecord(
                event, float(p.max()), series.times[best], float(p.mean()), float(series.accepted[own].mean())
            )
        )
    return records


def find_durations(events: Sequence[Event], modes: int) -> list[Durations]:
    """Gives the quantiles of duration for each of the modes, linearly interpolated between events."""
    found = []
    for mode in range(modes):
        hours = np.array([event.duration / timedelta(hours=1) for event in events if event.mode == mode])
        quantiles = np.quantile(hours, QUANTILES) if len(hours) else np.full(len(QUANTILES), np.nan)
        longest = float(hours.max()) if len(hours) else float("nan")
        found.append(Durations(len(hours), tuple(quantiles.tolist()), longest, float(hours.sum())))
    return found
