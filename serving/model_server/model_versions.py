"""The versions of one model: which are loading, which answer, which are on their way out.

A new version answers before the old one goes, so a change costs no request, and memory for two for a moment.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.model_server import memory
from serving.model_server.errors import ServableError
from serving.model_server.flags import Settings
from serving.model_server.loading import Loader
from serving.model_server.model_config import ModelEntry
from serving.model_server.policies import Specific
from serving.model_server.predict import Answering
from serving.model_server.versions import Stamp, stamp_of, version_folders, what_is_missing
from serving.protocol import wire

_log = logging.getLogger(__name__)
COMPLAIN_EVERY = 30.0


@dataclass(slots=True, eq=False)
class Version:
    """One version; changed under the manager's lock only."""

    number: int
    state: int = wire.State.START
    error: ServableError | None = None
    servable: Answering | None = None
    leases: int = 0
    attempts: int = 0
    retry_at: float = 0.0
    stamp: Stamp = ()


class ModelVersions:
    """The versions of one model.

    `look` is called by one thread, without the lock. Every other method is called with it held.

    Attributes:
        entry: what the config asks for; None once it lists the model no more.
        by_number: every version there has ever been.
        complaint: why there is nothing to load, or "".
    """

    def __init__(self, name: str, settings: Settings, loader: Loader, changed: threading.Condition) -> None:
        self.name = name
        self.entry: ModelEntry | None = None
        self.by_number: dict[int, Version] = {}
        self.complaint = ""
        self._said, self._said_at = "", 0.0
        self._wanted: set[int] = set()
        self._settings = settings
        self._loader = loader
        self._changed = changed

    def available(self) -> list[int]:
        """Lists the versions that answer, the newest first."""
        return sorted(
            (number for number, version in self.by_number.items() if version.state == wire.State.AVAILABLE),
            reverse=True,
        )

    def failures(self) -> list[Version]:
        """Lists the versions that failed for good, if that is why none answers."""
        failed = [
            version
            for number, version in sorted(self.by_number.items())
            if number in self._wanted
            and version.state == wire.State.END
            and version.error is not None
            and version.stamp  # else it is about to be tried again
        ]
        return failed if len(failed) == len(self._wanted) and not self.available() else []

    def retries(self) -> Iterator[float]:
        """Gives the times of `time.monotonic()` at which to look again."""
        versions = (self.by_number.get(number) for number in self._wanted)
        return (version.retry_at for version in versions if version is not None and version.retry_at)

    def drop(self) -> None:
        """Retires every version: the config does not list the model any more."""
        self.entry, self.complaint = None, ""
        self._wanted = set()
        self._retire_unwanted()
        for version in self.by_number.values():
            version.stamp = ()  # listed again, it is tried again

    def release(self, version: Version) -> None:
        """Ends a lease."""
        version.leases -= 1
        self._unload_if_idle(version)

    def look(self) -> None:
        """Looks at the base path once and brings the loaded versions in line with it."""
        with self._changed:
            entry = self.entry
        if entry is None:
            return
        try:
            found = version_folders(entry.base_path)
        except OSError as error:
            # A share that is away for a moment must not take the model down with it.
            self._complain(f"Could not find base path {entry.base_path} for servable {self.name} ({error.strerror})")
            return
        folders = dict(found)
        missing = {number: text for number, folder in folders.items() if (text := what_is_missing(folder))}
        with self._changed:
            # One that answers stays while its folder is there: TensorFlow Serving does not look inside either.
            missing = {number: text for number, text in missing.items() if number not in self.available()}
            if self.entry is not entry:
                return
            self._wanted = entry.policy.choose(folders.keys() - missing.keys())
            newest_first = sorted(self._wanted, reverse=True)
        self._complain(_complaint(entry, found, missing), _duplicates(found, folders))
        self._retire_if_replaced(entry)
        for number in newest_first:
            self._bring_up(number, folders[number])
            self._retire_if_replaced(entry)

    def _retire_if_replaced(self, entry: ModelEntry) -> None:
        with self._changed:
            if self.entry is entry and (not self._wanted or self._wanted & set(self.available())):
                self._retire_unwanted()

    def _bring_up(self, number: int, folder: Path) -> None:
        """Makes a version available if it is not."""
        stamp = stamp_of(folder)
        with self._changed:
            version = self.by_number.setdefault(number, Version(number))
            if not self._is_listed() or version.state in (wire.State.AVAILABLE, wire.State.UNLOADING):
                return
            if version.state == wire.State.END and version.error is not None and version.stamp == stamp:
                return
            if version.stamp != stamp:  # new, or other files than those that failed
                version.attempts, version.retry_at, version.stamp = 0, 0.0, stamp
            if version.retry_at > time.monotonic():
                return
            version.state, version.error = wire.State.LOADING, None
        try:
            servable = self._loader.load(self.name, number, folder)
        except ServableError as error:
            self._note_failure(version, error)
        else:
            self._note_success(version, servable)
            return
        with memory.giving_back():
            pass  # what had been loaded before it failed

    def _note_success(self, version: Version, servable: Answering) -> None:
        with self._changed:
            version.servable, version.state, version.retry_at = servable, wire.State.AVAILABLE, 0.0
            if not self._is_listed():  # dropped while it loaded
                self._retire_unwanted()
            self._changed.notify_all()

    def _note_failure(self, version: Version, error: ServableError) -> None:
        with self._changed:
            # Not the object itself: its traceback holds what had been loaded.
            version.error = ServableError(error.code, error.message)
            version.attempts += 1
            if self._is_listed() and version.attempts <= self._settings.max_num_load_retries:
                version.retry_at = time.monotonic() + self._settings.load_retry_interval_micros / 1e6
            else:
                version.retry_at, version.state = 0.0, wire.State.END
            self._changed.notify_all()
        _log.error(
            "cannot load %s version %d (try %d of %d): %s",
            *(self.name, version.number, version.attempts, self._settings.max_num_load_retries + 1, error),
        )

    def _is_listed(self) -> bool:
        return self.entry is not None

    def _retire_unwanted(self) -> None:
        for version in self.by_number.values():
            if version.number in self._wanted:
                continue
            version.retry_at = 0.0
            if version.state == wire.State.AVAILABLE:
                version.state = wire.State.UNLOADING
                self._unload_if_idle(version)
            elif version.state == wire.State.LOADING and version.error is not None:
                version.state = wire.State.END  # it waited for its next try

    def _unload_if_idle(self, version: Version) -> None:
        if version.state == wire.State.UNLOADING and not version.leases:
            # On a thread of its own: this one may have an answer to send.
            threading.Thread(target=self._unload, args=(version,), name="unload", daemon=True).start()

    def _unload(self, version: Version) -> None:
        with self._changed:
            servable, version.servable = version.servable, None
        with memory.giving_back():
            if servable is not None:
                servable.close()
            del servable
        with self._changed:
            version.state = wire.State.END
            self._changed.notify_all()
        _log.info("unloaded %s version %d", self.name, version.number)

    def _complain(self, complaint: str, remark: str = "") -> None:
        """Logs why there is nothing to load, or else what is odd; again and again, but not at every look."""
        now, text = time.monotonic(), complaint or remark
        with self._changed:
            self.complaint = complaint
            repeated = text == self._said and now - self._said_at < COMPLAIN_EVERY
            self._said = text
            if not text or repeated:
                return
            self._said_at = now
            waiting = complaint and not self.available() and self._settings.file_system_poll_wait_seconds
        _log.warning("%s%s", text, " (it is not served until there is a version)" if waiting else "")


