"""The application: the calls and pages put together. Who starts it is `serving.sidecar.command`."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from serving.sidecar import problems
from serving.sidecar.api import (
    cards,
    frames,
    heat_maps,
    jobs,
    model,
    pictures,
    predictions,
    reviews,
    season_heat_maps,
    seasons,
    statistics,
)
from serving.sidecar.operations import installing
from serving.sidecar.pages import site
from serving.sidecar.services import Services

_ABOUT = """
Explains every decision of a snowfall-mode model, and makes a winter of decisions into statistics.

Times are UTC, ISO 8601 with `Z`. Errors are problem details (RFC 9457): `detail` says what was expected, what was
received and what to do. 503 names the part that is away; ask again after `Retry-After` seconds.
"""


def create_app(services: Services) -> FastAPI:
    """Makes the application.

    Args:
        services: The parts; whoever made them closes them.
    """
    app = FastAPI(
        title="snowmode sidecar", version=version("snowmode"), description=_ABOUT, docs_url=None, redoc_url=None
    )
    app.state.services = services
    problems.install(app)
    for part in (
        predictions,
        frames,
        seasons,
        reviews,
        statistics,
        model,
        cards,
        pictures,
        heat_maps,
        season_heat_maps,
        jobs,
    ):
        app.include_router(part.router)
    site.install(app)
    installing.install(app, services)
    return app
