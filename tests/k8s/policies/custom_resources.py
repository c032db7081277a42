"""Objects of operators: known fields, targets and queues that exist, nothing that is watched by halves."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema

from tests.k8s.custom_schemas import SPECS
from tests.k8s.objects import containers, of_kind, pods, selects, where
from tests.k8s.policies import policy
from tests.k8s.policies.selectors import named_ports
from tests.k8s.rendering import Objects


def is_custom(entry: dict[str, Any]) -> bool:
    return (entry["apiVersion"], entry["kind"]) in SPECS


@policy
def custom_resources_have_known_fields(objects: Objects) -> list[str]:
    found = []
    for entry in objects:
        spec = SPECS.get((entry["apiVersion"], entry["kind"]))
        if spec is None:
            continue
        allowed = {"apiVersion", "kind", "metadata", "spec"}
        if entry["kind"] == "WorkloadPriorityClass":
            allowed |= {"value", "description"}
        found += [f"{where(entry)}: unknown field {key}" for key in entry.keys() - allowed]
        for error in jsonschema.Draft202012Validator(spec).iter_errors(entry.get("spec", {})):
            place = ".".join(map(str, ["spec", *error.absolute_path]))
            found.append(f"{where(entry)}: {place}: {error.message}")
    return found


@policy
def monitors_find_what_they_scrape(objects: Objects) -> list[str]:
    found = []
    for monitor in of_kind(objects, "PodMonitor"):
        taken = [pod for pod in pods(objects) if selects(monitor["spec"]["selector"], pod.labels)]
        if not taken:
            found.append(f"{where(monitor)}: it selects no pod")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            found += [
                f"{where(monitor)}: {pod.name} has no port named {endpoint.get('port')}"
                for pod in taken
                if endpoint.get("port") not in named_ports(pod)
            ]
    for monitor in of_kind(objects, "ServiceMonitor"):
        services = [
            service
            for service in of_kind(objects, "Service")
            if selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))
        ]
        if not services:
            found.append(f"{where(monitor)}: it selects no Service")
        for endpoint in monitor["spec"]["endpoints"]:
            names = {port.get("name") for service in services for port in service["spec"].get("ports", [])}
            if services and endpoint.get("port") not in names:
                found.append(f"{where(monitor)}: no selected Service has a port named {endpoint.get('port')}")
    for monitor in of_kind(objects, "PodMonitor", "ServiceMonitor"):
        for endpoint in monitor["spec"].get("podMetricsEndpoints", []) + monitor["spec"].get("endpoints", []):
            expected = "/monitoring/prometheus/metrics" if endpoint.get("port") == "rest" else "/metrics"
            if endpoint.get("path", "/metrics") != expected:
                found.append(f"{where(monitor)}: port {endpoint.get('port')}: numbers are at {expected}")
    return found


@policy
def what_is_watched_is_watched_whole(objects: Objects) -> list[str]:
    """Alerts on numbers that nobody scrapes never fire."""
    if not of_kind(objects, "PrometheusRule"):
        return []
    endpoints = [
        endpoint
        for monitor in of_kind(objects, "PodMonitor", "ServiceMonitor")
        for endpoint in [*monitor["spec"].get("podMetricsEndpoints", []), *monitor["spec"].get("endpoints", [])]
    ]
    jobs = {rule.get("replacement") for endpoint in endpoints for rule in endpoint.get("relabelings", [])}
    found = [f"nobody scrapes the {name}" for name in ("model-server", "sidecar", "watcher") if name not in jobs]
    dashboards = [
        json.loads(text)
        for entry in of_kind(objects, "ConfigMap")
        if entry["metadata"].get("labels", {}).get("grafana_dashboard")
        for text in entry["data"].values()
    ]
    if not any(dashboard.get("panels") for dashboard in dashboards):
        found.append("there are alerts and no dashboard to look at")
    return found


@policy
def scaling_has_a_target_and_a_floor(objects: Objects) -> list[str]:
    found = []
    targets = {(entry["kind"], entry["metadata"]["name"]): entry for entry in objects}
    for scaled in of_kind(objects, "ScaledObject"):
        spec = scaled["spec"]
        reference = spec["scaleTargetRef"]
        target = targets.get((reference.get("kind", "Deployment"), reference["name"]))
        if target is None:
            found.append(f"{where(scaled)}: there is no {reference.get('kind', 'Deployment')}/{reference['name']}")
        elif "replicas" in target["spec"]:
            found.append(f"{where(target)}: it is scaled; expected no replicas, or every apply sets them back")
        if spec.get("minReplicaCount", 0) < 1:
            found.append(f"{where(scaled)}: frames come all the time: expected minReplicaCount: 1")
        if spec.get("maxReplicaCount", 100) < spec.get("minReplicaCount", 0):
            found.append(f"{where(scaled)}: maxReplicaCount is below minReplicaCount")
        if "fallback" not in spec:
            found.append(f"{where(scaled)}: expected a fallback for when Prometheus is away")
        if spec.get("cooldownPeriod", 300) < 300:
            found.append(f"{where(scaled)}: cooldownPeriod: expected 300 or more")
        for trigger in spec["triggers"]:
            if trigger["metadata"].get("ignoreNullValues") != "false":
                found.append(f'{where(scaled)}: expected ignoreNullValues: "false"; no numbers are no calm')
    return found


@policy
def nobody_is_got_up_while_a_server_starts(objects: Objects) -> list[str]:
    """SnowmodePartDown lets a new pod pass for as long as its startup probe does, by its age or because it waits."""
    found = []
    alerts = [
        rule
        for entry in of_kind(objects, "PrometheusRule")
        for group in entry["spec"]["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "SnowmodePartDown"
    ]
    for rule in alerts:
        match = re.search(r"time\(\) - kube_pod_created\{[^}]*\} < (\d+)", rule["expr"])
        patience = int(match[1]) if match else _seconds(rule["for"])
        for container in containers(objects):
            probe = container.spec.get("startupProbe", {})
            start = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            if container.pod.component == "model-server" and start > patience:
                found.append(f"{container.name}: it may start for {start} s, and SnowmodePartDown waits {patience} s")
    return found


def _seconds(duration: str) -> int:
    """Reads a duration as Prometheus writes it, of one unit."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


