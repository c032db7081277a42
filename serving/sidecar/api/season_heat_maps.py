"""`GET /v1/seasons/{season}/heat-maps`: what the heat maps of a season have in common."""

from __future__ import annotations

import importlib.util
import io
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from radar.frame_pictures import encode_png
from radar.heat_map_means import Condition, Stream, draw_sheet
from radar.heat_map_pictures import ModeFace
from radar.heat_maps import FEW
from radar.modes import colors_for
from serving.sidecar.api.models import Model, Version
from serving.sidecar.api.seasons import SeasonName
from serving.sidecar.errors import BadRequest, NotInstalled
from serving.sidecar.explain import Method
from serving.sidecar.heat_map_season import By, Coverage, Group, cover, gather
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.seasons import Series, find_series

router = APIRouter(tags=["explanations"])

Form = Literal["json", "npz", "png", "nc"]


class ModeField(BaseModel):
    """The heat maps of one mode."""

    n: int = Field(description="Maps in the mean.", examples=[1520])
    few: bool = Field(description=f"Fewer than {FEW}: the mean says little.", examples=[False])
    empty: int = Field(description="Maps that are zero everywhere; in the unit-peak stream they are left out.")
    mean: list[list[float]] | None = Field(description="A list of rows, the top one first; null without maps.")
    std: list[list[float]] | None = Field(description="Standard deviation, ddof 0, likewise.")
    echo: list[list[float]] | None = Field(
        description="Share of frames with echo, on a grid of its own; null unless `echo=true`."
    )


class GroupAnswer(BaseModel):
    """A season, or a month."""

    name: str = Field(examples=["2015-12"])
    first: date | None = Field(description="First day with sums, UTC.", examples=["2015-12-01"])
    last: date | None = Field(description="Last day with sums, UTC.", examples=["2015-12-31"])
    days: int = Field(examples=[31])
    modes: dict[str, ModeField]


class SeasonHeatMaps(BaseModel):
    """Means and standard deviations of heat maps."""

    season: str = Field(examples=["hse20152016"])
    model: str = Field(examples=["snowmode"])
    version: int = Field(examples=[202611211200])
    method: Method
    condition: Condition
    stream: Stream
    unit: str = Field(description="Of mean and standard deviation.", examples=["logit"])
    frames: int = Field(description="That are in the sums.", examples=[21860])
    failed: int = Field(description="Frames that could not be used.", examples=[6])
    pending: int = Field(description="Frames that came or changed since the sums were made; run the job again.")
    groups: list[GroupAnswer]


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "In the form asked for.",
        "model": SeasonHeatMaps,
        "content": {"image/png": _BINARY, "application/zip": _BINARY, "application/x-netcdf": _BINARY},
    }
}
_MEDIA_TYPES = {"png": "image/png", "npz": "application/zip", "nc": "application/x-netcdf"}


@router.get(
    "/v1/seasons/{season}/heat-maps", response_class=Response, responses={**_ANSWERS, **describe(404, 429, 501, 503)}
)
def get_season_heat_maps(
    parts: Parts,
    season: SeasonName,
    version: Version = None,
    model: Model = None,
    first: Annotated[date | None, Query(alias="from", description="First day, UTC.", examples=["2015-12-01"])] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day, UTC.", examples=["2015-12-31"])] = None,
    by: Annotated[By, Query(description="Months are those of UTC.")] = "season",
    condition: Annotated[
        Condition, Query(description="Maps of all frames, or of those predicted to be of the mode.")
    ] = "predicted",
    stream: Annotated[
        Stream, Query(description="In logit units; or each map divided by its own peak, empty ones left out.")
    ] = "raw",
    method: Annotated[Method, Query(description="Kind of heat map.")] = "gradcam",
    form: Annotated[
        Form, Query(alias="as", description="`npz` and `nc` hold both conditions and both streams.")
    ] = "json",
    echo: Annotated[bool, Query(description="Whether JSON carries the mean echo; the other forms do.")] = False,
) -> Response:
    """Gives mean and standard deviation of heat maps, with n and the mean echo beside them.

    They are put together from sums of days, which a job of the kind `heat_maps` makes; the model is not asked.
    """
    if first is not None and last is not None and last < first:
        raise BadRequest(f"from, to: expected the first day before the last, received {first} and {last}")
    if form == "nc" and importlib.util.find_spec("netCDF4") is None:
        raise NotInstalled("NetCDF needs netCDF4, which is not installed here: pip install 'snowmode[netcdf]'")
    with parts.database.reading() as connection:
        series = find_series(connection, season, version, model)
        groups = gather(connection, series, method, first=first, last=last, by=by, echo=echo or form != "json")
        coverage = cover(connection, series, method, first=first, last=last)
        look = _Look.of(connection, series, groups)
    if form == "json":
        answer = _answer(series, groups, coverage, look, (method, condition, stream))
        return Response(answer.model_dump_json(), media_type="application/json")
    if form == "png":
        content = _sheets(series, groups, coverage, look, method, condition, stream)
    else:
        content = _npz(series, groups, look, method) if form == "npz" else _netcdf(series, groups, look, method)
    headers = {} if form == "png" else {"Content-Disposition": f'attachment; filename="heat_maps_{method}.{form}"'}
    return Response(content, media_type=_MEDIA_TYPES[form], headers=headers)


