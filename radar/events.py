"""Events: runs of frames of one mode, as a meteorologist sees weather. Frames are samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.errors import SeasonError

LONGEST_GAP = timedelta(minutes=30)
"""Frames of one mode that lie no further apart belong to one event; what is between them is an interruption."""

Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Event:
    """A run of frames of one mode.

    Attributes:
        mode: Index of the mode.
        start: Time of its first frame, UTC.
        end: Time of its last frame, UTC.
        frames: How many frames of the mode it holds; interruptions do not count.
        series: Index of the season it belongs to.
    """

    mode: int
    start: datetime
    end: datetime
    frames: int
    series: int = 0

    @property
    def duration(self) -> timedelta:
        """From the first frame to the last; zero for an event of one frame."""
        return self.end - self.start


def as_times(times: Sequence[datetime | str | None] | Times) -> Times:
    """Gives times as ``datetime64[s]`` in UTC, NaT for None and for empty strings.

    Raises:
        SeasonError: One of them is no time.
    """
    if isinstance(times, np.ndarray) and times.dtype.kind == "M":
        return times.astype("datetime64[s]")
    return np.array([_as_time(time) for time in times], "datetime64[s]")


def find_events(
    modes: ArrayLike, times: Times, *, longest_gap: timedelta = LONGEST_GAP, series: ArrayLike | None = None
) -> tuple[list[Event], NDArray[np.int64]]:
    """Cuts frames into events.

    Frames of one mode in one season belong to one event as long as each follows the one before it within
    `longest_gap`, whatever other modes interrupt them. Every frame that has a mode and a time is in one event.

    Args:
        modes: Index of the mode of each frame, shape (N,); below 0 for frames without one.
        times: Times of the frames, shape (N,), in any order; see `as_times`.
        longest_gap: Between two frames of one event.
        series: Index of the season of each frame, shape (N,); one season by default.

    Returns:
        The events by season, start and mode; and for each frame the index of its event, or -1, shape (N,).
    """
    of_mode = np.asarray(modes, np.int64)
    of_series = np.zeros_like(of_mode) if series is None else np.asarray(series, np.int64)
    usable = np.flatnonzero((of_mode >= 0) & ~np.isnat(times))
    order = usable[_by_season_mode_time(of_series[usable], of_mode[usable], times[usable])]
    k, s, t = of_mode[order], of_series[order], times[order]
    limit = np.timedelta64(int(longest_gap.total_seconds()), "s")
    follows = (k[1:] == k[:-1]) & (s[1:] == s[:-1]) & (t[1:] - t[:-1] <= limit)
    first = np.flatnonzero(np.concatenate([[True], ~follows])) if len(order) else np.empty(0, np.int64)
    last = np.append(first[1:], len(order)) - 1
    sequence = np.lexsort((k[first], t[first], s[first]))
    first, last = first[sequence], last[sequence]
    events = [
        Event(*fields)
        for fields in zip(
            k[first].tolist(),
            as_datetimes(t[first]),
            as_datetimes(t[last]),
            (last - first + 1).tolist(),
            s[first].tolist(),
            strict=True,
        )
    ]
    index = np.full(len(of_mode), -1)
    index[order] = np.repeat(np.argsort(sequence), np.diff(np.append(np.sort(first), len(order))))
    return events, index


def _by_season_mode_time(series: NDArray[np.int64], modes: NDArray[np.int64], times: Times) -> NDArray[np.intp]:
    if not len(modes):
        return np.empty(0, np.intp)
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (times[1:] >= times[:-1]))
    key = series * (modes.max() + 1) + modes
    if later.all() and key.min() >= 0 and key.max() <= np.iinfo(np.int16).max:
        # In order of time already, as frames mostly are: numbers this short are sorted 5 times as fast.
        return np.argsort(key.astype(np.int16), kind="stable")
    return np.lexsort((times, modes, series))


def as_datetimes(times: Times) -> list[datetime]:
    """Gives times, none of them NaT, as datetimes with the zone UTC; the inverse of `as_times`."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return [datetime.fromtimestamp(second, UTC) for second in seconds.tolist()]


def _as_time(time: datetime | str | None) -> np.datetime64:
    if not time:
        return np.datetime64("NaT", "s")
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise SeasonError(f"Expected a time such as 2015-11-01T00:00:00Z, received {time!r}") from error
    return np.datetime64(moment, "s")
