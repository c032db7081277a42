"""Seasonal statistics: how often each mode was, when, and what follows what.

Pure functions of arrays; a file, a database or a stream may have filled them. Counts are counts of frames, so they
say nothing where frames are missing; every table carries the number of missing frames beside them. Shares are of the
classified frames, from 0 to 1, NaN where there are none. How long events last: `radar.event_statistics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radar.errors import SeasonError
from radar.events import Times, as_datetimes

By = Literal["month", "day", "hour"]

LONGEST_HOLE = timedelta(days=183)
"""Two frames further apart are of different winters, or one of their times is wrong: nothing is missing between them.

One frame dated 1915 would otherwise be five million missing ones, and a date with a wrong century all the memory.
"""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModeSeries:
    """Frames of one season and their modes.

    Attributes:
        codes: Codes of the modes, K of them.
        times: datetime64[s], UTC, shape (N,); NaT where unknown.
        modes: Index of the mode, shape (N,); -1 for frames that could not be classified.
        probabilities: Shape (N, K); NaN for frames that could not be classified.
        accepted: Whether the model was sure enough, shape (N,).

    Raises:
        ValueError: The shapes do not belong together.
    """

    codes: tuple[str, ...]
    times: Times
    modes: Ints
    probabilities: Floats
    accepted: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.times)
        received = self.modes.shape, self.probabilities.shape, self.accepted.shape
        if received != ((n,), (n, len(self.codes)), (n,)):
            raise ValueError(
                f"Expected modes, probabilities, accepted of shapes {(n,)}, {(n, len(self.codes))}, {(n,)}; "
                f"received: {received}"
            )

    def take(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> ModeSeries:
        """Gives some of the frames, by index or mask."""
        return ModeSeries(
            self.codes,
            self.times[chosen],
            self.modes[chosen],
            self.probabilities[chosen],
            self.accepted[chosen],
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Counts by group: months, days or hours; G groups, K modes.

    Attributes:
        keys: Names of the groups: ``2015-12``, ``2015-12-16`` or ``18``.
        counts: Frames by group and mode, shape (G, K).
        mass: Sums of probabilities, shape (G, K).
        accepted: Accepted frames, shape (G, K).
        failed: Frames that could not be classified, shape (G,).
        missing: Frames that should be there and are not, shape (G,).
    """

    keys: tuple[str, ...]
    counts: Ints
    mass: Floats
    accepted: Ints
    failed: Ints
    missing: Ints

    @property
    def classified(self) -> Ints:
        """Frames with a mode, shape (G,)."""
        sums: Ints = self.counts.sum(axis=1)
        return sums

    @property
    def shares(self) -> Floats:
        """Shares of the modes among the classified frames, shape (G, K)."""
        return _ratio(self.counts, self.classified[:, np.newaxis])

    @property
    def mean_probability(self) -> Floats:
        """Mean probability of every mode over the classified frames, shape (G, K).

        What the shares would be if every frame counted by its probabilities and not for its winner alone.
        """
        return _ratio(self.mass, self.classified[:, np.newaxis])

    @property
    def accepted_share(self) -> Floats:
        """Share of accepted frames among those of a mode, shape (G, K)."""
        return _ratio(self.accepted, self.counts)

    def total(self) -> Table:
        """Gives the table of all groups together, one group named ``all``."""
        return Table(
            keys=("all",),
            counts=self.counts.sum(axis=0, keepdims=True),
            mass=self.mass.sum(axis=0, keepdims=True),
            accepted=self.accepted.sum(axis=0, keepdims=True),
            failed=self.failed.sum(keepdims=True),
            missing=self.missing.sum(keepdims=True),
        )


@dataclass(frozen=True, slots=True)
class Transitions:
    """What follows what, from a frame to the next.

    Attributes:
        counts: Pairs of consecutive frames, shape (K, K): rows are the earlier mode, columns the later one.
        apart: Neighbouring frames that are not counted, because a frame is missing or unclassified between them.
    """

    counts: Ints
    apart: int

    @property
    def shares(self) -> Floats:
        """Share of each later mode by earlier mode; rows sum to 1, or are NaN."""
        return _ratio(self.counts, self.counts.sum(axis=1, keepdims=True))

    @property
    def shares_of_changes(self) -> Floats:
        """The same among the changes of mode alone: the diagonal, which persistence fills, is NaN."""
        changes = self.counts.copy()
        np.fill_diagonal(changes, 0)
        shares = _ratio(changes, changes.sum(axis=1, keepdims=True))
        np.fill_diagonal(shares, np.nan)
        return shares


def without_repeats(series: ModeSeries) -> tuple[ModeSeries, int]:
    """Sorts frames by time and keeps the first of those with the same time.

    Args:
        series: In any order. Frames without a time are left out.

    Returns:
        The frames in the order of time, and how many were dropped because their time was there already.
    """
    known = np.flatnonzero(~np.isnat(series.times))
    order = known[np.argsort(series.times[known], kind="stable")]
    times = series.times[order]
    first = np.ones(len(order), bool)
    first[1:] = times[1:] != times[:-1]
    return series.take(order[first]), int((~first).sum())


