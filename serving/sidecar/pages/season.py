"""`/seasons/{season}`: a winter at a glance, and what its pictures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from radar.drift import find_calibration
from radar.event_statistics import EventRecord
from radar.season_statistics import SeasonStatistics
from radar.seasons import find_zone
from radar.statistics import to_local
from serving.sidecar.api.models import Version
from serving.sidecar.api.seasons import SeasonName
from serving.sidecar.pages import charts
from serving.sidecar.pages.heat_maps import find_heat_maps
from serving.sidecar.pages.language import Words
from serving.sidecar.pages.modes import Face, faces_of
from serving.sidecar.pages.rendering import PageRoute, clock_of, render, words_of
from serving.sidecar.pages.ribbon import cells_of
from serving.sidecar.pages.times import describe_hours
from serving.sidecar.pages.winters import count_winter
from serving.sidecar.services import Parts
from serving.sidecar.statistics import Counted, Labels
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.overview import count_modes
from serving.sidecar.store.seasons import find_series, list_series

router = APIRouter(route_class=PageRoute)

LISTED = 400  # events on the page; all of them are in the table to download
LINE = (720, 120)  # size of the drawing of a line


# A name may hold a slash, so this address comes before the one that any name fits.
@router.get("/seasons/{season:path}/ribbon.json")
def send_ribbon(
    request: Request, parts: Parts, season: SeasonName, version: Version = None, labels: Labels = "model"
) -> Response:
    """Sends the cells of the ribbon."""
    with parts.database.reading() as connection:
        series = find_series(connection, season, version)
        card = find_card(connection, series.model, series.version)
        cells = cells_of(count_winter(parts, connection, series, labels))
    faces = faces_of(series.codes, card, words_of(request).language).values()
    cells["faces"] = [{"code": face.code, "name": face.name, "color": face.color} for face in faces]
    return JSONResponse(cells)


@router.get("/seasons/{season:path}")
def show_season(
    request: Request, parts: Parts, season: SeasonName, version: Version = None, labels: Labels = "model"
) -> Response:
    """Shows everything that is counted of a season."""
    words, clock = words_of(request), clock_of(parts)
    with parts.database.reading() as connection:
        series = find_series(connection, season, version)
        versions = list_series(connection, season)
        card = find_card(connection, series.model, series.version)
        faces = list(faces_of(series.codes, card, words.language).values())
        overview = count_modes(connection, series)
        if overview.first is None or not series.codes:
            return render(request, "season_untimed.html", series=series, overview=overview, faces=faces)
        counted = count_winter(parts, connection, series, labels)
        as_modelled = count_winter(parts, connection, series)
        heat = find_heat_maps(connection, series)
    statistics = counted.statistics
    return render(
        request,
        "season.html",
        series=series,
        versions=versions,
        labels=labels,
        card=card,
        counted=counted,
        statistics=statistics,
        cadence=statistics.cadence / timedelta(minutes=1),
        overview=overview,
        reviewed=int((counted.reviewed >= 0).sum()),
        faces=faces,
        total=_bar(statistics),
        months=_columns(statistics.month.keys, statistics.month.shares, statistics.month.classified),
        hours=_columns(statistics.hour.keys, statistics.hour.shares, statistics.hour.classified),
        durations=_durations(statistics, faces, words),
        transitions=_transitions(statistics),
        events=_events(counted, faces, clock, words),
        event_count=len(statistics.events),
        gap=parts.settings.longest_gap_minutes,
        accepted=float(statistics.total.accepted.sum() / max(statistics.total.classified[0], 1)),
        drift=_drift(statistics),
        calibration=_calibration(as_modelled),
        line_size=LINE,
        heat=heat,
        describe_hours=lambda hours: describe_hours(words, hours),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A month or an hour: shares of the modes as a stack.

    Attributes:
        key: ``2015-12`` or ``18``.
        slices: Of a column of height 1.
        frames: Classified frames it stands on.
    """

    key: str
    slices: list[charts.Slice]
    frames: int


def _bar(statistics: SeasonStatistics) -> list[charts.Slice]:
    return charts.stack(statistics.total.shares[0].tolist(), 100)


