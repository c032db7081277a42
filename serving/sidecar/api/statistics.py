"""Statistics of seasons: JSON, tables as CSV, CF NetCDF, the ribbon as a picture, drift, winters side by side."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import cv2
from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy import Connection

from radar.drift import find_calibration, find_confidence
from radar.event_statistics import QUANTILES
from radar.ribbon import draw_ribbon
from radar.season_tables import as_csv, season_dict
from radar.seasons import find_zone
from radar.winters import compare_winters
from serving.sidecar.api.models import Model, Text, Version
from serving.sidecar.api.seasons import SeasonName
from serving.sidecar.api.statistics_json import comparison_dict, drift_dict
from serving.sidecar.api.statistics_models import Comparison, Drift, SeasonStatistics, Statistics
from serving.sidecar.errors import BadRequest, NotInstalled
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts, Services
from serving.sidecar.statistics import Counted, Labels, Options
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.seasons import find_series, list_seasons

router = APIRouter(tags=["statistics"])

MOST_SEASONS = 100
JSON, CSV, NETCDF, PNG = "application/json", "text/csv", "application/x-netcdf", "image/png"

Table = Literal["modes", "months", "days", "hours", "events", "transitions"]
Seasons = Annotated[
    list[Text] | None,
    Query(description="Names of seasons; may be repeated. All by default.", examples=[["hse20152016"]]),
]


def _options(
    zone: Annotated[Text, Query(description="Whose months, days and hours: UTC, JST or Asia/Tokyo.")] = "UTC",
    gap_minutes: Annotated[
        float | None, Query(gt=0, le=1440, description="Longest gap between two frames of one event.")
    ] = None,
    labels: Annotated[
        Labels, Query(description="`reviewed` counts what people say, where they said something.")
    ] = "model",
    *,
    parts: Parts,
) -> Options:
    find_zone(zone)
    minutes = parts.settings.longest_gap_minutes if gap_minutes is None else gap_minutes
    return Options(zone=zone, longest_gap=timedelta(minutes=minutes), labels=labels)


How = Annotated[Options, Depends(_options)]


def _content(kind: str, **schema: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "Done.", "content": {kind: {"schema": {"type": "string", **schema}}}}}


@router.get("/v1/statistics", response_model=Statistics, responses=describe(404, 503))
def get_statistics(
    parts: Parts, how: How, season: Seasons = None, version: Version = None, model: Model = None
) -> Response:
    """Counts seasons: frames, shares, mean probabilities and accepted shares by mode, month and hour; durations of
    events; transitions. Days and events are in the statistics of one season.
    """  # noqa: D205
    with parts.database.reading() as connection:
        found = _count(parts, connection, season, version, model, how)
    return _joined(one.summary for one in found)


@router.get("/v1/seasons/{season}/statistics", response_model=SeasonStatistics, responses=describe(404, 503))
def get_season_statistics(
    parts: Parts, how: How, season: SeasonName, version: Version = None, model: Model = None
) -> Response:
    """Counts one season, with its days and its events."""
    with parts.database.reading() as connection:
        (found,) = _count(parts, connection, [season], version, model, how)
    return _json(season_dict(found.statistics))


@router.get("/v1/statistics/{table}.csv", response_class=Response, responses={**_content(CSV), **describe(404, 503)})
def get_table(
    parts: Parts,
    how: How,
    table: Annotated[Table, Path(description="What a row is.")],
    season: Seasons = None,
    version: Version = None,
    model: Model = None,
) -> Response:
    """Gives a table of the statistics as CSV; the first column is the season."""
    with parts.database.reading() as connection:
        found = _count(parts, connection, season, version, model, how)
    text = as_csv([one.statistics for one in found], table)
    return Response(text, media_type=f"{CSV}; charset=utf-8", headers=_download(f"{table}.csv"))


@router.get(
    "/v1/seasons/{season}/statistics.nc",
    response_class=Response,
    responses={**_content(NETCDF, format="binary"), **describe(404, 501, 503)},
)
def get_netcdf(parts: Parts, how: How, season: SeasonName, version: Version = None, model: Model = None) -> Response:
    """Gives the statistics of a season as NetCDF after the CF conventions 1.8."""
    if importlib.util.find_spec("netCDF4") is None:
        raise NotInstalled("NetCDF needs netCDF4, which is not installed here: pip install 'snowmode[netcdf]'")
    from radar.season_netcdf import write_netcdf

    with parts.database.reading() as connection:
        (found,) = _count(parts, connection, [season], version, model, how)
    with tempfile.TemporaryDirectory(prefix="snowmode-") as folder:
        path = write_netcdf(found.statistics, FilePath(folder, "season.nc"), history="serving sidecar")
        content = path.read_bytes()
    return Response(content, media_type=NETCDF, headers=_download("season.nc"))


@router.get(
    "/v1/seasons/{season}/ribbon.png",
    response_class=Response,
    responses={**_content(PNG, format="binary"), **describe(404, 503)},
)
def get_ribbon(parts: Parts, how: How, season: SeasonName, version: Version = None, model: Model = None) -> Response:
    """Draws a season as a ribbon: a row a day, a cell a frame, coloured by mode."""
    with parts.database.reading() as connection:
        (found,) = _count(parts, connection, [season], version, model, how)
    counted = found.statistics
    picture = draw_ribbon(
        counted.series,
        counted.cadence,
        counted.colors,
        title=f"{counted.name}, model {counted.versions[0]}",
        zone=find_zone(how.zone),
        zone_name=how.zone,
    )
    _, data = cv2.imencode(".png", picture[..., ::-1])
    return Response(data.tobytes(), media_type=PNG)


@router.get("/v1/seasons/{season}/drift", response_model=Drift, responses=describe(404, 503))
def get_drift(parts: Parts, how: How, season: SeasonName, version: Version = None, model: Model = None) -> Response:
    """Tells whether a winter is what the model was made for: its confidence month by month beside that on its
    validation frames, and how right it is where people reviewed.
    """  # noqa: D205
    with parts.database.reading() as connection:
        series = find_series(connection, season, version, model)
        counted = parts.statistics.of(connection, series, Options(zone=how.zone))
        card = find_card(connection, series.model, series.version)
    found = counted.statistics.series
    confidence = find_confidence(found, zone=find_zone(how.zone))
    return _json(drift_dict(counted.statistics, confidence, find_calibration(found, counted.reviewed), card))


@router.get("/v1/comparison", response_model=Comparison, responses=describe(404, 503))
def compare(parts: Parts, how: How, season: Seasons = None, version: Version = None, model: Model = None) -> Response:
    """Sets winters side by side: shares of the modes with 95 % intervals by day, events, hours, months."""
    with parts.database.reading() as connection:
        found = _count(parts, connection, season, version, model, how)
    return _json(comparison_dict(compare_winters([one.statistics for one in found])))


def _count(
    parts: Services,
    connection: Connection,
    names: list[str] | None,
    version: int | None,
    model: str | None,
    how: Options,
) -> list[Counted]:
    if names is None:
        names = sorted(one.name for one in list_seasons(connection))
    names = list(dict.fromkeys(names))
    if len(names) > MOST_SEASONS:
        raise BadRequest(f"season: expected at most {MOST_SEASONS}, received {len(names)}; name those you want")
    return [parts.statistics.of(connection, find_series(connection, name, version, model), how) for name in names]


def _joined(summaries: Any) -> Response:
    quantiles = json.dumps(list(QUANTILES)).encode()
    return Response(b'{"quantiles":' + quantiles + b',"seasons":[' + b",".join(summaries) + b"]}", media_type=JSON)


def _json(content: Any) -> Response:
    return Response(json.dumps(content, ensure_ascii=False, allow_nan=False), media_type=JSON)


def _download(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
