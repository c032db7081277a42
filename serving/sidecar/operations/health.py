"""Whether database, model server and archive answer. No probe waits for them longer than `PATIENCE`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from serving.protocol.errors import ServerUnavailable
from serving.protocol.inventory import AVAILABLE, Inventory
from serving.sidecar.errors import Part, Unavailable
from serving.sidecar.settings import Settings, read_tls_of
from serving.sidecar.store.database import Database

PATIENCE: Final = 2.0
"""Seconds a part may take to answer."""

KEPT: Final = 2.0
"""Seconds for which what was found holds."""


class Health:
    """Asks the parts, each in a thread of its own, and no part twice at a time.

    Args:
        checks: By part, what raises if it does not work.
        patience: Seconds a part may take.
        kept: Seconds for which what was found holds.
    """

    def __init__(
        self, checks: Mapping[Part, Callable[[], object]], *, patience: float = PATIENCE, kept: float = KEPT
    ) -> None:
        self._checks, self._patience, self._kept = checks, patience, kept
        self._threads = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="health")
        self._lock = threading.Lock()
        self._running: dict[Part, Future[object]] = {}
        self._found: dict[Part, tuple[str | None, float]] = {}

    def check_parts(self) -> dict[Part, str | None]:
        """Asks every part, or remembers.

        Returns:
            By part, why it is away; None if it is well.
        """
        with self._lock:
            now = time.monotonic()
            stale = [part for part in self._checks if now - self._found.get(part, (None, -1e9))[1] > self._kept]
            asked = {part: self._ask(part) for part in stale}
        wait(asked.values(), self._patience)
        late = f"does not answer within {self._patience:g} s"
        with self._lock:
            now = time.monotonic()
            for part, future in asked.items():
                done = future.done()
                self._found[part] = (_reason(future) if done else late, now)
                if done:
                    self._running.pop(part, None)
            return {part: self._found[part][0] for part in self._checks}

    def close(self) -> None:
        """Asks no more; what hangs is left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, part: Part) -> Future[object]:
        # One that hangs is waited for, not asked again: probes come for ever, threads do not.
        if part not in self._running:
            self._running[part] = self._threads.submit(self._checks[part])
        return self._running[part]


def _reason(future: Future[object]) -> str | None:
    error = future.exception()
    if error is None:
        return None
    return " ".join(str(error).split()) or type(error).__name__


def open_health(settings: Settings, database: Database) -> Health:
    """Makes the checks of the parts that settings name."""
    tls = read_tls_of(settings)

    def check_server() -> None:
        with Inventory(settings.server, tls=tls, timeout=PATIENCE) as inventory:
            try:
                versions = inventory.versions(settings.model)
            except ServerUnavailable as error:
                # The whole text says how to start one, which is for a person at a terminal.
                raise Unavailable("model server", str(error).splitlines()[0]) from error
        if not any(version.state == AVAILABLE for version in versions):
            raise Unavailable("model server", f"{settings.server} has no version of {settings.model!r} to answer")

    checks: dict[Part, Callable[[], object]] = {"database": database.check, "model server": check_server}
    if settings.archive is not None:
        archive = settings.archive

        def check_archive() -> None:
            try:
                with os.scandir(archive) as entries:
                    next(entries, None)
            except OSError as error:
                raise Unavailable("archive", f"{archive}: {error.strerror or error}") from error

        checks["archive"] = check_archive
    return Health(checks)
