"""An embedded model server for the time of one run, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from serving.protocol.contract import MODEL_NAME
from serving.protocol.errors import EmbeddedServerError

PREFIX = "embedded:"


@contextlib.contextmanager
def server_at(target: str, *, model: str = MODEL_NAME, patience: float = 120.0) -> Iterator[str]:
    """Makes sure there is a server for a target.

    Args:
        target: ``host:port``, handed through; or ``embedded:MODELS``, the folder `training run` publishes to:
            then a server is started on a free port of this machine, and stopped at the end.
        model: Name of the servable.
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
        command = [
            # -P: a random.py in the folder the user works in must not be taken for Python's.
            *(sys.executable, "-P", "-m", "serving.model_server"),
            f"--model_base_path={base_path}",
            f"--model_name={model}",
            *("--host=127.0.0.1", "--port=0", f"--port_file={port_file}", "--exit_with_parent"),
            # One run, one version: what is published meanwhile must not take this run's model away.
            "--file_system_poll_wait_seconds=0",
        ]
        with log_file.open("wb") as log:
            # A session of its own: Ctrl-C drains the client first, which still needs its server.
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(port_file, process, log_file, patience)
            yield f"127.0.0.1:{port_file.read_text().strip()}"
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
        if any(entry.name.isdecimal() for entry in _directories(candidate)):
            return candidate
    if (folder / "saved_model.pb").exists():
        raise EmbeddedServerError(
            f"{folder} is one version of a model; name the folder above it: embedded:{folder.parent}"
        )
    raise EmbeddedServerError(
        f"No published model in {os.fspath(folder)!r}: expected {folder / model}/<version>/saved_model.pb, as "
        "`training run` publishes it"
    )


def _directories(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _wait_for(port_file: Path, process: subprocess.Popen[bytes], log_file: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = "did not get ready in time" if process.poll() is None else f"ended with code {process.poll()}"
            tail = log_file.read_text(errors="replace").strip().splitlines()[-12:]
            raise EmbeddedServerError(
                f"The embedded model server {ended}. Its last words:\n  " + "\n  ".join(tail or ["(none)"])
            )
        time.sleep(0.02)