def _complaint(entry: ModelEntry, found: Sequence[tuple[int, Path]], missing: Mapping[int, str]) -> str:
    folders = dict(found)
    if not folders:
        return (
            f"No versions of servable {entry.name} found under base path {entry.base_path}. Did you forget to name "
            f"your leaf directory as a number (eg. '/1/')?{_hint(entry.base_path)}"
        )
    if isinstance(entry.policy, Specific):
        if not entry.policy.versions:
            return f"The 'specific' version policy of servable {entry.name} lists no version, so none is served"
        absent = sorted(entry.policy.versions - folders.keys())
        if absent:
            return (
                f"Version {', '.join(map(str, absent))} of servable {entry.name}, which was requested to be served "
                "as a 'specific' version in the servable's version policy, was not found in the file system"
            )
    waited_for = sorted(entry.policy.choose(folders.keys()) & missing.keys())
    if waited_for:
        number = waited_for[-1]
        return f"{folders[number]} is not a complete SavedModel yet: {missing[number]}. Waiting for the rest"
    return ""


def _duplicates(found: Sequence[tuple[int, Path]], folders: Mapping[int, Path]) -> str:
    return " ".join(
        f"Duplicate version directories detected. Version {number} will be loaded from {folders[number].name}, "
        f"{folder.name} will be ignored."
        for number, folder in found
        if folder != folders[number]
    )


def _hint(base_path: Path) -> str:
    inside = [entry for entry in sorted(base_path.iterdir()) if entry.is_dir()]
    models = [str(entry) for entry in inside if version_folders(entry)]
    return f" These folders in it have some: {', '.join(models)}" if models else ""
