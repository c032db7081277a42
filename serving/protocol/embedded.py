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

from serving.protocol.contract import MODEL_NAME
from serving.protocol.errors import EmbeddedServerError

PREFIX = "embedded:"


@contextlib.contextmanager
def server_at(
    target: str, *, model: str = MODEL_NAME, also: Collection[int] = (), patience: float = 120.0
) -> Iterator[str]:
    """Makes sure there is a server for a target.

    Args:
        target: ``host:port``, handed through; or ``embedded:MODELS``, the folder `training run` publishes to:
            then a server is started on a free port of this machine, and stopped at the end.
        model: Name of the servable.
        also: Versions to be hosted beside the newest.
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
    base_path = find_models(Path(target.removeprefix(PREFIX)).expanduser(), model)
    if importlib.util.find_spec("tensorflow") is None:
        raise EmbeddedServerError(
            "The embedded model server needs TensorFlow, which is not installed here: pip install 'snowmode[server]'"
        )
    with tempfile.TemporaryDirectory(prefix="snowmode-") as folder:
        port_file, log_file = Path(folder, "port"), Path(folder, "log")
        hosted = [f"--model_base_path={base_path}", f"--model_name={model}"]
        if also:
            config = Path(folder, "models.config")
            config.write_text(_config(base_path, model, also), encoding="utf-8")
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


def _config(base_path: Path, model: str, also: Collection[int]) -> str:
    """Writes a config that hosts the newest version and others of a model.

    Raises:
        EmbeddedServerError: One of the others is not there.
    """
    there = _versions(base_path)
    if missing := sorted(set(also) - there):
        raise EmbeddedServerError(
            f"Version {missing[0]} is not published in {base_path}; there is {', '.join(map(str, sorted(there)))}"
        )
    versions = " ".join(f"versions: {number}" for number in sorted({max(there), *also}))
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

    from serving.protocol import wire

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