def _columns(keys: tuple[str, ...], shares: np.ndarray[Any, Any], frames: np.ndarray[Any, Any]) -> list[Column]:
    return [
        Column(key, charts.stack(row, 100), count)
        for key, row, count in zip(keys, shares.tolist(), frames.tolist(), strict=True)
    ]


def _durations(statistics: SeasonStatistics, faces: list[Face], words: Words) -> dict[str, Any]:
    """Lays out the durations of events: from the 10th to the 90th percentile, the middle half, the median."""
    known = [one for one in statistics.durations if one.events]
    end = charts.ceiling(max((one.quantiles[-1] for one in known), default=1.0))
    rows = []
    for face, one in zip(faces, statistics.durations, strict=True):
        points = [] if not one.events else [round(hours / end * 100, 2) for hours in one.quantiles]
        texts = [describe_hours(words, hours) if one.events else "–" for hours in one.quantiles]
        longest = describe_hours(words, one.longest) if one.events else "–"
        rows.append({"face": face, "events": one.events, "points": points, "texts": texts, "longest": longest})
    ticks = [(100 * k / 4, describe_hours(words, end * k / 4)) for k in range(5)]
    return {"rows": rows, "ticks": ticks}


def _transitions(statistics: SeasonStatistics) -> list[list[dict[str, Any]]]:
    """Gives the changes from mode to mode; the diagonal, which persistence fills, is told apart."""
    found = statistics.transitions
    stays = found.shares
    changes = found.shares_of_changes
    return [
        [
            {
                "count": int(found.counts[a, b]),
                "share": float(stays[a, b] if a == b else changes[a, b]),
                "shade": 0 if a == b else charts.shade(float(changes[a, b])),
                "same": a == b,
            }
            for b in range(len(statistics.codes))
        ]
        for a in range(len(statistics.codes))
    ]


def _events(counted: Counted, faces: list[Face], clock: Any, words: Words) -> list[dict[str, Any]]:
    """Lists the longest events in the order of time, each with the frame of its peak."""
    events = counted.statistics.events
    longest = sorted(events, key=lambda one: one.event.duration, reverse=True)[:LISTED]
    rows = []
    for one in sorted(longest, key=lambda record: record.event.start):
        start, end = (round(moment.timestamp()) for moment in (one.event.start, one.event.end))
        rows.append(
            {
                "face": faces[one.event.mode],
                "start": start,
                "end": end,
                "same_day": clock.day(start) == clock.day(end),
                "duration": describe_hours(words, (end - start) / 3600),
                "frames": one.event.frames,
                "peak": one.peak,
                "frame_id": _frame_at_peak(counted, one),
            }
        )
    return rows


def _frame_at_peak(counted: Counted, one: EventRecord) -> int:
    place = np.searchsorted(counted.statistics.series.times, one.peak_time)
    return int(counted.frame_ids[place])


def _drift(statistics: SeasonStatistics) -> dict[str, Any]:
    """Gives, week by week, the mean of the largest probability and the share of frames the model was sure of."""
    series = statistics.series
    chosen = series.modes >= 0
    days = to_local(series.times[chosen], find_zone(statistics.zone)).astype("datetime64[D]").astype(np.int64)
    if not len(days):
        return {"weeks": [], "confidence": [], "accepted": []}
    weeks = (days - days.min()) // 7
    count = np.bincount(weeks)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(weeks, series.probabilities[chosen].max(axis=1)) / count
        accepted = np.bincount(weeks, series.accepted[chosen]) / count
    first = days.min() + 7 * np.arange(len(count))
    return {
        "weeks": first.astype("datetime64[D]").astype(str).tolist(),
        "frames": count.tolist(),
        "confidence": confidence.tolist(),
        "accepted": accepted.tolist(),
        "confidence_line": charts.line(confidence, *LINE),
        "accepted_line": charts.line(accepted, *LINE),
    }


def _calibration(counted: Counted) -> dict[str, Any]:
    """Tells how often the model was right where people looked, beside how sure it was."""
    found = find_calibration(counted.statistics.series, counted.reviewed)
    if found.accuracy is None:
        return {"frames": 0}
    right = found.accuracy
    return {
        "frames": found.frames,
        "events": found.events,
        "right": float(right.value),
        "low": float(right.low),
        "high": float(right.high),
        "said": found.confidence,
    }