def find_cadence(times: Times) -> timedelta:
    """Finds the time between frames: the most frequent distance of neighbours.

    Args:
        times: Ascending, none of them NaT or twice.

    Raises:
        SeasonError: There are fewer than two frames.
    """
    if len(times) < 2:
        raise SeasonError(f"The time between frames needs two frames with a time; received: {len(times)}")
    distances, frequencies = np.unique(np.diff(times.astype("datetime64[s]").astype(np.int64)), return_counts=True)
    return timedelta(seconds=int(distances[frequencies.argmax()]))


def missing_times(times: Times, cadence: timedelta) -> Times:
    """Gives the times of missing frames between the first and the last one.

    Args:
        times: Ascending, none of them NaT.
        cadence: Between frames; distances are rounded to whole frames. None is missing in holes longer than
            `LONGEST_HOLE`.
    """
    step = round(cadence.total_seconds())
    seconds = times.astype("datetime64[s]").astype(np.int64)
    apart = np.diff(seconds)
    gaps = np.round(apart / step).astype(np.int64) - 1
    where = np.flatnonzero((gaps > 0) & (apart <= LONGEST_HOLE.total_seconds()))
    found = [seconds[n] + step * np.arange(1, gaps[n] + 1) for n in where]
    return np.concatenate([np.empty(0, np.int64), *found]).astype("datetime64[s]")


def to_local(times: Times, zone: tzinfo) -> Times:
    """Gives the wall-clock times of a zone as datetime64[s] without a zone.

    Args:
        times: UTC, none of them NaT.
        zone: See `radar.seasons.find_zone`.
    """
    if zone is UTC or not len(times):
        return times
    if isinstance(zone, timezone):
        ahead = zone.utcoffset(None)
        shifted: Times = times + np.timedelta64(round(ahead.total_seconds()), "s")
        return shifted
    # Offsets change at quarters of an hour at the most, and one call a frame would be slow.
    quarters, index = np.unique(times.astype("datetime64[s]").astype(np.int64) // 900, return_inverse=True)
    moments = as_datetimes((quarters * 900).astype("datetime64[s]"))
    offsets = [moment.astimezone(zone).utcoffset() or timedelta() for moment in moments]
    seconds = np.array([round(offset.total_seconds()) for offset in offsets], np.int64)
    local: Times = times + seconds[index].astype("timedelta64[s]")
    return local


def tabulate(series: ModeSeries, by: By, *, missing: Times, zone: tzinfo = UTC) -> Table:
    """Counts frames by month, day or hour.

    Args:
        series: All frames need a time.
        by: Months and days are those of the calendar and come without holes, except those longer than
            `LONGEST_HOLE`; hours are the 24 of the day.
        missing: Times of missing frames, see `missing_times`.
        zone: Whose months, days and hours they are.
    """
    here, absent = to_local(series.times, zone), to_local(missing, zone)
    unit = {"month": "M", "day": "D", "hour": "h"}[by]
    index, gone = (times.astype(f"datetime64[{unit}]").astype(np.int64) for times in (here, absent))
    if by == "hour":
        index, gone, groups = index % 24, gone % 24, 24
        keys = tuple(f"{hour:02d}" for hour in range(24))
    else:
        listed = _without_holes(np.unique(np.concatenate([index, gone])), LONGEST_HOLE.days if by == "day" else 6)
        groups, keys = len(listed), tuple(str(key) for key in listed.astype(f"datetime64[{unit}]"))
        index, gone = np.searchsorted(listed, index), np.searchsorted(listed, gone)
    modes, classified = len(series.codes), series.modes >= 0
    cell = index[classified] * modes + series.modes[classified]
    sure = series.accepted[classified]
    mass = np.zeros((groups, modes))
    np.add.at(mass, index[classified], series.probabilities[classified])
    return Table(
        keys=keys,
        counts=_counted(cell, groups * modes).reshape(groups, modes),
        mass=mass,
        accepted=_counted(cell[sure], groups * modes).reshape(groups, modes),
        failed=_counted(index[~classified], groups),
        missing=_counted(gone, groups),
    )


def _without_holes(numbers: Ints, longest: int) -> Ints:
    """Adds what is missing between ascending numbers, except where more than that is missing at a stretch."""
    if not len(numbers):
        return numbers
    ends = np.flatnonzero(np.diff(numbers) > longest + 1)
    firsts, lasts = numbers[[0, *(ends + 1)]], numbers[[*ends, -1]]
    return np.concatenate([np.arange(first, last + 1) for first, last in zip(firsts, lasts, strict=True)])


def find_transitions(series: ModeSeries, cadence: timedelta) -> Transitions:
    """Counts from which mode to which the weather went between consecutive frames.

    Args:
        series: In the order of time, see `without_repeats`.
        cadence: Between frames; pairs more than one and a half of it apart do not count.
    """
    modes = len(series.codes)
    seconds = series.times.astype("datetime64[s]").astype(np.int64)
    near = np.diff(seconds) <= 1.5 * cadence.total_seconds()
    pairs = near & (series.modes[1:] >= 0) & (series.modes[:-1] >= 0)
    cell = series.modes[:-1][pairs] * modes + series.modes[1:][pairs]
    return Transitions(_counted(cell, modes * modes).reshape(modes, modes), int((~pairs).sum()))


def _counted(index: Ints, size: int) -> Ints:
    return np.bincount(index, minlength=size).astype(np.int64)


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    top, bottom = np.broadcast_arrays(part.astype(np.float64), whole.astype(np.float64))
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom > 0)
    return quotient
