"""Several model servers on this machine: one port on an address each, as the pods of a headless service have."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 120.0
AGE_SECONDS = 3
"""After so long a server sends its clients to look for others, as in production after five minutes."""

_ANSWERED = re.compile(r'^:tensorflow:serving:request_count\{model_name="snowmode",status="OK"\} (\S+)$', re.M)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ModelServer:
    """A process of the embedded model server, started anew at the same address as often as a drill wants.

    Args:
        folder: Of its log.
        host: Address of this machine, ``127.0.0.2`` or the like.
        port: Of gRPC.
        rest_port: Of its metrics.
        models: Folder that `training publish` and `training promote` write to.
    """

    def __init__(self, folder: Path, host: str, port: int, rest_port: int, models: Path) -> None:
        self.host, self.target = host, f"{host}:{port}"
        self._rest = f"http://{host}:{rest_port}/monitoring/prometheus/metrics"
        self._log = folder / f"model-server-{host}.log"
        self._port_file = folder / f"model-server-{host}.port"
        monitoring = folder / "monitoring.config"
        monitoring.write_text("prometheus_config { enable: true }\n")
        self._command = [
            *(sys.executable, "-m", "serving.model_server"),
            *(f"--host={host}", f"--port={port}", f"--rest_api_port={rest_port}", f"--port_file={self._port_file}"),
            *(f"--model_config_file={models / 'models.config'}", "--model_config_file_poll_wait_seconds=1"),
            f"--monitoring_config_file={monitoring}",
            "--grpc_channel_arguments="
            f"grpc.max_connection_age_ms={1000 * AGE_SECONDS},grpc.max_connection_age_grace_ms=10000",
            "--exit_with_parent",
        ]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts it, without waiting until it answers."""
        if self.running:
            return
        self._port_file.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
            )

    def wait(self) -> None:
        """Waits until it answers."""
        deadline = time.monotonic() + PATIENCE
        while not self._port_file.exists():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the model server at {self.target} did not start:\n{self._log.read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once, as a node does that falls."""
        if self.running:
            self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def answered(self) -> int:
        """Counts the calls it has answered since it was started."""
        try:
            with _DIRECT.open(self._rest, timeout=5) as answer:
                found = _ANSWERED.search(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return 0
        return int(float(found[1])) if found else 0


class Fleet:
    """Some of them, on the same port.

    Args:
        folder: Of their logs.
        models: What they host.
        size: How many.
    """

    def __init__(self, folder: Path, models: Path, size: int = 3) -> None:
        hosts = [f"127.0.0.{2 + n}" for n in range(size)]
        self.port = _free_port(hosts)
        rest_port = _free_port(hosts)
        self.servers = [ModelServer(folder, host, self.port, rest_port, models) for host in hosts]

    @property
    def target(self) -> str:
        """All of them, as `--server` takes it."""
        return ",".join(server.target for server in self.servers)

    def ready(self) -> Fleet:
        """Starts those that do not run, and waits for all."""
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait()
        return self

    def answered(self) -> list[int]:
        """Counts the calls each has answered since it was started."""
        return [server.answered() for server in self.servers]

    def end(self) -> None:
        """Ends them."""
        for server in self.servers:
            if server.running:
                server.signal(signal.SIGCONT)
                server.kill()


def _free_port(hosts: Sequence[str]) -> int:
    """Finds a port that is free on all of these addresses.

    Servers that share a name in DNS share the port, so that each cannot take a free one of its own.
    """
    for _ in range(50):
        held: list[socket.socket] = []
        try:
            port = 0
            for host in hosts:
                held.append(socket.create_server((host, port)))
                port = held[0].getsockname()[1]
            return port
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise RuntimeError(f"no port is free on all of {', '.join(hosts)}")
