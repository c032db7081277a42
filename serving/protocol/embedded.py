"""An embedded model server for the time of one run, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from google.protobuf import text_format

from serving.protocol import wire
from serving.protocol.contract import MODEL_NAME
from serving.protocol.errors import EmbeddedServerError

PREFIX = "embedded:"

CONFIG_FILE = "models.config"
"""In a folder of published models: what model servers are to host of it, as `training promote` has written it."""


@contextlib.contextmanager
def server_at(
    target: str, *, model: str = MODEL_NAME, also: Collection[int] = (), patience: float = 120.0
) -> Iterator[str]:
    """Makes sure there is a server for a target.

    Args:
        target: ``host:port``, handed through; or ``embedded:MODELS``, the folder `training run` publishes to:
            then a server is started on a free port of this machine, and stopped at the end. It hosts the version in
            production; the newest where nobody has put one into production, or where MODELS/snowmode is named.
        model: Name of the servable.
        also: Versions to be hosted beside it. If one of them is newer, it answers requests that name no version; who
            asks for the one in production names it, see `version_in_production`.
        patience: Seconds the server may take to start.

    Yields:
        A gRPC target.

    Raises:
        EmbeddedServerError: The folder holds no model, the extra ``[server]`` is not installed, or the server
            ended before it was ready.
    """
    if not target.startswith(PREFIX):
        yield target
        return
    base_path, released = _hosted(target, model)
    if importlib.util.find_spec("tensorflow") is None:
        raise EmbeddedServerError(
            "The embedded model server needs TensorFlow, which is not installed here: pip install 'snowmode[server]'"
        )
    with tempfile.TemporaryDirectory(prefix="snowmode-") as folder:
        port_file, log_file = Path(folder, "port"), Path(folder, "log")
        hosted = [f"--model_base_path={base_path}", f"--model_name={model}"]
        if also or released is not None:
            config = Path(folder, CONFIG_FILE)
            config.write_text(_config(base_path, model, released, also), encoding="utf-8")
            hosted = [f"--model_config_file={config}"]
        command = [
            # -P: a random.py in the folder the user works in must not be taken for Python's.
            *(sys.executable, "-P", "-m", "serving.model_server"),
            *hosted,
            *("--host=127.0.0.1", "--port=0", f"--port_file={port_file}", "--exit_with_parent"),
            # One run, one version: what is published meanwhile must not take this run's model away.
            "--file_system_poll_wait_seconds=0",
        ]
        with log_file.open("wb") as log:
            # A session of its own: Ctrl-C drains the client first, which still needs its server.
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(port_file, process, log_file, patience)
            address = f"127.0.0.1:{port_file.read_text().strip()}"
            if also:
                _wait_for_versions(address, model, process, log_file, patience)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def find_models(folder: Path, model: str) -> Path:
    """Finds the folder with version directories: MODELS/snowmode, or MODELS itself.

    Raises:
        EmbeddedServerError: Neither holds a version.
    """
    for candidate in (folder / model, folder):
        if _versions(candidate):
            return candidate
    if (folder / "saved_model.pb").exists():
        raise EmbeddedServerError(
            f"{folder} is one version of a model; name the folder above it: embedded:{folder.parent}"
        )
    raise EmbeddedServerError(
        f"No published model in {os.fspath(folder)!r}: expected {folder / model}/<version>/saved_model.pb, as "
        "`training run` publishes it"
    )


def version_in_production(target: str, model: str = MODEL_NAME) -> int | None:
    """Gives the version that an embedded server of a target hosts because it was put into production.

    Args:
        target: As for `server_at`.
        model: Name of the servable.

    Returns:
        None for another server, and where nobody has put a version into production.

    Raises:
        EmbeddedServerError: The folder holds no model, or what was released of it is not there.
    """
    return _hosted(target, model)[1] if target.startswith(PREFIX) else None


def _hosted(target: str, model: str) -> tuple[Path, int | None]:
    folder = Path(target.removeprefix(PREFIX)).expanduser()
    return _released(folder, model) or (find_models(folder, model), None)


def _released(folder: Path, model: str) -> tuple[Path, int] | None:
    """Finds what the config file of a folder says of a model: folder of its versions, and the highest one."""
    path = folder / CONFIG_FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EmbeddedServerError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        entries = text_format.Parse(content.decode(), wire.ModelServerConfig()).model_config_list.config
    except (text_format.ParseError, ValueError) as error:
        raise EmbeddedServerError(
            f"{path}: expected a config of model servers, received: {error}; write it again with `training promote`, "
            f"or take the newest version with {PREFIX}{folder / MODEL_NAME}"
        ) from error
    for entry in entries:
        if entry.name == model:
            break
    else:
        if _versions(folder / model):
            return None
        names = ", ".join(sorted(entry.name for entry in entries)) or "none"
        raise EmbeddedServerError(f"{path} names no model {model!r}; there is: {names}")
    if not entry.model_version_policy.specific.versions:
        return None
    version = max(entry.model_version_policy.specific.versions)
    # Its path is where servers elsewhere see the folder; here it is where the user says.
    base_path = folder / Path(entry.base_path).name
    if version not in _versions(base_path):
        raise EmbeddedServerError(
            f"{path} names version {version}, which is not in {base_path}; put another one into production: training "
            f"promote VERSION --models {folder}"
        )
    return base_path, version


def _config(base_path: Path, model: str, released: int | None, also: Collection[int]) -> str:
    """Writes a config that hosts one version of a model, the newest by default, and others.

    Raises:
        EmbeddedServerError: One of the others is not there.
    """
    there = _versions(base_path)
    if missing := sorted(set(also) - there):
        raise EmbeddedServerError(
            f"Version {missing[0]} is not published in {base_path}; there is {', '.join(map(str, sorted(there)))}"
        )
    main = max(there) if released is None else released
    versions = " ".join(f"versions: {number}" for number in sorted({main, *also}))
    return (
        f"model_config_list {{ config {{ name: {_text(model)} base_path: {_text(os.fspath(base_path.resolve()))} "
        f'model_platform: "tensorflow" model_version_policy {{ specific {{ {versions} }} }} }} }}\n'
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a string of a text proto as well


def _versions(folder: Path) -> set[int]:
    try:
        return {int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal() and entry.is_dir()}
    except OSError:
        return set()


def _wait_for(port_file: Path, process: subprocess.Popen[bytes], log_file: Path, patience: float) -> None:
    _wait_until(port_file.exists, process, log_file, patience)


def _wait_for_versions(
    address: str, model: str, process: subprocess.Popen[bytes], log_file: Path, patience: float
) -> None:
    """Waits until every version is there: the server answers as soon as one of them is."""
    import grpc

    request = wire.GetModelStatusRequest(model_spec=wire.ModelSpec(name=model))
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(
            wire.GET_MODEL_STATUS,
            request_serializer=wire.GetModelStatusRequest.SerializeToString,
            response_deserializer=wire.GetModelStatusResponse.FromString,
        )

        def ready() -> bool:
            versions = ask(request, timeout=patience, wait_for_ready=True).model_version_status
            for status in versions:
                if status.state == wire.State.Value("END"):
                    raise EmbeddedServerError(
                        f"The embedded model server cannot load version {status.version}: "
                        f"{status.status.error_message}"
                    )
            return all(status.state == wire.State.Value("AVAILABLE") for status in versions)

        _wait_until(ready, process, log_file, patience)


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log_file: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = "did not get ready in time" if process.poll() is None else f"ended with code {process.poll()}"
            tail = log_file.read_text(errors="replace").strip().splitlines()[-12:]
            raise EmbeddedServerError(
                f"The embedded model server {ended}. Its last words:\n  " + "\n  ".join(tail or ["(none)"])
            )
        time.sleep(0.02)