QUEUE = "kueue.x-k8s.io/queue-name"


@policy
def queues_exist(objects: Objects) -> list[str]:
    found = []
    names = {kind: {entry["metadata"]["name"] for entry in of_kind(objects, kind)} for kind in _QUEUE_KINDS}
    for entry in objects:
        if (name := _queue_of(entry)) and name not in names["LocalQueue"]:
            found.append(f"{where(entry)}: there is no LocalQueue/{name}")
        if entry["kind"] == "LocalQueue" and entry["spec"]["clusterQueue"] not in names["ClusterQueue"]:
            found.append(f"{where(entry)}: there is no ClusterQueue/{entry['spec']['clusterQueue']}")
        if entry["kind"] == "ClusterQueue":
            for group in entry["spec"]["resourceGroups"]:
                for flavor in group["flavors"]:
                    if flavor["name"] not in names["ResourceFlavor"]:
                        found.append(f"{where(entry)}: there is no ResourceFlavor/{flavor['name']}")
                    if [part["name"] for part in flavor["resources"]] != group["coveredResources"]:
                        found.append(f"{where(entry)}: quotas must follow coveredResources, in their order")
    if of_kind(objects, "LocalQueue"):
        found += [
            f"{where(entry)}: it does not queue, though it can wait"
            for entry in of_kind(objects, "Job", "CronJob")
            if entry["metadata"]["name"].startswith(("training", "bulk")) and not _queue_of(entry)
        ]
        found += [
            f"{where(entry)}: live work cannot queue" for entry in of_kind(objects, "Deployment") if _queue_of(entry)
        ]
    return found


_QUEUE_KINDS = ("LocalQueue", "ClusterQueue", "ResourceFlavor")


def _queue_of(entry: dict[str, Any]) -> str | None:
    """Kueue reads the label of the Job, which a CronJob gives its Jobs."""
    job = entry["spec"]["jobTemplate"] if entry["kind"] == "CronJob" else entry
    return job.get("metadata", {}).get("labels", {}).get(QUEUE)
