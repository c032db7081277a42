"""Selectors, ports of Services and labels: what is meant to find something finds it, and nothing else."""

from __future__ import annotations

import re
from collections import Counter

from tests.k8s.objects import CLUSTER_SCOPED, NAMESPACE, Pod, of_kind, pods, selects, where
from tests.k8s.policies import policy
from tests.k8s.rendering import Objects

COMPONENT = "app.kubernetes.io/component"
LABELS = {"app.kubernetes.io/name": "snowmode", "app.kubernetes.io/part-of": "snowmode"}


def named_ports(pod: Pod) -> dict[str | int, str]:
    """Ports of a pod, by name and by number, with their protocol."""
    found: dict[str | int, str] = {}
    for container in pod.containers:
        for port in container.spec.get("ports", []):
            found[port["containerPort"]] = port.get("protocol", "TCP")
            if "name" in port:
                found[port["name"]] = port.get("protocol", "TCP")
    return found


@policy
def workloads_select_their_own_pods_and_no_others(objects: Objects) -> list[str]:
    found = []
    for entry in of_kind(objects, "Deployment", "StatefulSet", "DaemonSet"):
        selector = entry["spec"]["selector"]
        if not selector.get("matchLabels"):
            found.append(f"{where(entry)}: its selector has no matchLabels")
            continue
        if not selects(selector, entry["spec"]["template"]["metadata"].get("labels", {})):
            found.append(f"{where(entry)}: its selector does not match its own pods")
        for other in pods(objects):
            if other.owner is not entry and selects(selector, other.labels):
                found.append(f"{where(entry)}: its selector matches the pods of {other.name} too")
    return found


