"""`/heat-maps`: what the heat maps of a winter have in common, and the job that sums them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from radar.heat_map_means import Condition, Stream
from serving.sidecar.api import jobs
from serving.sidecar.api.models import Text, Version
from serving.sidecar.errors import BadRequest
from serving.sidecar.explain import Method
from serving.sidecar.heat_map_season import By, Coverage, cover
from serving.sidecar.pages.forms import FORM, read_form
from serving.sidecar.pages.parts import troubles_of
from serving.sidecar.pages.rendering import PageRoute, link, render, words_of
from serving.sidecar.pages.times import describe_hours
from serving.sidecar.services import Parts, Services
from serving.sidecar.store.jobs import GOING_ON, Job, list_jobs
from serving.sidecar.store.seasons import Series, find_series, list_series

router = APIRouter(route_class=PageRoute)

KIND = "heat_maps"
LATEST = 200  # jobs among which the season's own is looked for


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """What there is of a season's heat maps.

    Attributes:
        series: Of which season and version.
        method: Kind of heat map.
        condition: Over which frames.
        stream: Values as they are, or each map to its own peak.
        by: Whether together or month by month.
        coverage: How many frames are in the sums.
        job: The newest job that sums them up, or None.
    """

    series: Series
    method: Method
    condition: Condition
    stream: Stream
    by: By
    coverage: Coverage
    job: Job | None

    @property
    def is_going_on(self) -> bool:
        """Whether the job has not ended."""
        return self.job is not None and self.job.state in (*GOING_ON, "cancelling")

    @property
    def seconds_left(self) -> float | None:
        """At the present rate."""
        job = self.job
        return (job.total - job.done) / job.rate if job is not None and job.rate and job.total else None

    @property
    def page(self) -> str:
        """Address of the page that shows the same."""
        return link("/heat-maps", season=self.series.season, **self._which, **self._choice)

    @property
    def sheet(self) -> str:
        """Address of the picture; it changes with what is in it."""
        return self._address(**self._choice, **{"as": "png", "sums": self.coverage.summed})

    def numbers(self, form: str) -> str:
        """Address of the numbers, as ``npz``, ``nc`` or ``json``."""
        return self._address(**(self._choice if form == "json" else {"by": self.by}), **{"as": form})

    @property
    def _which(self) -> dict[str, object]:
        return {"version": self.series.version, "method": self.method}

    @property
    def _choice(self) -> dict[str, object]:
        return {"condition": self.condition, "stream": self.stream, "by": self.by}

    def _address(self, **query: object) -> str:
        return link(f"/v1/seasons/{quote(self.series.season, safe='')}/heat-maps", **self._which, **query)


def find_heat_maps(
    connection: Connection,
    series: Series,
    method: Method = "gradcam",
    *,
    condition: Condition = "predicted",
    stream: Stream = "raw",
    by: By = "season",
) -> HeatMaps:
    """Finds what there is of a season's heat maps."""
    request = {"season": series.season, "model": series.model, "version": series.version, "method": method}
    newest = [job for job in list_jobs(connection, limit=LATEST) if job.kind == KIND and job.request == request]
    coverage = cover(connection, series, method)
    return HeatMaps(series, method, condition, stream, by, coverage, newest[0] if newest else None)


@router.get("/heat-maps")
def show_heat_maps(
    request: Request,
    parts: Parts,
    season: Text | None = None,
    version: Version = None,
    method: Method = "gradcam",
    condition: Condition = "predicted",
    stream: Stream = "raw",
    by: By = "season",
) -> Response:
    """Shows mean and standard deviation of a season's heat maps."""
    words = words_of(request)
    with parts.database.reading() as connection:
        known = list(dict.fromkeys(one.season for one in list_series(connection)))
        heat = None
        if season is not None or known:
            series = find_series(connection, season or known[0], version)
            heat = find_heat_maps(connection, series, method, condition=condition, stream=stream, by=by)
    return render(
        request,
        "heat_maps.html",
        heat=heat,
        troubles=troubles_of(parts, words),
        describe_hours=lambda hours: describe_hours(words, hours),
    )


@router.post("/heat-maps")
def steer_job(request: Request, parts: Parts, body: Annotated[bytes, Body(media_type=FORM)]) -> Response:
    """Asks for the sums, or stops and resumes the job that makes them."""
    form = read_form(body)
    do = form.get("do", "")
    if do == "start":
        job = _start(parts, form)
    elif do in ("cancel", "resume"):
        call = jobs.cancel_job if do == "cancel" else jobs.resume_job
        job = call(parts, form.get("job", "")[:36])
    else:
        raise BadRequest(f"do: expected start, cancel or resume, received {do[:100]!r}")
    here = {name: job.request.get(name) for name in ("season", "version", "method")}
    return RedirectResponse(link("/heat-maps", **here), 303)


def _start(parts: Services, form: dict[str, str]) -> jobs.Job:
    version = form.get("version", "")
    wanted = {
        "kind": KIND,
        "season": form.get("season", ""),
        "version": version or None,
        "method": form.get("method", ""),
    }
    try:
        return jobs.add_job(parts, jobs.Wanted.model_validate(wanted))
    except ValueError as error:
        raise BadRequest(f"Expected season, version and method, received {wanted}") from error
