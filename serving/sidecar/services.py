"""The parts that a request needs, made once for all of them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from serving.sidecar.errors import Unavailable
from serving.sidecar.settings import Settings
from serving.sidecar.statistics import SeasonCache
from serving.sidecar.store.database import Database

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that requests share.

    Attributes:
        settings: As the sidecar was started with.
        database: Where everything is kept.
        statistics: Of seasons, kept until they change.
    """

    settings: Settings
    database: Database
    statistics: SeasonCache


@contextlib.contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Opens the parts, and closes them in the opposite order.

    A database or model server that is away is waited for by those who ask: the sidecar starts without them.

    Raises:
        SettingsError: The database cannot be used, and waiting will not help.
    """
    with contextlib.ExitStack() as stack:
        database = Database(settings.database.get_secret_value())
        stack.callback(database.close)
        try:
            database.upgrade()
        except Unavailable as error:
            _log.warning("%s: %s; starting without it", error.part, error)
        yield Services(settings=settings, database=database, statistics=SeasonCache())


def services_of(request: Request) -> Services:
    """Gives a request the parts it needs."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
"""An argument of a path function: ``parts: Parts``."""
