"""What the sidecar tells Prometheus."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from serving.sidecar.errors import SidecarError
from serving.sidecar.operations.health import Health
from serving.sidecar.store.database import Database
from serving.sidecar.store.tables import frames, jobs, seasons

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

_log = logging.getLogger(__name__)


class Metrics:
    """The numbers of one application.

    Args:
        health: Whether parts answer.
        database: Asked for its frames and jobs when somebody wants to know.
    """

    def __init__(self, health: Health, database: Database) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._requests = Counter(
            "snowmode_sidecar_requests", "Requests", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "snowmode_sidecar_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=registry
        )
        self._running = Gauge("snowmode_sidecar_requests_running", "Requests being answered", registry=registry)
        self._recorded = Counter(
            "snowmode_sidecar_recorded_frames", "Predictions received", ["outcome"], registry=registry
        )
        for outcome in ("new", "replaced", "unchanged"):
            self._recorded.labels(outcome)
        information = Gauge("snowmode_sidecar_info", "Always 1", ["version"], registry=registry)
        information.labels(version("snowmode")).set(1)
        ProcessCollector(registry=registry)
        registry.register(_Parts(health, database))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts a request as being answered."""
        with self._running.track_inprogress():
            yield

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request that is done."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def recorded(self, *, new: int, replaced: int, unchanged: int) -> None:
        """Counts predictions that were received."""
        for outcome, count in (("new", new), ("replaced", replaced), ("unchanged", unchanged)):
            self._recorded.labels(outcome).inc(count)

    def write(self) -> bytes:
        """Writes them in Prometheus' text format."""
        return generate_latest(self.registry)


class _Parts(Collector):
    """Asks when it is asked."""

    def __init__(self, health: Health, database: Database) -> None:
        self._health, self._database = health, database

    def describe(self) -> Iterable[Metric]:
        """Says nothing: otherwise the parts would be asked at the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Asks the parts, and the database for its newest frames and its jobs."""
        found = self._health.check_parts()
        up = GaugeMetricFamily("snowmode_sidecar_up", "Whether a part answers: 1 or 0", labels=["part"])
        for part, reason in found.items():
            up.add_metric([part], float(reason is None))
        yield up
        pool = GaugeMetricFamily("snowmode_sidecar_database_connections", "Connections in use")
        pool.add_metric([], self._database.connections_in_use)
        yield pool
        if found["database"] is None:
            try:
                yield from self._stored()
            except (SidecarError, SQLAlchemyError) as error:  # it went away meanwhile; the rest still counts
                _log.warning("metrics: %s", error)

    def _stored(self) -> Iterator[Metric]:
        last = select(func.max(frames.c.time)).where(frames.c.season_id == seasons.c.id).scalar_subquery()
        with self._database.reading() as connection:
            newest = connection.execute(select(seasons.c.name, last)).all()
            states = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        times = GaugeMetricFamily(
            "snowmode_sidecar_newest_frame_timestamp_seconds",
            "Time of the newest frame of a season, Unix seconds",
            labels=["season"],
        )
        ages = GaugeMetricFamily(
            "snowmode_sidecar_newest_frame_age_seconds", "Age of the newest frame of a season", labels=["season"]
        )
        for season, moment in newest:
            if moment is not None:
                times.add_metric([season], float(moment))
                ages.add_metric([season], time.time() - moment)
        counts = GaugeMetricFamily("snowmode_sidecar_jobs", "Jobs by state", labels=["state"])
        for state, count in states:
            counts.add_metric([state], count)
        yield from (times, ages, counts)
