"""Containers of images that were built here, run by crun as a cluster would: not root, nothing writable, no rights.

A `Pod` has a network of its own, in which containers reach each other at localhost under their usual ports, as the
containers of a Kubernetes pod do, and nothing of this machine can be in the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

USER = 10001
NEIGHBOURS = ("model-server", "sidecar")
"""Names that compose.yaml has for containers that are all at localhost here."""
# crun refuses machines that mix both kinds of control groups, even where it is told to use none. So it sees none.
_CRUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec crun "$@"', "crun")
_LOOPBACK_UP = """
import fcntl, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
print("up", flush=True)
sys.stdin.read()
"""


def command(*words: str) -> str:
    """Runs a command of the container tools and gives what it prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def why_none_runs() -> str:
    """Tells why containers cannot be run here; empty if they can."""
    missing = [name for name in ("buildah", "crun", "unshare") if not shutil.which(name)]
    if missing:
        return f"{' and '.join(missing)} not installed: apt-get install buildah crun mmdebstrap"
    if os.geteuid() != 0:
        return "only root can mount images here"
    allowed = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    return "" if allowed.returncode == 0 else "this machine allows no namespaces of its own: containers cannot be run"


@dataclass(frozen=True)
class Image:
    """An image, mounted to be read.

    Attributes:
        name: What it is called, with its tag.
        root: Its files.
        config: What its Dockerfile says: User, Env, Cmd, Healthcheck, Labels, ...
        size: Bytes, uncompressed.
    """

    name: str
    root: Path
    config: dict[str, Any]
    size: int


@contextlib.contextmanager
def mounted(name: str) -> Iterator[Image]:
    """Mounts an image that was built here, and skips the test where it was not."""
    if reason := why_none_runs():
        pytest.skip(reason)
    listed = json.loads(command("buildah", "images", "--all", "--json"))
    here = [entry for entry in listed if f"localhost/{name}" in (entry.get("names") or [])]
    if not here:
        pytest.skip(f"image {name} was not built: make images")
    config = json.loads(command("buildah", "inspect", "--type", "image", f"localhost/{name}"))["Docker"]["config"]
    container = command("buildah", "from", "--pull-never", f"localhost/{name}").strip()
    try:
        root = Path(command("buildah", "mount", container).strip())
        size = sum(entry.lstat().st_size for entry in root.rglob("*") if entry.is_file() and not entry.is_symlink())
        yield Image(name, root, config, size)
    finally:
        command("buildah", "rm", container)


class Container:
    """A running container.

    Attributes:
        log: File of what it prints.
    """

    def __init__(self, image: Image, state: Path, bundle: Path) -> None:
        self.image, self.log = image, bundle / "log"
        self._name = bundle.name
        self._crun = [*_CRUN, "--root", str(state), "--cgroup-manager=disabled"]
        with self.log.open("wb") as file:
            run = [*self._crun, "run", "--bundle", str(bundle), self._name]
            self._process = subprocess.Popen(run, stdout=file, stderr=subprocess.STDOUT)

    def wait(self, patience: float) -> int:
        """Waits for its end and gives its exit code."""
        return self._process.wait(patience)

    def execute(self, *words: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as `kubectl exec` does."""
        inside = [*self._crun, "exec", "--user", self.image.config["User"], self._name, *words]
        return subprocess.run(inside, capture_output=True, text=True, check=False, timeout=within)

    def healthy(self) -> bool:
        """Executes the image's own health check."""
        check = self.image.config["Healthcheck"]
        assert check["Test"][0] == "CMD"
        try:
            return self.execute(*check["Test"][1:], within=check["Timeout"] / 1e9).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def wait_until_healthy(self, patience: float = 120) -> None:
        """Waits for it, as an engine does."""
        end = time.monotonic() + patience
        while not self.healthy():
            assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.log.read_text()}"
            assert time.monotonic() < end, f"not healthy after {patience} s:\n{self.log.read_text()}"
            time.sleep(0.3)

    def stop(self, number: int = signal.SIGTERM, patience: float = 30) -> int:
        """Sends a signal to its first process and gives its exit code; kills it where it does not go."""
        if self._process.poll() is None:
            subprocess.run([*self._crun, "kill", self._name, str(int(number))], capture_output=True, check=False)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                subprocess.run([*self._crun, "kill", self._name, "9"], capture_output=True, check=False)
                self._process.wait(10)
        subprocess.run([*self._crun, "delete", "--force", self._name], capture_output=True, check=False)
        return self._process.returncode