class _Look:
    """How modes are written and drawn: as the card of the model says, if it is known."""

    def __init__(self, faces: Sequence[ModeFace], synthetic: bool) -> None:
        self.faces, self.synthetic = faces, synthetic
        self.codes = [face.code for face in faces]

    @classmethod
    def of(cls, connection: Connection, series: Series, groups: Sequence[Group]) -> _Look:
        card = find_card(connection, series.model, series.version)
        if card is not None and len(card.modes) == groups[0].means.shape[0]:
            return cls([ModeFace(mode.code, mode.color) for mode in card.modes], card.synthetic)
        colors = colors_for(series.codes)
        return cls([ModeFace(code, colors[code]) for code in series.codes], False)


def _answer(
    series: Series,
    groups: Sequence[Group],
    coverage: Coverage,
    look: _Look,
    which: tuple[Method, Condition, Stream],
) -> SeasonHeatMaps:
    method, condition, stream = which
    answers = []
    for group in groups:
        moments, echo = group.means.moments(condition, stream), group.means.echo_share(condition)
        modes = {}
        for k, code in enumerate(look.codes):
            n = int(moments.count[k])
            modes[code] = ModeField(
                n=n,
                few=n < FEW,
                empty=int(group.means.conditions[condition].empty[k]),
                mean=_rows(moments.mean[k]) if n else None,
                std=_rows(moments.std[k]) if n else None,
                echo=None if echo is None or np.isnan(echo[k]).any() else _rows(echo[k], 4),
            )
        answers.append(GroupAnswer(name=group.name, first=group.first, last=group.last, days=group.days, modes=modes))
    return SeasonHeatMaps(
        season=series.season,
        model=series.model,
        version=series.version,
        method=method,
        condition=condition,
        stream=stream,
        unit="logit" if stream == "raw" else "1",
        frames=coverage.summed,
        failed=coverage.failed,
        pending=coverage.pending,
        groups=answers,
    )


def _sheets(
    series: Series,
    groups: Sequence[Group],
    coverage: Coverage,
    look: _Look,
    method: Method,
    condition: Condition,
    stream: Stream,
) -> bytes:
    """Draws a sheet a group, one below the other."""
    sheets = []
    for group in groups:
        name = series.season if group.name == series.season else f"{series.season} {group.name}"
        if group.first is not None and group.name == series.season:
            name += f", {group.first} to {group.last} UTC"
        if coverage.pending:
            name += f" ({coverage.pending:,} frames are still to come)"
        sheets.append(
            draw_sheet(
                group.means,
                condition,
                stream,
                look.faces,
                title=name,
                method=method,
                version=series.version,
                synthetic=look.synthetic,
            )
        )
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=255) for one in sheets]
    return encode_png(np.concatenate(padded))


def _npz(series: Series, groups: Sequence[Group], look: _Look, method: Method) -> bytes:
    arrays: dict[str, Any] = {
        "codes": np.array(look.codes),
        "version": np.array(series.version),
        "method": np.array(method),
        "groups": np.array([group.name for group in groups]),
    }
    of_groups = [group.means.arrays() for group in groups]
    for name in of_groups[0]:
        fields = [one[name] for one in of_groups if name in one]
        if name == "ddof":
            arrays[name] = fields[0]
        elif len({field.shape for field in fields}) == 1 and len(fields) == len(groups):
            arrays[name] = np.stack(fields)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _netcdf(series: Series, groups: Sequence[Group], look: _Look, method: Method) -> bytes:
    from radar.heat_map_netcdf import Period, write_means

    with tempfile.TemporaryDirectory(prefix="snowmode-") as folder:
        path = write_means(
            FilePath(folder, "heat_maps.nc"),
            [Period(group.name, group.first, group.last, group.means) for group in groups],
            look.codes,
            title=f"Heat maps of {series.season}",
            method=method,
            version=series.version,
            synthetic=look.synthetic,
            history="serving sidecar",
        )
        return path.read_bytes()


def _rows(field: np.ndarray, digits: int = 7) -> list[list[float]]:
    return [[float(f"{value:.{digits}g}") for value in row] for row in field]
