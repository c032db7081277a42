"""Starts containers of the manifests as processes of this machine: volumes are folders, Services are localhost."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tests.k8s.command_lines import MODEL_SERVER, command_lines, mounted_files, moved, place_files
from tests.k8s.objects import Container, Pod
from tests.k8s.policies.selectors import named_ports
from tests.k8s.rendering import Objects

START = "import sys; sys.argv[0] = {program!r}\nfrom {program}.cli import main\nmain()"


@dataclass
class Machine:
    """Where the containers run.

    Attributes:
        folder: Holds a folder a volume claim, and what ConfigMaps and emptyDirs become.
        ports: Port in the manifests to port here.
        hurry: Arguments in the manifests to what is given here, for what takes long.
    """

    objects: Objects
    folder: Path
    ports: Mapping[int, int]
    hurry: Mapping[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def volume(self, claim: str) -> Path:
        path = self.folder / "volumes" / claim
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, container: Container) -> subprocess.Popen[bytes]:
        """Starts what the container would, with its arguments, variables and files."""
        (line,) = command_lines(self.objects, container)
        scratch = self.folder / container.spec["name"]
        scratch.mkdir()
        placed = {
            **place_files(mounted_files(self.objects, container), scratch),
            **self._mounts(container, line.environment, scratch),
        }
        words = [self.hurry.get(word, word) for word in line.words]
        if line.program == MODEL_SERVER:
            words[:1] = ["serving", "model-server"]
        program, *words = words
        # --flag=/path, /path, and addresses with their ports
        words = ["=".join(self._here(part, placed) for part in word.split("=", 1)) for word in words]
        own = {name: self._here(value, placed) for name, value in line.environment.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SNOWMODE_")}
        with (self.folder / f"{container.spec['name']}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", START.format(program=program), *words],
                env={**clean, **own},
                cwd=scratch,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        return process

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, container: Container) -> str:
        return (self.folder / f"{container.spec['name']}.log").read_text(errors="replace")

    def _mounts(self, container: Container, environment: Mapping[str, str], scratch: Path) -> dict[str, str]:
        found = {}
        for mount in container.spec["volumeMounts"]:
            volume = container.pod.volumes[mount["name"]]
            if "persistentVolumeClaim" in volume:
                path = self.volume(volume["persistentVolumeClaim"]["claimName"])
            elif "emptyDir" in volume:
                path = scratch / mount["name"]
            else:
                continue
            below = re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], mount.get("subPathExpr", ""))
            (path / below).mkdir(parents=True, exist_ok=True)
            found[mount["mountPath"]] = str(path / below)
        return found

    def _here(self, text: str, placed: Mapping[str, str]) -> str:
        text = re.sub(r"(?<=://)(/?)[a-z][-a-z0-9.]*(?=:[0-9]+$)", r"\1localhost", text)
        for port, here in self.ports.items():
            text = re.sub(rf"(?:(?<=^)|(?<=:)){port}$", str(here), text)
        sqlite = re.fullmatch("(sqlite:///)(/.*)", text)
        return sqlite[1] + moved(sqlite[2], placed) if sqlite else moved(text, placed)

    def probe(self, container: Container, kind: str) -> bool:
        """Does what the kubelet does."""
        probe = container.spec[kind]
        asked: dict[str, Any] = probe.get("httpGet") or probe["grpc"]
        port = self.ports[self.number(container.pod, asked["port"])]
        if "grpc" in probe:
            return healthy(port, asked.get("service", ""))
        return 200 <= get(port, asked["path"]) < 400

    @staticmethod
    def number(pod: Pod, port: int | str) -> int:
        if isinstance(port, int):
            return port
        numbers = {name: value for part in pod.containers for name, value in part.ports.items()}
        assert port in named_ports(pod)
        return numbers[port]

    def wait_for(self, container: Container, kind: str) -> None:
        """Waits until a probe says yes, or the container ends."""
        process = self.running[-1]
        until(lambda: process.poll() is not None or self.probe(container, kind), lambda: self.log(container))
        assert process.poll() is None, f"{container.name} ended with {process.returncode}:\n{self.log(container)}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], Any], report: Callable[[], str], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, report()
        time.sleep(0.1)


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def healthy(port: int, service: str) -> bool:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=10
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
