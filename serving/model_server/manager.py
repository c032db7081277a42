"""Keeps the models of a config loaded: several of them, each with its versions, labels and policy."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import grpc

from serving.model_server.errors import ConfigurationError, ServableError, StartError
from serving.model_server.flags import Settings
from serving.model_server.labels import check_labels
from serving.model_server.loading import Loader
from serving.model_server.model_config import ModelEntry, read_entries, read_models_file
from serving.model_server.model_versions import COMPLAIN_EVERY, ModelVersions, Version
from serving.model_server.predict import Answering
from serving.protocol import wire

_log = logging.getLogger(__name__)
_LOOK_FOR_HANG_UPS = 0.5
_SHORTEST_PAUSE = 0.05


class ModelManager:
    """The models of one server; `poll` is called by one thread, every other method by any."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Condition(threading.Lock())
        self._loader = Loader(settings)
        self._models: dict[str, ModelVersions] = {}
        self._entries: Mapping[str, ModelEntry] = {}
        self._config = settings.model_server_config
        self._config_complaint, self._config_complained_at = "", 0.0
        self._looked_after: Mapping[str, ModelEntry] | None = None
        self._stopped = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)
        with self._changed:
            self._apply(self._config, read_entries(self._config))

    def start(self) -> None:
        """Begins to watch the base paths, and the config file if that is asked for."""
        self._thread.start()

    def stop(self) -> None:
        """Ends watching, without waiting for a load in progress, which cannot be interrupted."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._wake.set()

    def is_ready(self) -> bool:
        """Tells whether every model of the config answers.

        Raises:
            StartError: if one of them failed for good.
        """
        with self._changed:
            failures = self._failures(self._entries)
            if failures:
                raise StartError(failures)
            return self._all_answer(self._entries)

    def available(self) -> dict[str, list[int]]:
        """Lists the versions that answer, the newest first, by model."""
        with self._changed:
            return {name: self._models[name].available() for name in self._entries}

    @contextmanager
    def lease(self, spec: wire.ModelSpec) -> Iterator[Answering]:
        """Gives the version a ModelSpec stands for, and keeps it loaded until the block ends.

        Raises:
            ServableError: if it names no version that is available.
        """
        with self._changed:
            model, version = self._find(spec)
            servable = version.servable
            if servable is None:
                raise ServableError(grpc.StatusCode.INTERNAL, "an available version has no model")
            version.leases += 1
        try:
            yield servable
        finally:
            del servable
            with self._changed:
                model.release(version)

    def status(self, spec: wire.ModelSpec) -> wire.GetModelStatusResponse:
        """Answers GetModelStatus.

        Raises:
            ServableError: if there is no such model or version.
        """
        response = wire.GetModelStatusResponse()
        asked = spec.version.value if spec.HasField("version") else None
        with self._changed:
            model = self._models.get(spec.name)
            for number, version in sorted(model.by_number.items(), reverse=True) if model else ():
                if asked not in (None, number):
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

    def reload(self, config: wire.ModelServerConfig, *, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Replaces the config, and waits until the models that are new in it answer.

        Args:
            config: all models there should be from now on.
            is_wanted: tells whether somebody still waits for the answer.

        Raises:
            ServableError: if the config cannot be, and then nothing has changed; or UNKNOWN, if a new model failed
                for good; or CANCELLED or UNAVAILABLE, if the caller or the server goes: it is in force then.
        """
        new = self._replace(config)
        with self._changed:
            while not (failures := self._failures(new)) and not self._all_answer(new):
                if self._stopped:
                    raise ServableError(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
                if not is_wanted():
                    raise ServableError(grpc.StatusCode.CANCELLED, "nobody waits for the new models any more")
                self._changed.wait(_LOOK_FOR_HANG_UPS)
        if failures:
            raise ServableError(grpc.StatusCode.UNKNOWN, failures)

    def poll(self) -> None:
        """Looks at every base path once and brings the loaded versions in line with it."""
        with self._changed:
            models, entries = list(self._models.values()), self._entries
        for model in models:
            try:
                model.look()
            except Exception:  # a folder that changes under our hands; the next look sees it whole
                _log.exception("cannot look after the versions of %s", model.name)
        with self._changed:
            self._looked_after = entries
            self._changed.notify_all()

    def _watch(self) -> None:
        look_every = self._settings.file_system_poll_wait_seconds
        read_every = self._settings.model_config_file_poll_wait_seconds
        read_at = time.monotonic() + read_every
        while not self._stopped:
            self._wake.clear()
            self.poll()
            now = time.monotonic()
            if read_every and now >= read_at:
                self._read_config_again()
                read_at = now + read_every
            with self._changed:
                times = [at for model in self._models.values() for at in model.retries()]
            times += [now + look_every] if look_every else []
            times += [read_at] if read_every else []
            # A try that is due and cannot be made, because a share is away, must not make this a busy loop.
            self._wake.wait(max(_SHORTEST_PAUSE, min(times) - time.monotonic()) if times else None)

    def _read_config_again(self) -> None:
        path = self._settings.model_config_file
        if path is None:
            return
        complaint = ""
        try:
            config = read_models_file(path)
            if config != self._config:
                self._replace(config)
        except ConfigurationError as error:
            complaint = str(error)
        except ServableError as error:
            complaint = f"--model_config_file={path}: {error.code.name}: {error}"
        now = time.monotonic()
        if complaint and (complaint != self._config_complaint or now - self._config_complained_at >= COMPLAIN_EVERY):
            _log.error("the config stays as it is. %s", complaint)
            self._config_complained_at = now
        elif not complaint and self._config_complaint:
            _log.info("--model_config_file=%s is in order again", path)
        self._config_complaint = complaint

    def _replace(self, config: wire.ModelServerConfig) -> Collection[str]:
        """Puts a config in force, or raises and leaves the old one; gives the names of its new models."""
        with self._changed:
            old = self._entries
            entries = read_entries(config, old)
            check_labels(
                entries.values(),
                old,
                self._is_available,
                allow_unavailable=self._settings.allow_version_labels_for_unavailable_models,
            )
            self._apply(config, entries)
        self._wake.set()
        _log.info("new config: %s", ", ".join(entries) or "no models")
        return entries.keys() - old.keys()

    def _apply(self, config: wire.ModelServerConfig, entries: Mapping[str, ModelEntry]) -> None:
        for name in self._entries.keys() - entries.keys():
            self._models[name].drop()
        for name, entry in entries.items():
            if name not in self._models:
                self._models[name] = ModelVersions(name, self._settings, self._loader, self._changed)
            self._models[name].entry = entry
        self._config, self._entries = config, entries

    def _all_answer(self, names: Collection[str]) -> bool:
        return all(self._models[name].available() for name in names)

    def _failures(self, names: Collection[str]) -> str:
        """Says which of these models will never answer; nothing as long as there is hope for all."""
        failed = []
        nobody_looks = self._looked_after is self._entries and not self._settings.file_system_poll_wait_seconds
        for name in names:
            model = self._models[name]
            failed += [
                f"{{name: {name} version: {version.number}}} due to error: {version.error.code.name}: {version.error}"
                for version in model.failures()
                if version.error is not None
            ]
            if nobody_looks and not model.available() and model.complaint:
                failed.append(
                    f"{{name: {name}}} due to error: {model.complaint}. With --file_system_poll_wait_seconds=0 "
                    "nobody looks again"
                )
        return f"{len(failed)} servable(s) did not become available: {{{', '.join(failed)}}}" if failed else ""

    def _is_available(self, name: str, number: int) -> bool:
        return name in self._models and number in self._models[name].available()

    def _find(self, spec: wire.ModelSpec) -> tuple[ModelVersions, Version]:
        _check_named(spec)
        match spec.WhichOneof("version_choice"):
            case "version":
                number = spec.version.value
            case "version_label":
                entry = self._entries.get(spec.name)
                if entry is None or spec.version_label not in entry.labels:
                    raise ServableError(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        f"Unrecognized servable version label: {spec.version_label}",
                    )
                number = entry.labels[spec.version_label]
            case _:
                number = None
        model = self._models.get(spec.name)
        available = model.available() if model is not None else []
        if model is None or not available or number not in (None, *available):
            what = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise ServableError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {what}")
        return model, model.by_number[available[0] if number is None else number]


def _check_named(spec: wire.ModelSpec) -> None:
    if not spec.name:
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
