"""What the sidecar tells Prometheus."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, TextClause, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from serving.sidecar.errors import SidecarError
from serving.sidecar.mode_mix import ModeMix, Recent
from serving.sidecar.operations.health import Health
from serving.sidecar.store.database import Database
from serving.sidecar.store.tables import frames, jobs, seasons

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

_PERIOD: Final = ("season", "version", "period")

_log = logging.getLogger(__name__)


class Metrics:
    """The numbers of one application.

    Args:
        health: Whether parts answer.
        database: Asked for its frames and jobs when somebody wants to know.
        folders: By the name of a place, a folder on the disk that is looked at.
        mode_mix: Counts the last weeks.
    """

    def __init__(
        self,
        health: Health,
        database: Database,
        *,
        folders: Mapping[str, Path] | None = None,
        mode_mix: ModeMix | None = None,
    ) -> None:
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
        registry.register(_Parts(health, database, folders or {}, mode_mix or ModeMix()))

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

    def __init__(self, health: Health, database: Database, folders: Mapping[str, Path], mode_mix: ModeMix) -> None:
        self._health, self._database = health, database
        self._folders, self._mode_mix = folders, mode_mix

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
        # A disk that hangs would hang this page: what health says does not answer is not asked.
        away = {str(part) for part, reason in found.items() if reason is not None}
        yield from disk_space("snowmode_sidecar", {k: v for k, v in self._folders.items() if k not in away})
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
            mix = self._mode_mix.find(connection)
            size = int(connection.scalar(_size(connection)) or 0)
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
        yield GaugeMetricFamily("snowmode_sidecar_database_bytes", "Size of the database", value=size)
        if mix is not None:
            yield from _mode_mix(mix)


def _size(connection: Connection) -> TextClause:
    if connection.dialect.name == "sqlite":
        return text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return text("SELECT pg_database_size(current_database())")


def _mode_mix(found: Recent) -> Iterator[Metric]:
    name = "snowmode_sidecar"
    version_ = str(found.version)
    shares = GaugeMetricFamily(
        f"{name}_mode_share",
        "Share of a mode in the last 30 days, and in what they are held against",
        labels=[*_PERIOD, "mode"],
    )
    sure = GaugeMetricFamily(f"{name}_confidence", "Mean of the largest probability, likewise", labels=_PERIOD)
    accepted = GaugeMetricFamily(
        f"{name}_accepted_ratio", "Share of frames the model was sure of, likewise", labels=_PERIOD
    )
    for period, part in (("recent", found.recent), ("reference", found.reference)):
        if part is not None and part.mix.frames:
            for code, share in zip(found.codes, part.mix.shares.tolist(), strict=True):
                shares.add_metric([found.season, version_, period, code], share)
            sure.add_metric([found.season, version_, period], part.confidence)
            accepted.add_metric([found.season, version_, period], part.accepted)
    yield from (shares, sure, accepted)
    if found.shift is not None and found.kind is not None:
        labels = ["season", "version", "reference"]
        psi = GaugeMetricFamily(
            f"{name}_mode_mix_psi", "Population stability index of the modes of the last 30 days", labels=labels
        )
        chance = GaugeMetricFamily(
            f"{name}_mode_mix_psi_by_chance", "What weather alone exceeds once in 1000 times", labels=labels
        )
        psi.add_metric([found.season, version_, found.kind], found.shift.psi)
        chance.add_metric([found.season, version_, found.kind], found.shift.by_chance)
        yield from (psi, chance)


def disk_space(prefix: str, folders: Mapping[str, Path]) -> Iterator[Metric]:
    """Tells how full the disks are that folders lie on; a folder that is away is left out."""
    free = GaugeMetricFamily(f"{prefix}_disk_free_bytes", "Free space where a place lies", labels=["place"])
    size = GaugeMetricFamily(f"{prefix}_disk_size_bytes", "Size of the disk a place lies on", labels=["place"])
    for place, folder in folders.items():
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            free.add_metric([place], usage.free)
            size.add_metric([place], usage.total)
    yield from (free, size)
