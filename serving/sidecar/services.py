"""The parts that a request needs, made once for all of them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from radar import jma
from serving.sidecar.archive import Archive
from serving.sidecar.errors import SettingsError, Unavailable
from serving.sidecar.heat_map_job import KIND as HEAT_MAPS
from serving.sidecar.heat_map_job import HeatMapJob
from serving.sidecar.jobs import Jobs
from serving.sidecar.model_server import ModelServer
from serving.sidecar.operations.health import Health, open_health
from serving.sidecar.operations.metrics import Metrics
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
        health: Whether the parts beside this process answer.
        metrics: What Prometheus is told.
        archive: Where frames lie.
        model_server: Who explains them.
        jobs: Long work; only looked after where anybody may write.
    """

    settings: Settings
    database: Database
    statistics: SeasonCache
    health: Health
    metrics: Metrics
    archive: Archive
    model_server: ModelServer
    jobs: Jobs


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
            if database.is_sqlite:  # a file does not come back by itself
                raise SettingsError(f"--database: {error}") from error
            _log.warning("%s: %s; starting without it", error.part, error)
        health = open_health(settings, database)
        stack.callback(health.close)
        model_server = ModelServer(settings, database)
        stack.callback(model_server.close)
        model_server.start()
        window = jma.Window.parse(settings.window)
        archive = Archive(settings.archive, max_pixels=settings.max_pixels, window=window)
        kinds = {HEAT_MAPS: HeatMapJob(database, archive, model_server)}
        jobs = Jobs(database, kinds, threads=settings.job_threads)
        if not settings.read_only:
            jobs.start()
            stack.callback(jobs.stop)
        yield Services(
            settings=settings,
            database=database,
            statistics=SeasonCache(),
            health=health,
            metrics=Metrics(health, database, folders=_folders(settings, database)),
            archive=archive,
            model_server=model_server,
            jobs=jobs,
        )


def _folders(settings: Settings, database: Database) -> dict[str, Path]:
    """Gives the folders whose disks may become full. PostgreSQL's is not seen from here."""
    found = {"database": database.file and database.file.absolute().parent, "archive": settings.archive}
    return {place: folder for place, folder in found.items() if folder is not None}


def services_of(request: Request) -> Services:
    """Gives a request the parts it needs."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
"""An argument of a path function: ``parts: Parts``."""
