"""Whether the modes of the last weeks come as often as they used to: counted now and then, for the metrics.

The last weeks are held against the same time of the year in other winters of the same model, or, as long as there are
too few, against the weeks before them. Both move with the weather; see `radar.drift` for how much of it is chance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from radar.drift import Mix, MixShift, compare_mixes, find_mix
from radar.statistics import Ints
from serving.sidecar.store.seasons import Series, list_series
from serving.sidecar.store.tables import predictions

RECENT_DAYS: Final = 30
"""A fortnight holds too little weather: its mix moves by itself more than a fault would move it."""

AROUND_DAYS: Final = 30
"""So much earlier and later in the year other winters count, too."""

BEFORE_DAYS: Final = 90
YEARS: Final = 30
FEWEST_BLOCKS: Final = 10.0
"""Of three days, see `radar.drift.BLOCK`: with less there is no reference."""

KEPT: Final = 600.0
"""Seconds for which what was counted holds."""

_DAY: Final = 86400
_YEAR: Final = 365.2425 * _DAY

Reference = Literal["winters", "before"]


@dataclass(frozen=True, slots=True)
class Part:
    """The frames of a time.

    Attributes:
        mix: Their modes.
        confidence: Mean of the largest probability; NaN without frames.
        accepted: Share of frames of which the model was sure enough; NaN likewise.
    """

    mix: Mix
    confidence: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Recent:
    """The last weeks of the season that goes on.

    Attributes:
        season: Its name.
        version: Of the model.
        codes: Of the modes.
        recent: The last weeks.
        reference: What they are held against; None if too little is recorded.
        kind: What that is.
        shift: How far the one lies from the other; None likewise.
    """

    season: str
    version: int
    codes: tuple[str, ...]
    recent: Part
    reference: Part | None = None
    kind: Reference | None = None
    shift: MixShift | None = None


@dataclass(slots=True)
class _Rows:
    """What is read of frames."""

    times: list[Ints] = field(default_factory=list)
    modes: list[Ints] = field(default_factory=list)
    confidence: list[NDArray[np.float64]] = field(default_factory=list)
    accepted: list[NDArray[np.bool_]] = field(default_factory=list)

    def part(self, codes: tuple[str, ...]) -> Part:
        times, modes = np.concatenate(self.times), np.concatenate(self.modes)
        if not len(times):
            return Part(find_mix(modes, times.astype("datetime64[s]"), len(codes)), float("nan"), float("nan"))
        return Part(
            mix=find_mix(modes, times.astype("datetime64[s]"), len(codes)),
            confidence=float(np.concatenate(self.confidence).mean()),
            accepted=float(np.concatenate(self.accepted).mean()),
        )


class ModeMix:
    """Counts the last weeks, at most once in a while.

    Args:
        kept: Seconds for which what was counted holds.
        clock: Unix seconds. A frame of the future does not move the last weeks there.
    """

    def __init__(self, *, kept: float = KEPT, clock: Callable[[], float] = time.time) -> None:
        self._kept, self._clock = kept, clock
        self._lock = threading.Lock()
        self._found: Recent | None = None
        self._until = -np.inf

    def find(self, connection: Connection) -> Recent | None:
        """Gives the last weeks of the season with the newest frame; None as long as no frame has a time."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = _count(connection, self._clock())
                self._until = time.monotonic() + self._kept
            return self._found


def _count(connection: Connection, now: float) -> Recent | None:
    latest = round(now) + _DAY
    known = [one for one in list_series(connection) if one.first is not None and one.first <= latest and one.codes]
    newest = {one.id: _newest(connection, one, latest) for one in known}
    if not known:
        return None
    current = max(known, key=lambda one: (newest[one.id], one.version))
    last = newest[current.id]
    since = last - RECENT_DAYS * _DAY
    recent = _read(connection, [(current, since, last)], current.codes)
    found = Recent(current.season, current.version, current.codes, recent)
    kinds: tuple[tuple[Reference, list[tuple[Series, int, int]]], ...] = (
        ("winters", list(_same_time_of_year(known, current, since, last))),
        ("before", [(current, since - BEFORE_DAYS * _DAY, since)]),
    )
    for kind, windows in kinds:
        reference = _read(connection, windows, current.codes)
        shift = compare_mixes(recent.mix, reference.mix)
        if shift is not None and reference.mix.blocks >= FEWEST_BLOCKS:
            return Recent(found.season, found.version, found.codes, recent, reference, kind, shift)
    return found


def _newest(connection: Connection, of: Series, latest: int) -> int:
    if of.last is not None and of.last <= latest:
        return of.last
    columns = predictions.c
    statement = select(func.max(columns.time)).where(columns.series_id == of.id, columns.time <= latest)
    return int(connection.scalar(statement) or 0)


def _same_time_of_year(
    known: Iterable[Series], current: Series, since: int, last: int
) -> Iterator[tuple[Series, int, int]]:
    """Gives the pieces of other years: of each season by the newest version that says something of it."""
    chosen: dict[str, Series] = {current.season: current}
    for one in known:  # the newest version first
        if one.model == current.model and set(one.codes) == set(current.codes):
            chosen.setdefault(one.season, one)
    for one in chosen.values():
        for years in range(1, YEARS + 1):
            begin = round(since - AROUND_DAYS * _DAY - years * _YEAR)
            end = round(last + AROUND_DAYS * _DAY - years * _YEAR)
            if one.first is not None and one.last is not None and one.first <= end and one.last > begin:
                yield one, begin, end


def _read(connection: Connection, windows: Iterable[tuple[Series, int, int]], codes: tuple[str, ...]) -> Part:
    """Reads the classified frames after the beginnings and up to the ends of windows."""
    empty = np.empty(0, np.int64)
    rows = _Rows([empty], [empty], [empty.astype(np.float64)], [empty.astype(bool)])
    columns = predictions.c
    for of, begin, end in windows:
        statement = select(columns.time, columns.mode, columns.confidence, columns.accepted).where(
            columns.series_id == of.id, columns.time > begin, columns.time <= end, columns.mode >= 0
        )
        found = connection.execute(statement).cursor.fetchall()
        if not found:
            continue
        times, modes, confidence, accepted = zip(*found, strict=True)
        places = np.array([codes.index(code) for code in of.codes], np.int64)  # another version may order them anew
        rows.times.append(np.array(times, np.int64))
        rows.modes.append(places[np.array(modes, np.int64)])
        rows.confidence.append(np.array(confidence, np.float64))
        rows.accepted.append(np.array(accepted, bool))
    return rows.part(codes)
