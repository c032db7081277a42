"""The cluster: which machines train together, and the wait until all of them are there.

Who they are is said by `TF_CONFIG`, as TensorFlow has it, or by a list of hosts that is the same for all and a number
that differs: that is what an Indexed Job of Kubernetes can give (`JOB_COMPLETION_INDEX`).

TensorFlow waits for a peer that is not there without a word. So workers meet here first: each listens on its own port
and knocks at those of the others, and only then is the port TensorFlow's.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from training.errors import MachineError, TrainingError

VARIABLE = "TF_CONFIG"
WAIT_SECONDS = 600.0

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_HOST = re.compile(r"([^\s:/,{}\[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")
_MOST = 1000
_KNOCK_SECONDS, _PAUSE_SECONDS, _REMIND_SECONDS = 2.0, 0.2, 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Machines that train together.

    Attributes:
        hosts: ``host:port`` of each; the first keeps the records and publishes.
        number: Which of them this one is, from 0.
        chiefs: How many of them TensorFlow is to call chief; 0 or 1.
    """

    hosts: tuple[str, ...]
    number: int
    chiefs: int = 0

    def tf_config(self) -> str:
        """Gives what TensorFlow reads from `TF_CONFIG`."""
        chiefs, workers = self.hosts[: self.chiefs], self.hosts[self.chiefs :]
        is_chief = self.number < self.chiefs
        task = {"type": "chief" if is_chief else "worker", "index": self.number - (0 if is_chief else self.chiefs)}
        return json.dumps(
            {"cluster": {"chief": chiefs, "worker": workers} if chiefs else {"worker": workers}, "task": task}
        )


def find(workers: str = "", worker: int | None = None, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Finds out who trains together.

    Args:
        workers: ``host:port`` of all, with commas; ``{0..3}`` stands for 0, 1, 2 and 3. `TF_CONFIG` goes before.
        worker: Which of them this one is, from 0.
        environment: Of the process.

    Raises:
        TrainingError: Nobody says it, or it makes no sense.
    """
    if text := environment.get(VARIABLE, ""):
        return _of_tf_config(text)
    if not workers:
        raise TrainingError(
            "--strategy multiworker: expected --workers (SNOWMODE_WORKERS) such as host{0..1}:2222 with --worker "
            f"(JOB_COMPLETION_INDEX), or {VARIABLE} such as {_EXAMPLE}; none of them is set"
        )
    hosts = _expand(workers)
    if worker is None or not 0 <= worker < len(hosts):
        raise TrainingError(
            f"--worker: expected the number of this one of the {len(hosts)} workers, 0 to {len(hosts) - 1}, received "
            f"{'none' if worker is None else worker}; in a Kubernetes Job with completionMode: Indexed it comes from "
            "JOB_COMPLETION_INDEX"
        )
    return Cluster(hosts, worker)


def meet(cluster: Cluster, *, limit: float, say: Callable[[str], None]) -> None:
    """Waits until every worker is there.

    Args:
        cluster: All of them.
        limit: Seconds to wait.
        say: Called with lines of progress.

    Raises:
        MachineError: Some are not there in time, or the own port is taken.
    """
    missing = {host: "not asked yet" for n, host in enumerate(cluster.hosts) if n != cluster.number}
    with _listening(cluster.hosts[cluster.number]):
        began = time.monotonic()
        remind, waited = began, False
        while missing := {host: problem for host in missing if (problem := _knock(host))}:
            now = time.monotonic()
            told = "; ".join(f"{host}: {problem}" for host, problem in missing.items())
            if now - began >= limit:
                raise MachineError(
                    f"{len(missing)} of {len(cluster.hosts)} workers were not there within {limit:g} s ({told}). "
                    "Start all workers with the same --name and --workers; look whether each of them runs, and "
                    "whether their names and ports can be reached (headless Service, NetworkPolicy)"
                )
            if now >= remind:
                say(f"Waiting for {len(missing)} of {len(cluster.hosts)} workers, up to {limit:g} s: {told}")
                remind, waited = now + _REMIND_SECONDS, True
            time.sleep(_PAUSE_SECONDS)
    if waited:
        say(f"All {len(cluster.hosts)} workers are there")


def _knock(host: str) -> str:
    """Tells what keeps a worker from answering; empty if it answers."""
    name, port = _parts(host)
    try:
        socket.create_connection((name, port), timeout=_KNOCK_SECONDS).close()
    except socket.gaierror:
        return "its name is not known yet"
    except ConnectionRefusedError:
        return "is not listening yet"
    except TimeoutError:
        return "does not answer"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _listening(host: str) -> socket.socket:
    _, port = _parts(host)
    dual = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual, backlog=_MOST
        )
    except OSError as error:
        raise MachineError(
            f"{host}, which is this worker: port {port} cannot be listened on: {error.strerror or error}; another "
            "worker or one that is still ending may hold it"
        ) from error


def _parts(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    return name.strip("[]"), int(port)


def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None and 0 < _parts(text)[1] < 65536


def _expand(workers: str) -> tuple[str, ...]:
    hosts: list[str] = []
    for one in (part.strip() for part in workers.split(",")):
        found = _RANGE.search(one)
        numbers = range(int(found[1]), int(found[2]) + 1) if found else ()
        if len(numbers) > _MOST:
            raise TrainingError(f"--workers: expected {_MOST} workers at most, received {one!r}")
        hosts += [one[: found.start()] + str(n) + one[found.end() :] for n in numbers] if found else [one]
    if wrong := [host for host in hosts if not _is_host(host)]:
        raise TrainingError(f"--workers: expected host:port, host:port or host{{0..3}}:port, received {wrong[0]!r}")
    if not hosts or len(set(hosts)) < len(hosts):
        raise TrainingError(f"--workers: expected each worker once, received {workers!r}")
    return tuple(hosts)


_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}} with another '
    "index on each machine"
)


def _of_tf_config(text: str) -> Cluster:
    try:
        content: Any = json.loads(text)
        described, task = content["cluster"], content["task"]
        chiefs = [str(host) for host in described.get("chief", [])]
        hosts = [*chiefs, *map(str, described["worker"])]
        number = int(task["index"]) + (len(chiefs) if task["type"] == "worker" else 0)
        if task["type"] not in ("chief", "worker") or not 0 <= number < len(hosts):
            raise ValueError(f"task {task} is none of the {len(hosts)} workers")
        if wrong := [host for host in hosts if not _is_host(host)]:
            raise ValueError(f"{wrong[0]!r} is not host:port")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise TrainingError(f"--strategy multiworker: expected {VARIABLE} such as {_EXAMPLE}; {problem}") from error
    return Cluster(tuple(hosts), number, len(chiefs))
