"""Statistics of seasons, kept in memory until something of the season changes.

A series and its season carry numbers that go up with every change. So what is kept is never out of date, whoever
wrote to the database, and a frame that comes in costs the counting of its own season alone.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
from sqlalchemy import Connection

from radar.modes import colors_for
from radar.season_statistics import SeasonStatistics, count_season
from radar.season_tables import season_dict
from radar.statistics import Ints, ModeSeries
from serving.protocol.contract import ModelCard
from serving.sidecar.errors import BadRequest
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.frames import read_series
from serving.sidecar.store.reviews import current_reviews
from serving.sidecar.store.seasons import Series, find_season

Labels = Literal["model", "reviewed"]

LARGEST = 3_000_000
"""Frames kept at the most; about 100 bytes each."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a season is counted.

    Attributes:
        zone: Whose months, days and hours: ``UTC``, ``JST`` or an IANA name.
        longest_gap: Between two frames of one event.
        labels: ``model`` counts what the model says; ``reviewed`` what people say where they said something.
    """

    zone: str = "UTC"
    longest_gap: timedelta = timedelta(minutes=30)
    labels: Labels = "model"


@dataclass(frozen=True, slots=True)
class Counted:
    """A season counted.

    Attributes:
        statistics: What was counted.
        frame_ids: Of the frames of `statistics.series`, shape (N,).
        reviewed: Index of the mode a person saw in each, or -1, shape (N,).
        summary: The statistics as JSON, without days and events.
    """

    statistics: SeasonStatistics
    frame_ids: Ints
    reviewed: Ints
    summary: bytes


class SeasonCache:
    """Counts seasons, each once.

    Example:
        >>> cache = SeasonCache()  # doctest: +SKIP
        >>> with database.reading() as connection:
        ...     counted = cache.of(connection, find_series(connection, "hse20152016"), Options(zone="JST"))
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._kept: OrderedDict[tuple[object, ...], Counted] = OrderedDict()
        self._lock = threading.Lock()
        self._counting: dict[int, threading.Lock] = {}

    def of(self, connection: Connection, series: Series, options: Options | None = None) -> Counted:
        """Gives the statistics of a series as the connection sees it.

        Raises:
            BadRequest: Not one frame of it has a time.
            SeasonError: The zone is unknown.
        """
        options = options or Options()
        season = find_season(connection, series.season)
        card = find_card(connection, series.model, series.version)
        key = (series.id, series.changes, season.changes, card is None, options)
        with self._lock:
            one_at_a_time = self._counting.setdefault(series.id, threading.Lock())
        with one_at_a_time:
            with self._lock:
                if found := self._kept.get(key):
                    self._kept.move_to_end(key)
                    return found
            counted = _count(connection, series, season.cadence, options, card)
            with self._lock:
                self._keep(key, counted)
        return counted

    def _keep(self, key: tuple[object, ...], counted: Counted) -> None:
        outdated = [one for one in self._kept if one[0] == key[0] and one[1:3] != key[1:3]]
        for one in outdated:
            del self._kept[one]
        self._kept[key] = counted
        while sum(len(one.frame_ids) for one in self._kept.values()) > self._largest and len(self._kept) > 1:
            self._kept.popitem(last=False)


def _count(
    connection: Connection, series: Series, cadence: timedelta | None, options: Options, card: ModelCard | None
) -> Counted:
    found, ids = read_series(connection, series)
    if np.isnat(found.times).all():
        raise BadRequest(
            f"Season {series.season!r}, version {series.version}: not one of {len(ids)} frames has a time, which "
            "statistics need; classify with --pattern, or with a season.toml in the folder, and record again"
        )
    reviewed = _reviewed(connection, series, ids)
    if options.labels == "reviewed":
        found = _as_reviewed(found, reviewed)
    colors = colors_for(series.codes)
    if card is not None:
        colors |= {mode.code: mode.color for mode in card.modes}
    statistics = count_season(
        series.season,
        found,
        versions=(series.version,),
        cadence=cadence,
        longest_gap=options.longest_gap,
        zone=options.zone,
        colors={code: colors[code] for code in series.codes},
        synthetic=card is not None and card.synthetic,
    )
    # The statistics sort by time and leave out what has none or stands twice, as `read_series` sorted already.
    known = np.flatnonzero(~np.isnat(found.times))
    first = np.ones(len(known), bool)
    first[1:] = found.times[known][1:] != found.times[known][:-1]
    kept = known[first]
    summary = json.dumps(season_dict(statistics, whole=False), ensure_ascii=False).encode()
    return Counted(statistics, ids[kept], reviewed[kept], summary)


def _reviewed(connection: Connection, series: Series, ids: Ints) -> Ints:
    places = {code: k for k, code in enumerate(series.codes)}
    said = {one.frame_id: places.get(one.mode, -1) for one in current_reviews(connection, series.season)}
    if not said:
        return np.full(len(ids), -1)
    return np.array([said.get(id_, -1) for id_ in ids.tolist()], np.int64)


def _as_reviewed(series: ModeSeries, reviewed: Ints) -> ModeSeries:
    chosen = reviewed >= 0
    modes, accepted = series.modes.copy(), series.accepted.copy()
    modes[chosen], accepted[chosen] = reviewed[chosen], True
    # A person is sure.
    probabilities = series.probabilities.copy()
    probabilities[chosen] = np.eye(len(series.codes))[reviewed[chosen]]
    return ModeSeries(series.codes, series.times, modes, probabilities, accepted)
