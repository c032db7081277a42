"""Seasonal statistics as tables and as what JSON knows.

| table | a row is |
|---|---|
| `modes` | a mode of a season: frames, shares, events, quantiles of duration in hours |
| `months`, `days` | a month or day of the zone |
| `hours` | an hour of the day, UTC and of the zone |
| `events` | an event |
| `transitions` | a mode after a mode |

Every row begins with the season, so that winters stand in one table. Shares and probabilities are from 0 to 1, empty
where there are no frames.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from math import isnan
from typing import Any, Final

import numpy as np

from radar.event_statistics import QUANTILES, EventRecord
from radar.events import as_datetimes
from radar.season_statistics import SeasonStatistics
from radar.seasons import format_utc
from radar.statistics import Table

Cells = list[Any]


def as_dict(seasons: Sequence[SeasonStatistics]) -> dict[str, Any]:
    """Gives everything as what JSON knows; None where a share or a duration does not exist."""
    return {"quantiles": list(QUANTILES), "seasons": [season_dict(season) for season in seasons]}


def season_dict(season: SeasonStatistics, *, whole: bool = True) -> dict[str, Any]:
    """Gives one season as what JSON knows.

    Args:
        season: It has at least one frame with a time.
        whole: Whether with its days and events, which are most of it.
    """
    total, (first, last) = season.total, season.span
    said = {
        "name": season.name,
        "versions": list(season.versions),
        "first": format_utc(first),
        "last": format_utc(last),
        "cadence_minutes": season.cadence / timedelta(minutes=1),
        "zone": season.zone,
        "classified": int(total.classified[0]),
        "failed": int(total.failed[0]),
        "missing": len(season.missing),
        "repeated": season.repeated,
        "untimed": season.untimed,
        "synthetic": season.synthetic,
        "modes": [
            {**_of_mode(total, 0, k), "code": code, "durations": _plain(asdict(season.durations[k]))}
            for k, code in enumerate(season.codes)
        ],
        "months": _groups_dict(season.month, season.codes),
        "hours": _groups_dict(season.hour, season.codes),
        "hours_utc": _groups_dict(season.hour_utc, season.codes),
        "transitions": {
            "codes": list(season.codes),
            "counts": season.transitions.counts.tolist(),
            "shares": _plain(season.transitions.shares.tolist()),
            "shares_of_changes": _plain(season.transitions.shares_of_changes.tolist()),
            "apart": season.transitions.apart,
        },
    }
    if whole:
        said["days"] = _groups_dict(season.day, season.codes)
        said["events"] = [dict(zip(EVENT_COLUMNS, _event(season, record), strict=True)) for record in season.events]
    return said


def _groups_dict(table: Table, codes: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "classified": int(table.classified[g]),
            "failed": int(table.failed[g]),
            "missing": int(table.missing[g]),
            "modes": {code: _of_mode(table, g, k) for k, code in enumerate(codes)},
        }
        for g, key in enumerate(table.keys)
    ]


def _of_mode(table: Table, g: int, k: int) -> dict[str, Any]:
    return {
        "frames": int(table.counts[g, k]),
        "share": _number(table.shares[g, k]),
        "mean_probability": _number(table.mean_probability[g, k]),
        "accepted_share": _number(table.accepted_share[g, k]),
    }


def _modes(season: SeasonStatistics) -> Iterator[Cells]:
    names = [f"hours_p{round(100 * q)}" for q in QUANTILES]
    yield ["mode", "frames", "share", "mean_p", "accepted", "events", "hours", *names, "hours_longest"]
    total = season.total
    for k, code in enumerate(season.codes):
        durations = season.durations[k]
        shares = (total.shares, total.mean_probability, total.accepted_share)
        hours = (durations.total, *durations.quantiles, durations.longest)
        yield [code, int(total.counts[0, k]), *(t[0, k] for t in shares), durations.events, *hours]


def _groups(season: SeasonStatistics, key: str, zone: str, table: Table, *, header: bool = True) -> Iterator[Cells]:
    of_modes = {
        "": table.counts,
        "share_": table.shares,
        "mean_p_": table.mean_probability,
        "accepted_": table.accepted_share,
    }
    if header:
        names = [f"{prefix}{code}" for prefix in of_modes for code in season.codes]
        yield ["zone", key, "classified", "failed", "missing", *names]
    for g, group in enumerate(table.keys):
        values = [value for of_mode in of_modes.values() for value in of_mode[g].tolist()]
        yield [zone, group, int(table.classified[g]), int(table.failed[g]), int(table.missing[g]), *values]


def _hours(season: SeasonStatistics) -> Iterator[Cells]:
    yield from _groups(season, "hour", "UTC", season.hour_utc)
    if season.zone != "UTC":
        yield from _groups(season, "hour", season.zone, season.hour, header=False)


EVENT_COLUMNS = ("mode", "start", "end", "hours", "frames", "peak_p", "peak_time", "mean_p", "accepted")


def _events(season: SeasonStatistics) -> Iterator[Cells]:
    yield list(EVENT_COLUMNS)
    for record in season.events:
        yield _event(season, record)


def _event(season: SeasonStatistics, record: EventRecord) -> Cells:
    event = record.event
    (peak_time,) = as_datetimes(np.array([record.peak_time]))
    times = [format_utc(time) for time in (event.start, event.end)]
    hours = round(event.duration / timedelta(hours=1), 4)
    sure = [round(value, 6) for value in (record.peak, record.mean, record.accepted)]
    return [season.codes[event.mode], *times, hours, event.frames, sure[0], format_utc(peak_time), *sure[1:]]


def _transitions(season: SeasonStatistics) -> Iterator[Cells]:
    yield ["from", "to", "pairs", "share", "share_of_changes"]
    found = season.transitions
    for i, earlier in enumerate(season.codes):
        for j, later in enumerate(season.codes):
            yield [earlier, later, int(found.counts[i, j]), found.shares[i, j], found.shares_of_changes[i, j]]


TABLES: Final[dict[str, Callable[[SeasonStatistics], Iterator[Cells]]]] = {
    "modes": _modes,
    "months": lambda season: _groups(season, "month", season.zone, season.month),
    "days": lambda season: _groups(season, "day", season.zone, season.day),
    "hours": _hours,
    "events": _events,
    "transitions": _transitions,
}
"""Tables by name; each gives a header and then rows."""


def as_csv(seasons: Sequence[SeasonStatistics], table: str) -> str:
    """Writes one of the `TABLES` of some seasons as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for n, season in enumerate(seasons):
        rows = TABLES[table](season)
        header = next(rows)
        if n == 0:
            writer.writerow(["season", *header])
        writer.writerows([[season.name, *map(_cell, row)] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    return ("" if isnan(value) else f"{value:.6g}") if isinstance(value, float) else value


def _number(value: Any) -> float | None:
    return None if isnan(value) else round(float(value), 6)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value
