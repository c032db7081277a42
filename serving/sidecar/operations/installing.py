"""Puts operations around an application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from serving.sidecar.operations import docs, probes, schema, sign_in
from serving.sidecar.operations.access import Access
from serving.sidecar.operations.bodies import Bodies, Drain
from serving.sidecar.operations.headers import Head, SecurityHeaders
from serving.sidecar.operations.rate import RateLimit
from serving.sidecar.operations.requests import Requests
from serving.sidecar.services import Services

_WORTH_COMPRESSING = 1000
_COMPRESSION = 5  # 9 takes three times as long for a hundredth less


def install(app: FastAPI, services: Services) -> None:
    """Adds probes, limits, access, logs and metrics; to be called once the other calls and pages are there."""
    for part in (probes, sign_in, docs):
        app.include_router(part.router)
    schema.install(app, tokens=bool(services.settings.tokens))
    settings = services.settings
    # From the inside out: what is added last is asked first.
    app.add_middleware(Bodies, settings=settings)
    app.add_middleware(Access, settings=settings)
    app.add_middleware(RateLimit, settings=settings)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING, compresslevel=_COMPRESSION)
    app.add_middleware(Head)
    app.add_middleware(Drain)
    app.add_middleware(Requests, metrics=services.metrics)
    app.add_middleware(SecurityHeaders)