class Pod:
    """Containers that share a network, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = subprocess.Popen(
            ["unshare", "--net", "python3", "-c", _LOOPBACK_UP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "up\n"
        self._started: list[Container] = []

    def start(
        self,
        image: Image,
        *words: str,
        entrypoint: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        read_only: Mapping[str, Path] | None = None,
    ) -> Container:
        """Starts a container.

        Args:
            image: What of.
            words: Arguments in place of the image's.
            entrypoint: Command in place of the image's.
            environment: Variables beside the image's.
            volumes: Folders of this machine by where they are to be; they are given to the container's user.
            read_only: The same, but only to be read.
        """
        name = f"snowmode-{uuid.uuid4().hex[:12]}"
        bundle = self._folder / name
        bundle.mkdir(parents=True)
        config = image.config
        called = list(entrypoint or config.get("Entrypoint") or ())
        called += words or (() if entrypoint else config.get("Cmd") or ())
        variables = [*(config.get("Env") or ()), *(f"{key}={value}" for key, value in (environment or {}).items())]
        for path in (volumes or {}).values():
            _give_away(path)
        mounts = [_bind(at, path, "rw") for at, path in (volumes or {}).items()]
        mounts += [_bind(at, path, "ro") for at, path in (read_only or {}).items()]
        (bundle / "hosts").write_text(f"127.0.0.1 localhost {' '.join(NEIGHBOURS)}\n", encoding="utf-8")
        mounts.append(_bind("/etc/hosts", bundle / "hosts", "ro"))
        spec = _spec(image, called, variables, mounts, f"/proc/{self._holder.pid}/ns/net")
        (bundle / "config.json").write_text(json.dumps(spec), encoding="utf-8")
        container = Container(image, self._folder / "state", bundle)
        self._started.append(container)
        return container

    def run(self, image: Image, *words: str, within: float = 120, **more: Any) -> tuple[int, str]:
        """Runs a container to its end; gives its exit code and what it printed."""
        container = self.start(image, *words, **more)
        try:
            code = container.wait(within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {within} s:\n{container.log.read_text()}")
        finally:
            container.stop()
        return code, container.log.read_text(encoding="utf-8")

    def close(self) -> None:
        """Stops all containers, and the network with them."""
        for container in reversed(self._started):
            container.stop(signal.SIGKILL)
        self._holder.communicate()


def _give_away(path: Path) -> None:
    for entry in [path, *path.rglob("*")]:
        os.chown(entry, USER, USER, follow_symlinks=False)


def _bind(at: str, path: Path, how: str) -> dict[str, Any]:
    return {"destination": at, "type": "bind", "source": str(path), "options": ["rbind", how, "nosuid", "nodev"]}


def _spec(
    image: Image, words: list[str], variables: list[str], mounts: list[dict[str, Any]], network: str
) -> dict[str, Any]:
    """Gives what an OCI runtime is told for a pod of Kubernetes' restricted profile."""
    user, _, group = image.config["User"].partition(":")
    small = ["nosuid", "nodev", "mode=1777", "size=256m"]
    return {
        "ociVersion": "1.0.0",
        "process": {
            "terminal": False,
            "user": {"uid": int(user), "gid": int(group or user)},
            "args": words,
            "env": variables,
            "cwd": image.config.get("WorkingDir") or "/",
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(image.root), "readonly": True},
        "hostname": "snowmode",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "mode=755", "size=64k"],
            },
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*small, "noexec"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmp", "options": small},
            *mounts,
        ],
        "linux": {
            "namespaces": [
                {"type": "network", "path": network},
                *({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
            ],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }
