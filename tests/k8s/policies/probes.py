"""Probes ask ports that exist for paths that are answered, and each asks what it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from tests.k8s.objects import Container, containers, of_kind
from tests.k8s.policies import policy
from tests.k8s.policies.selectors import named_ports
from tests.k8s.rendering import Objects

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")
WAYS = ("httpGet", "grpc", "tcpSocket", "exec")


@cache
def sidecar_paths() -> frozenset[str]:
    from serving.sidecar.operations import probes

    return frozenset(route.path for route in probes.router.routes)


@cache
def watcher_paths() -> frozenset[str]:
    """The paths `client watch --metrics-port` has; what it does not have, it answers with the numbers."""
    from client.watch.metrics import Metrics, serve

    server = serve(Metrics(timedelta(minutes=5)), "127.0.0.1", 0)
    try:
        pages = {path: _page(server.get_app(), path) for path in ("/nothing", "/healthz", "/livez", "/readyz")}
    finally:
        server.shutdown()
        server.server_close()
    return frozenset({"/metrics", *(path for path, page in pages.items() if page != pages["/nothing"])})


def _page(application: Any, path: str) -> str:
    """Gives status and type of what is answered."""
    heard: list[Any] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    list(application(environ, lambda status, headers: heard.extend([status, sorted(headers)])))
    return str(heard)


def model_server_path(path: str) -> bool:
    """A path of TensorFlow Serving's REST port that a probe may ask."""
    from serving.model_server import rest

    return bool(rest._STATUS.fullmatch(path)) or path == "/monitoring/prometheus/metrics"


ANSWERS: dict[str, Callable[[str], bool]] = {
    "tensorflow/serving": model_server_path,
    "snowmode-serving": model_server_path,
    "snowmode-model-server": model_server_path,
    "snowmode-sidecar": lambda path: path in sidecar_paths(),
    "snowmode-client": lambda path: path in watcher_paths(),
}

SERVERS = {"tensorflow/serving", "snowmode-serving", "snowmode-model-server"}


def probes_of(container: Container) -> dict[str, dict[str, Any]]:
    return {kind: container.spec[kind] for kind in KINDS if kind in container.spec}


def _asked(probe: dict[str, Any]) -> str:
    """What a probe asks, without how often: two probes that ask the same are the same."""
    return json.dumps({way: probe[way] for way in WAYS if way in probe}, sort_keys=True)


@policy
def probes_ask_ports_and_paths_that_exist(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        own = {port["containerPort"] for port in container.spec.get("ports", [])} | set(container.ports)
        for kind, probe in probes_of(container).items():
            ways = [way for way in WAYS if probe.get(way)]
            if len(ways) != 1:
                found.append(f"{container.name}: {kind} asks in {len(ways)} ways; expected one of {', '.join(WAYS)}")
            asked = probe.get("httpGet") or probe.get("grpc") or probe.get("tcpSocket")
            if asked is None:
                continue
            if asked.get("port") not in own or asked["port"] not in named_ports(container.pod):
                found.append(f"{container.name}: {kind} asks port {asked.get('port')}, which it does not have")
            if "host" in asked:
                found.append(f"{container.name}: {kind} asks another host, {asked['host']}")
            answers = ANSWERS.get(container.image)
            if "httpGet" in probe and answers and not answers(asked.get("path", "/")):
                found.append(f"{container.name}: {kind}: nobody answers {asked.get('path', '/')}")
            # The health service knows "" and "PredictionService", without a package.
            if "grpc" in probe and probe["grpc"].get("service", "") not in ("", "PredictionService"):
                found.append(f"{container.name}: {kind}: there is no health service {probe['grpc']['service']!r}")
    return found


@policy
def long_running_containers_have_probes_that_differ(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        probes = probes_of(container)
        if container.init or container.pod.kind in ("Job", "CronJob"):
            found += [f"{container.name}: {kind}: it ends by itself, nothing is to be probed" for kind in probes]
            continue
        for kind in ("livenessProbe", "readinessProbe"):
            if kind not in probes and not (kind == "readinessProbe" and container.pod.component == "watcher"):
                found.append(f"{container.name}: expected a {kind}")
        if {"livenessProbe", "readinessProbe"} <= probes.keys():
            live, ready = probes["livenessProbe"], probes["readinessProbe"]
            patience = live.get("periodSeconds", 10) * live.get("failureThreshold", 3)
            sooner = ready.get("periodSeconds", 10) * ready.get("failureThreshold", 3)
            if _asked(live) == _asked(ready) and patience <= sooner:
                found.append(f"{container.name}: liveness is readiness: it restarts where it should wait")
            if patience < 30:
                found.append(f"{container.name}: liveness gives up after {patience} s; expected 30 or more")
    return found


@policy
def the_model_server_is_probed_for_its_model(objects: Objects) -> list[str]:
    """See facts: gRPC health for start and life, the metadata route for readiness."""
    found = []
    for container in containers(objects):
        if container.image not in SERVERS or container.init or container.pod.component != "model-server":
            continue
        probes = probes_of(container)
        start, live, ready = (probes.get(kind, {}) for kind in KINDS)
        flags = " ".join(container.spec.get("args", []))
        # A GPU that TensorFlow has no code for is compiled for, once, at the first load.
        patience = 600 if "nvidia.com/gpu" in container.spec.get("resources", {}).get("limits", {}) else 300
        if not start or start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < patience:
            found.append(f"{container.name}: startupProbe: expected {patience} s or more: first loads are slow")
        if "--ssl_config_file" in flags:
            for kind, probe in probes_of(container).items():
                if "grpc" in probe:
                    found.append(f"{container.name}: {kind}: the kubelet's gRPC knows no TLS; expected HTTP")
            if live.get("httpGet", {}).get("path", "").endswith("/metadata"):
                found.append(f"{container.name}: livenessProbe: without a model it would restart for ever")
        elif "grpc" not in start or "grpc" not in live:
            found.append(f"{container.name}: start and life: expected gRPC, which does not depend on the model")
        path = ready.get("httpGet", {}).get("path", "")
        if path != "/v1/models/snowmode/metadata":
            found.append(
                f"{container.name}: readinessProbe asks {path or 'no path'}: expected /v1/models/snowmode/metadata; "
                "the status route says 200 for a model that is gone"
            )
        if ("grpc" in live or "grpc" in start) and "--enable_grpc_healthcheck_service=true" not in flags:
            found.append(f"{container.name}: gRPC probes need --enable_grpc_healthcheck_service=true")
    return found


@policy
def the_sidecar_does_not_take_the_model_server_down(objects: Objects) -> list[str]:
    """A pod is ready when all its containers are: what the sidecar can do without must not count."""
    found = []
    for container in containers(objects):
        if container.image != "snowmode-sidecar" or container.pod.kind != "Deployment":
            continue
        for kind, probe in probes_of(container).items():
            if probe.get("httpGet", {}).get("path") == "/readyz":
                found.append(f"{container.name}: {kind}: /readyz waits for database and archive; expected /healthz")
        if container.spec.get("restartPolicy") == "Always":
            found.append(f"{container.name}: a native sidecar is stopped after TensorFlow Serving, which never ends")
    return found


FETCHING_SECONDS = 600
"""An image of several GB, on a node that has none of it."""


@policy
def roll_outs_are_not_given_up_while_pods_start(objects: Objects) -> list[str]:
    """After progressDeadlineSeconds `kubectl rollout status` says that it failed, and ends."""
    found = []
    for entry in of_kind(objects, "Deployment"):
        deadline = entry["spec"].get("progressDeadlineSeconds", 600)
        for container in containers([entry]):
            probe = container.spec.get("startupProbe", {})
            start = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            if container.image == "tensorflow/serving" and deadline < start + FETCHING_SECONDS:
                found.append(f"{container.name}: progressDeadlineSeconds {deadline}: it may take {start} s to start")
    return found
