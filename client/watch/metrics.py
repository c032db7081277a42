"""What `client watch` tells Prometheus, and whether it lives.

/metrics    the numbers below
/healthz    200 while the loop turns, 503 if it has not for a while: for a liveness probe
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, make_wsgi_app

from client.errors import ConfigError
from client.watch.records import Recorded
from client.watch.state import WatchState
from radar.seasons import find_gaps

GAP_WINDOW = 300
"""Newest times among which missing frames are counted: a day and more of 5-minute frames."""

STUCK_SECONDS = 120.0

DISK_SECONDS = 10.0
"""Between two looks at how full the disks are."""

_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600)


class Metrics:
    """The numbers.

    Args:
        cadence: Time between frames, by which it tells which are missing; None if nobody knows it.
        spool_up: Tells whether the sidecar takes records; None without one.
        places: By name, the folders whose disks may become full.
        stuck_after: Seconds after which a loop that has not turned is stuck.
        clock: Monotonic seconds.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        cadence: timedelta | None,
        spool_up: Callable[[], bool] | None = None,
        *,
        places: Mapping[str, Path] | None = None,
        stuck_after: float = STUCK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._stuck_after, self._clock, self._wall_clock = stuck_after, clock, wall_clock
        self.registry = CollectorRegistry()
        self._cadence, self._spool_up = cadence, spool_up
        self._beat = self._clock()
        self._frames = Counter("snowmode_watch_frames", "Frames recorded", ["outcome"], registry=self.registry)
        for outcome in ("classified", "failed", "corrected"):
            self._frames.labels(outcome)
        self._seconds = Histogram(
            "snowmode_watch_frame_seconds",
            "Time from the first look at a file to its record",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._modes = Counter("snowmode_watch_modes", "Frames recorded by mode", ["mode"], registry=self.registry)
        self._waiting = self._gauge("waiting_files", "Files seen and not done")
        self._spooled = self._gauge("spooled_records", "Records the sidecar does not have yet")
        self._missing = self._gauge("missing_frames", f"Frames missing among the newest {GAP_WINDOW}")
        self._newest = self._gauge("newest_frame_timestamp_seconds", "Time of the newest frame, Unix seconds")
        self._age = self._gauge("newest_frame_age_seconds", "Age of the newest frame")
        self._age.set_function(self._age_now)
        self._last = self._gauge("last_frame_timestamp_seconds", "When a frame was last recorded, or since the start")
        self._last.set(self._wall_clock())  # otherwise the first minutes would look like an outage of 50 years
        self._places, self._disks_at = dict(places or {}), float("-inf")
        self._free = self._gauge("disk_free_bytes", "Free space where a place lies", "place")
        self._size = self._gauge("disk_size_bytes", "Size of the disk a place lies on", "place")
        self._certificates = self._gauge(
            "certificate_expiry_timestamp_seconds", "When the certificate a part shows ends, Unix seconds", "part"
        )
        self._up = Gauge("snowmode_watch_up", "Whether a part works: 1 or 0", ["part"], registry=self.registry)
        ProcessCollector(registry=self.registry)
        self._newest_time: float | None = None
        self._times_known = False

    def beat(self) -> None:
        """Says that the loop turns."""
        self._beat = self._clock()

    @property
    def alive(self) -> bool:
        """Whether the loop has turned lately."""
        return self._clock() - self._beat < self._stuck_after

    def count(self, frames: Sequence[Recorded], corrected: int, since: Iterable[float] = ()) -> None:
        """Counts recorded frames.

        Args:
            frames: The frames.
            corrected: How many of them had been recorded before.
            since: When the files were first seen, monotonic seconds.
        """
        now = self._clock()
        for seen in since:
            self._seconds.observe(now - seen)
        self._last.set(self._wall_clock())
        self._times_known = False
        failed = sum(1 for frame in frames if frame.row.error)
        self._frames.labels("failed").inc(failed)
        self._frames.labels("classified").inc(len(frames) - failed)
        self._frames.labels("corrected").inc(corrected)
        for frame in frames:
            if frame.row.label:
                self._modes.labels(frame.row.label).inc()

    def look(self, waiting: int, state: WatchState, trouble: Iterable[str]) -> None:
        """Takes over how things are after a round; raises sqlite3.Error if the state cannot be read."""
        self._waiting.set(waiting)
        down = set(trouble)
        for part in ("folder", "server", "state", "results"):
            self._up.labels(part).set(part not in down)
        if self._spool_up is not None:
            self._up.labels("sidecar").set(self._spool_up())
            self._spooled.set(state.unsent())
        self._look_at_disks()
        if self._times_known:
            return
        times = sorted(datetime.fromisoformat(text) for text in state.newest(GAP_WINDOW))
        if times:
            self._newest_time = times[-1].timestamp()
            self._newest.set(self._newest_time)
        if self._cadence is not None:
            self._missing.set(sum(gap.missing for gap in find_gaps(times, self._cadence)))
        self._times_known = True

    def certificate(self, part: str, expiry: float) -> None:
        """Says until when the certificate that a part shows is good, Unix seconds."""
        self._certificates.labels(part).set(expiry)

    def _look_at_disks(self) -> None:
        # In the loop and not for every question: a network volume that is away may hang, and the page must not.
        if self._clock() - self._disks_at < DISK_SECONDS:
            return
        self._disks_at = self._clock()
        for place, folder in self._places.items():
            with contextlib.suppress(OSError):
                usage = shutil.disk_usage(folder)
                self._free.labels(place).set(usage.free)
                self._size.labels(place).set(usage.total)

    def _age_now(self) -> float:
        # The wall clock, and only here: how old a frame is, is a question to it.
        return float("nan") if self._newest_time is None else self._wall_clock() - self._newest_time

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"snowmode_watch_{name}", text, labels, registry=self.registry)


def serve(metrics: Metrics, address: str, port: int) -> WSGIServer:
    """Serves `/metrics` and `/healthz` from a thread.

    Raises:
        ConfigError: The port cannot be had.
    """
    pages = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/healthz":
            start("200 OK" if metrics.alive else "503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"ok\n" if metrics.alive else b"the loop has not turned for a while\n"]
        result: Iterable[bytes] = pages(environ, start)
        return result

    try:
        server = make_server(address, port, answer, server_class=_Server, handler_class=_Silent)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--metrics-port {port}: cannot listen on {address}: {reason}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # Without the look-up of this machine's name, which waits for a name server that may be away.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Says nothing of callers that hang up."""


class _Silent(WSGIRequestHandler):
    timeout = 10.0  # a caller that asks nothing must not keep a thread

    def log_message(self, *_: object) -> None:
        """Leaves the log to what matters."""
