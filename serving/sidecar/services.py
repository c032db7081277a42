"""The parts that a request needs, made once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from serving.sidecar.settings import Settings
from serving.sidecar.store.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that requests share.

    Attributes:
        settings: As the sidecar was started with.
        database: Where everything is kept.
    """

    settings: Settings
    database: Database


def services_of(request: Request) -> Services:
    """Gives a request the parts it needs."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
"""An argument of a path function: ``parts: Parts``."""