@policy
def services_select_the_pods_of_one_workload(objects: Objects) -> list[str]:
    found = []
    for service in of_kind(objects, "Service"):
        selector = service["spec"].get("selector")
        if not selector:
            found.append(f"{where(service)}: it has no selector, so it leads nowhere")
            continue
        taken = [pod for pod in pods(objects) if selects({"matchLabels": selector}, pod.labels)]
        if len(taken) != 1:
            names = ", ".join(pod.name for pod in taken) or "none"
            found.append(f"{where(service)}: expected to select the pods of one workload, selects those of {names}")
        if not service["spec"].get("ports"):
            found.append(f"{where(service)}: it has no ports")
        for port in service["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            for pod in taken:
                protocol = named_ports(pod).get(target)
                if protocol is None:
                    found.append(f"{where(service)}: {pod.name} has no port {target}")
                elif protocol != port.get("protocol", "TCP"):
                    found.append(f"{where(service)}: port {target} of {pod.name} speaks {protocol}")
    return found


@policy
def host_names_of_pods_have_a_headless_service(objects: Objects) -> list[str]:
    """A pod's own name in DNS is HOSTNAME.SUBDOMAIN, where SUBDOMAIN is a headless Service that selects it."""
    found = []
    services = {service["metadata"]["name"]: service["spec"] for service in of_kind(objects, "Service")}
    for pod in pods(objects):
        name = pod.spec.get("subdomain") or pod.owner["spec"].get("serviceName")
        if name is None:
            if pod.kind == "StatefulSet":
                found.append(f"{pod.name}: expected a serviceName")
            if pod.job.get("completionMode") == "Indexed" and named_ports(pod):
                found.append(f"{pod.name}: its pods call each other; expected a subdomain")
            continue
        spec = services.get(name, {})
        if spec.get("clusterIP") != "None" or not selects({"matchLabels": spec.get("selector", {})}, pod.labels):
            found.append(f"{pod.name}: expected a headless Service/{name} that selects its pods")
        elif pod.job and not spec.get("publishNotReadyAddresses"):
            found.append(
                f"Service/{name}: workers look for each other before they are ready: publishNotReadyAddresses"
            )
    return found


@policy
def the_grpc_service_of_the_model_server_is_headless(objects: Objects) -> list[str]:
    found = []
    for service in of_kind(objects, "Service"):
        ports = {port["port"]: port for port in service["spec"].get("ports", [])}
        if 8500 not in ports:
            continue
        if service["spec"].get("clusterIP") != "None":
            found.append(
                f"{where(service)}: gRPC behind a cluster address pins every connection to one pod; expected "
                "clusterIP: None"
            )
        if ports[8500].get("targetPort", 8500) not in (8500, "grpc"):
            found.append(f"{where(service)}: clients reach pods behind a headless Service by the pod's own port")
        if ports[8500].get("appProtocol") not in ("grpc", "kubernetes.io/h2c"):
            found.append(f"{where(service)}: port 8500: expected appProtocol: grpc")
    return found


@policy
def no_service_is_open_to_the_world(objects: Objects) -> list[str]:
    found = []
    for service in of_kind(objects, "Service"):
        spec = service["spec"]
        if spec.get("type", "ClusterIP") != "ClusterIP":
            found.append(f"{where(service)}: type {spec['type']}; expected ClusterIP")
        if spec.get("externalIPs"):
            found.append(f"{where(service)}: it has externalIPs")
        if any("nodePort" in port for port in spec.get("ports", [])):
            found.append(f"{where(service)}: it has a nodePort")
    return found


@policy
def ingresses_lead_to_services_and_speak_tls(objects: Objects) -> list[str]:
    found = []
    services = {service["metadata"]["name"]: service for service in of_kind(objects, "Service")}
    for ingress in of_kind(objects, "Ingress"):
        spec = ingress["spec"]
        if not spec.get("ingressClassName"):
            found.append(f"{where(ingress)}: it names no ingressClassName")
        secured = {host for part in spec.get("tls", []) if part.get("secretName") for host in part.get("hosts", [])}
        if not any(rule.get("http", {}).get("paths") for rule in spec.get("rules", [])):
            found.append(f"{where(ingress)}: it leads nowhere; expected a rule with a path")
        for rule in spec.get("rules", []):
            if rule.get("host") not in secured:
                found.append(f"{where(ingress)}: no TLS for {rule.get('host')}")
            for path in rule.get("http", {}).get("paths", []):
                backend = path["backend"]["service"]
                service = services.get(backend["name"])
                if service is None:
                    found.append(f"{where(ingress)}: there is no Service/{backend['name']}")
                    continue
                known = {value for port in service["spec"]["ports"] for value in (port["port"], port.get("name"))}
                wanted = backend["port"].get("name") or backend["port"].get("number")
                if wanted not in known:
                    found.append(f"{where(ingress)}: Service/{backend['name']} has no port {wanted}")
                if 8080 not in known:
                    found.append(f"{where(ingress)}: only the sidecar's pages go out, not {backend['name']}")
    return found


@policy
def disruption_budgets_cover_every_long_running_workload_once(objects: Objects) -> list[str]:
    found = []
    budgets = of_kind(objects, "PodDisruptionBudget")
    covered: Counter[str] = Counter()
    for budget in budgets:
        spec = budget["spec"]
        taken = [pod for pod in pods(objects) if selects(spec.get("selector"), pod.labels)]
        covered.update(pod.name for pod in taken)
        if len(taken) != 1:
            names = ", ".join(pod.name for pod in taken) or "none"
            found.append(f"{where(budget)}: expected to cover one workload, covers {names}")
        if spec.get("maxUnavailable") != 1:
            # minAvailable: 1 of one replica would block every drain of a node.
            found.append(f"{where(budget)}: expected maxUnavailable: 1")
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            found.append(f"{where(budget)}: expected unhealthyPodEvictionPolicy: AlwaysAllow, or a broken pod blocks")
    for entry in of_kind(objects, "Deployment", "StatefulSet"):
        if entry["spec"].get("replicas", 1) >= 1 and covered[where(entry)] != 1:
            found.append(f"{where(entry)}: {covered[where(entry)]} PodDisruptionBudgets; expected 1")
    return found


@policy
def everything_is_in_the_namespace_and_labelled(objects: Objects) -> list[str]:
    found = []
    for entry in objects:
        # kustomize gives a namespace to cluster-wide objects that it does not know; the API server refuses them.
        space = None if entry["kind"] in CLUSTER_SCOPED else NAMESPACE
        if entry["metadata"].get("namespace") != space:
            found.append(f"{where(entry)}: namespace {entry['metadata'].get('namespace')}; expected {space}")
        labels = entry["metadata"].get("labels", {})
        found += [
            f"{where(entry)}: label {key}: expected {value}, got {labels.get(key)}"
            for key, value in LABELS.items()
            if labels.get(key) != value
        ]
    for pod in pods(objects):
        found += [
            f"{pod.name}: its pods lack the label {key}" for key in LABELS if pod.labels.get(key) != LABELS[key]
        ]
        if not pod.component:
            found.append(f"{pod.name}: its pods lack the label {COMPONENT}")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", pod.owner["metadata"]["name"]):
            found.append(f"{pod.name}: that name cannot be a host name")
        if pod.kind == "CronJob" and len(pod.owner["metadata"]["name"]) > 52:
            found.append(f"{pod.name}: names of CronJobs have at most 52 letters")
    kinds = Counter((entry["kind"], entry["metadata"]["name"]) for entry in objects)
    found += [f"{kind}/{name}: it is there {count} times" for (kind, name), count in kinds.items() if count > 1]
    return found


@policy
def replicas_spread_over_nodes(objects: Objects) -> list[str]:
    found = []
    for pod in pods(objects):
        for rule in pod.spec.get("topologySpreadConstraints", []):
            counted = [other.name for other in pods(objects) if selects(rule.get("labelSelector"), other.labels)]
            if counted != [pod.name]:
                names = ", ".join(counted) or "nothing"
                found.append(f"{pod.name}: its topology spread counts {names}; expected its own pods")
            if rule.get("topologyKey") not in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
                found.append(f"{pod.name}: its topology spread is over {rule.get('topologyKey')}")
            if rule.get("whenUnsatisfiable") != "ScheduleAnyway":
                found.append(f"{pod.name}: on one node it would never start; expected ScheduleAnyway")
        if pod.component == "model-server" and not pod.spec.get("topologySpreadConstraints"):
            found.append(f"{pod.name}: expected topologySpreadConstraints over kubernetes.io/hostname")
    return found
