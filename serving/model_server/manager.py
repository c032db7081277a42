"""Keeps the newest version of a model loaded: watches its folder, loads, warms up, hands over, unloads.

The new version answers before the old one goes, so a change costs no request, and memory for two for a moment.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from serving.model_server.errors import ServableError, StartError
from serving.model_server.flags import Settings
from serving.model_server.servable import Servable
from serving.model_server.versions import Stamp, is_complete, stamp_of, version_folders
from serving.model_server.warmup import warm_up
from serving.protocol import wire

_log = logging.getLogger(__name__)
_COMPLAIN_EVERY = 30.0


@dataclass(slots=True, eq=False)
class _Version:
    number: int
    state: int = wire.State.START
    error: ServableError | None = None
    servable: Servable | None = None
    leases: int = 0
    attempts: int = 0
    retry_at: float = 0.0
    stamp: Stamp = ()


class VersionManager:
    """The versions of one model; `poll` changes them, every other method may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._versions: dict[int, _Version] = {}
        self._served = False
        self._failure: StartError | None = None
        self._complaint = ""
        self._complained_at = -_COMPLAIN_EVERY
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)

    def start(self) -> None:
        """Begins to watch the base path."""
        self._thread.start()

    def stop(self) -> None:
        """Ends watching, without waiting for a load in progress, which cannot be interrupted."""
        self._stopped.set()

    def join(self, timeout: float) -> bool:
        """Waits for the watching to end; tells whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def is_ready(self) -> bool:
        """Tells whether a version is, or has been, available.

        Raises:
            StartError: if the first one failed for good.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            return self._served

    def available(self) -> list[int]:
        """Lists the versions that answer, the newest first."""
        with self._lock:
            return sorted((entry.number for entry in self._available()), reverse=True)

    @contextmanager
    def lease(self, spec: wire.ModelSpec) -> Iterator[Servable]:
        """Gives the version a ModelSpec stands for, and keeps it loaded until the block ends.

        Raises:
            ServableError: if it names no version that is available.
        """
        with self._lock:
            version = self._find(spec)
            version.leases += 1
        try:
            if version.servable is None:
                raise ServableError(grpc.StatusCode.INTERNAL, "an available version has no model")
            yield version.servable
        finally:
            with self._lock:
                version.leases -= 1
                idle = self._take_idle(version)
            _close(idle)

    def status(self, spec: wire.ModelSpec) -> wire.GetModelStatusResponse:
        """Answers GetModelStatus.

        Raises:
            ServableError: if there is no such model or version.
        """
        _check_named(spec)
        response = wire.GetModelStatusResponse()
        asked = spec.version.value if spec.HasField("version") else None
        with self._lock:
            for number, version in sorted(self._versions.items(), reverse=True):
                if spec.name != self._settings.model_name or asked not in (None, number):
                    continue
                entry = response.model_version_status.add(version=number, state=version.state)
                entry.status.SetInParent()
                if version.error is not None:
                    entry.status.error_code = version.error.code.value[0]
                    entry.status.error_message = version.error.message
        if not response.model_version_status:
            what = "any versions" if asked is None else f"version {asked}"
            raise ServableError(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {spec.name}")
        return response

    def poll(self) -> None:
        """Looks at the base path once and brings the loaded versions in line with it."""
        base_path, name = self._settings.model_base_path, self._settings.model_name
        try:
            folders = version_folders(base_path)
            complete = [number for number, folder in folders.items() if is_complete(folder)]
        except OSError as error:
            # A share that is away for a moment must not take the model down with it.
            self._complain(f"Could not find base path {base_path} for servable {name} ({error.strerror})")
            return
        if not folders:
            self._complain(
                f"No versions of servable {name} found under base path {base_path}. Did you forget to name your leaf "
                f"directory as a number (eg. '/1/')?{_hint(base_path)}"
            )
        elif not complete:
            newest = folders[max(folders)]
            self._complain(f"{newest} is not a complete SavedModel yet; waiting for the rest of its files")
        newest_number = max(complete, default=None)
        if newest_number is None or self._bring_up(newest_number, folders[newest_number]):
            self._retire_all_but(newest_number)

    def _watch(self) -> None:
        wait = self._settings.file_system_poll_wait_seconds
        while not self._stopped.is_set():
            try:
                self.poll()
            except Exception:  # a folder that changes under our hands; the next look sees it whole
                _log.exception("cannot look after the versions of %s", self._settings.model_name)
            with self._lock:
                retries = [entry.retry_at for entry in self._versions.values() if entry.retry_at]
            if not wait and not retries:
                self._end_watch()
                return
            pauses = [max(0.0, at - time.monotonic()) for at in retries] + ([float(wait)] if wait else [])
            self._stopped.wait(min(pauses))

    def _end_watch(self) -> None:
        with self._lock:
            if not self._served and self._failure is None:
                self._failure = StartError(
                    f"{self._complaint}. With --file_system_poll_wait_seconds=0 nobody looks again"
                )

    def _bring_up(self, number: int, folder: Path) -> bool:
        """Makes a version available if it is not; tells whether it is."""
        stamp = stamp_of(folder)
        with self._lock:
            version = self._versions.setdefault(number, _Version(number))
            if version.state == wire.State.AVAILABLE:
                return True
            if version.state == wire.State.END and version.error is not None and version.stamp == stamp:
                return False
            if version.stamp != stamp:  # new, or other files than those that failed
                version.attempts, version.retry_at, version.stamp = 0, 0.0, stamp
            if version.retry_at > time.monotonic():
                return False
            version.state, version.error = wire.State.LOADING, None
        try:
            servable = self._load(number, folder)
        except ServableError as error:
            self._note_failure(version, error)
            return False
        with self._lock:
            version.servable, version.state, version.retry_at = servable, wire.State.AVAILABLE, 0.0
            self._served = True
        return True

    def _load(self, number: int, folder: Path) -> Servable:
        started = time.monotonic()
        servable = Servable.load(
            folder,
            self._settings.model_name,
            number,
            intra_op_threads=self._settings.intra_op_threads,
            inter_op_threads=self._settings.inter_op_threads,
        )
        warmed = 0
        if self._settings.enable_model_warmup:
            try:
                warmed = warm_up(servable, folder)
            except ServableError:
                servable.close()
                raise
        _log.info(
            *("loaded %s version %d in %.1f s", servable.name, number, time.monotonic() - started),
        )
        if warmed:
            _log.info("warmed %s version %d with %d requests", servable.name, number, warmed)
        return servable

    def _note_failure(self, version: _Version, error: ServableError) -> None:
        settings = self._settings
        with self._lock:
            version.error = error
            version.attempts += 1
            if version.attempts <= settings.max_num_load_retries:
                version.retry_at = time.monotonic() + settings.load_retry_interval_micros / 1e6
            else:
                version.retry_at, version.state = 0.0, wire.State.END
                if not self._served:
                    self._failure = StartError(
                        f"1 servable(s) did not become available: {{{{name: {settings.model_name} version: "
                        f"{version.number}}} due to error: {error.code.name}: {error.message}}}"
                    )
        _log.error(
            "cannot load %s version %d (try %d of %d): %s",
            *(settings.model_name, version.number, version.attempts, settings.max_num_load_retries + 1, error),
        )

    def _retire_all_but(self, number: int | None) -> None:
        idle = []
        with self._lock:
            for version in self._versions.values():
                if version.number == number:
                    continue
                version.retry_at = 0.0
                if version.state == wire.State.AVAILABLE:
                    version.state = wire.State.UNLOADING
                    idle.append(self._take_idle(version))
        for servable in idle:
            _close(servable)

    def _take_idle(self, version: _Version) -> Servable | None:
        """Ends a version on its way out once nobody runs it; gives what is left to close."""
        if version.state != wire.State.UNLOADING or version.leases:
            return None
        servable, version.servable, version.state = version.servable, None, wire.State.END
        return servable

    def _available(self) -> list[_Version]:
        return [entry for entry in self._versions.values() if entry.state == wire.State.AVAILABLE]

    def _find(self, spec: wire.ModelSpec) -> _Version:
        _check_named(spec)
        if spec.HasField("version_label"):
            raise ServableError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        candidates = {entry.number: entry for entry in self._available()}
        if spec.name != self._settings.model_name:
            candidates = {}
        if spec.HasField("version"):
            number, what = spec.version.value, f"Specific({spec.name}, {spec.version.value})"
        else:
            number, what = max(candidates, default=-1), f"Latest({spec.name})"
        if number not in candidates:
            raise ServableError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {what}")
        return candidates[number]

    def _complain(self, text: str) -> None:
        now = time.monotonic()
        if text != self._complaint or now - self._complained_at >= _COMPLAIN_EVERY:
            self._complaint, self._complained_at = text, now
            waiting = not self._served and self._settings.file_system_poll_wait_seconds
            _log.warning("%s%s", text, " (the port stays closed until there is a version)" if waiting else "")


def _check_named(spec: wire.ModelSpec) -> None:
    if not spec.name:
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")


def _close(servable: Servable | None) -> None:
    if servable is not None:
        servable.close()
        _log.info("unloaded %s version %d", servable.name, servable.version)


def _hint(base_path: Path) -> str:
    inside = [entry for entry in sorted(base_path.iterdir()) if entry.is_dir()]
    models = [str(entry) for entry in inside if version_folders(entry)]
    return f" These folders in it have some: {', '.join(models)}" if models else ""
