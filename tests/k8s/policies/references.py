"""What is referenced exists: configs, secrets, claims, hosts; what exists is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.k8s.objects import NAMESPACE, Pod, containers, of_kind, pods, selects, where
from tests.k8s.policies import policy
from tests.k8s.policies.selectors import named_ports
from tests.k8s.rendering import Objects

MADE_BY_THE_OPERATOR = {
    # The bearer token that the watcher sends and the sidecar takes; the password of PostgreSQL.
    "snowmode": {"token", "database-password"},
    # The certificate of the ingress.
    "snowmode-tls": {"tls.crt", "tls.key"},
    # That of TensorFlow Serving, which wants it in a file of its own form, and who vouches for it.
    "model-server-tls": {"ssl.config", "ca.crt"},
}
"""Secrets that are no part of the manifests, and their keys. docs/kubernetes.md says how to make each."""


def references(pod: Pod) -> Iterator[tuple[str, str, str | None, bool]]:
    """Yields kind, name, key (None: the whole) and whether it may be missing."""
    for volume in pod.volumes.values():
        for part in [volume, *volume.get("projected", {}).get("sources", [])]:
            for field, kind, name in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
                if field in part:
                    source = part[field]
                    keys = [item["key"] for item in source.get("items", [])] or [None]
                    for key in keys:
                        yield kind, source.get(name) or source["name"], key, source.get("optional", False)
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], None, False
    for container in pod.containers:
        for source in container.spec.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"], None, source[field].get("optional", False)
        for variable in container.spec.get("env", []):
            given = variable.get("valueFrom", {})
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in given:
                    yield kind, given[field]["name"], given[field]["key"], given[field].get("optional", False)
    for secret in pod.spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"], None, True


@policy
def what_pods_refer_to_exists(objects: Objects) -> list[str]:
    found = []
    there = {(entry["kind"], entry["metadata"]["name"]): entry for entry in objects}
    for pod in pods(objects):
        for kind, name, key, optional in references(pod):
            entry = there.get((kind, name))
            if kind == "Secret" and name in MADE_BY_THE_OPERATOR:
                if key is not None and key not in MADE_BY_THE_OPERATOR[name]:
                    found.append(f"{pod.name}: the operator gives Secret/{name} no key {key}")
                continue
            if entry is None:
                if kind == "Secret" or not optional:
                    hint = "; nor is it in the list of what the operator makes" if kind == "Secret" else ""
                    found.append(f"{pod.name}: there is no {kind}/{name}{hint}")
            elif key is not None and key not in {**entry.get("data", {}), **entry.get("binaryData", {})}:
                found.append(f"{pod.name}: {kind}/{name} has no key {key}")
    for ingress in of_kind(objects, "Ingress"):
        for part in ingress["spec"].get("tls", []):
            if part.get("secretName") and part["secretName"] not in MADE_BY_THE_OPERATOR:
                found.append(f"{where(ingress)}: Secret/{part['secretName']} is not in the list of what is made")
    return found


@policy
def variables_and_volumes_have_a_source(objects: Objects) -> list[str]:
    """A volume without one becomes an emptyDir, without a word: what is written there is gone with the pod."""
    found = []
    for pod in pods(objects):
        for name, volume in pod.volumes.items():
            sources = [key for key, value in volume.items() if key != "name" and value is not None]
            if len(sources) != 1:
                found.append(f"{pod.name}: volume {name} has {len(sources)} sources; expected 1")
    for container in containers(objects):
        for variable in container.spec.get("env", []):
            references = [part for part in variable.get("valueFrom", {}).values() if part]
            if "value" not in variable and not references:
                found.append(f"{container.name}: {variable['name']} has no value")
        for source in container.spec.get("envFrom", []):
            if not source.get("configMapRef") and not source.get("secretRef"):
                found.append(f"{container.name}: an envFrom of nothing")
    return found


@policy
def what_exists_is_used(objects: Objects) -> list[str]:
    found = []
    used = {(kind, name) for pod in pods(objects) for kind, name, _, _ in references(pod)}
    for entry in of_kind(objects, "ConfigMap", "Secret", "PersistentVolumeClaim"):
        # Grafana's own sidecar finds dashboards by their label.
        if entry["metadata"].get("labels", {}).get("grafana_dashboard"):
            continue
        if (entry["kind"], entry["metadata"]["name"]) not in used:
            found.append(f"{where(entry)}: no pod uses it")
    return found


@policy
def a_change_of_configuration_rolls_out(objects: Objects) -> list[str]:
    """kustomize appends a hash of the contents; without it pods go on with what they read at their start."""
    return [
        f"{where(entry)}: expected a hash at the end of its name (configMapGenerator)"
        for entry in of_kind(objects, "ConfigMap")
        if not re.search(r"-[bcdfghkmt24-9]{10}$", entry["metadata"]["name"])
        and not entry["metadata"].get("labels", {}).get("grafana_dashboard")
    ]


@policy
def mounted_keys_exist(objects: Objects) -> list[str]:
    """A subPath that is no key of the ConfigMap becomes an empty folder."""
    found = []
    configs = {entry["metadata"]["name"]: entry for entry in of_kind(objects, "ConfigMap")}
    for container in containers(objects):
        for mount in container.spec.get("volumeMounts", []):
            source = container.pod.volumes.get(mount["name"], {}).get("configMap")
            if source and "subPath" in mount and source["name"] in configs:
                items = {item["path"] for item in source.get("items", [])}
                keys = items or set(configs[source["name"]].get("data", {}))
                if mount["subPath"] not in keys:
                    found.append(f"{container.name}: ConfigMap/{source['name']} has no {mount['subPath']}")
    return found


_HOST = r"[a-z](?:[-a-z0-9]*[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>[a-z+]+):/{{2,3}}(?:[^@/\s]+@)?)(?P<host>{_HOST}(?:\.{_HOST})*)(?::(?P<port>[0-9]+))?"
    rf"|(?<![-\w.])(?P<bare>{_HOST}(?:\.{_HOST})*):(?P<bareport>[0-9]{{2,5}})(?![0-9])"
)
DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432}


def addresses(objects: Objects) -> Iterator[tuple[str, str, str, int]]:
    """Yields where an address stands, its text, host and port: in arguments, variables and config files."""
    for place, text in _texts(objects):
        for match in _ADDRESS.finditer(text):
            host = match["host"] or match["bare"]
            port = match["port"] or match["bareport"] or DEFAULT_PORTS.get(match["scheme"] or "", 0)
            yield place, match[0], host, int(port)


def _texts(objects: Objects) -> Iterator[tuple[str, str]]:
    for container in containers(objects):
        if container.image.startswith("snowmode-"):
            for text in [*container.spec.get("command", []), *container.spec.get("args", [])]:
                yield container.name, text
        for variable in container.spec.get("env", []):
            if variable["name"].startswith("SNOWMODE_"):
                yield f"{container.name}: {variable['name']}", str(variable.get("value", ""))
    for config in of_kind(objects, "ConfigMap"):
        for key, text in config.get("data", {}).items():
            if key.startswith("SNOWMODE_") or key.endswith((".toml", ".env")):
                yield f"{where(config)} {key}", text


LOOPBACK = {"localhost", "127.0.0.1", "0.0.0.0"}


@policy
def addresses_lead_to_services_that_exist(objects: Objects) -> list[str]:
    found = []
    services = {entry["metadata"]["name"]: entry for entry in of_kind(objects, "Service")}
    for place, text, host, port in addresses(objects):
        if host in LOOPBACK or host.endswith((".example", ".test")):
            continue
        words = host.split(".")
        # A name of a pod behind a headless Service: POD.SERVICE, and then as below.
        service = services.get(words[0]) or (services.get(words[1]) if len(words) > 1 else None)
        name = service["metadata"]["name"] if service else words[0]
        rest = words[words.index(name) + 1 :] if service else words[1:]
        if service is None:
            found.append(f"{place}: {text}: there is no Service/{name}")
            continue
        if rest and rest != [NAMESPACE, "svc", "cluster", "local"][: len(rest)]:
            found.append(f"{place}: {text}: expected {name}.{NAMESPACE}.svc.cluster.local or a beginning of it")
        known = {entry["port"] for entry in service["spec"].get("ports", [])}
        if service["spec"].get("clusterIP") == "None":
            selector = {"matchLabels": service["spec"].get("selector", {})}
            taken = [pod for pod in pods(objects) if selects(selector, pod.labels)]
            known = {value for pod in taken for value in named_ports(pod) if isinstance(value, int)}
        if port not in known:
            found.append(f"{place}: {text}: Service/{name} has no port {port}")
    return found


@policy
def grpc_clients_balance_by_themselves(objects: Objects) -> list[str]:
    """Only `dns:///` with the headless Service lets a client see every replica."""
    found = []
    for place, text, host, port in addresses(objects):
        if port == 8500 and host.startswith("model-server") and not text.startswith("dns:///"):
            found.append(f"{place}: {text}: expected dns:///{host}:{port}")
    return found


@policy
def volumes_can_be_mounted_by_all_who_mount_them(objects: Objects) -> list[str]:
    """ReadWriteOnce binds a volume to one node: others must go there, and the next pod waits for the last one."""
    found = []
    claims = of_kind(objects, "PersistentVolumeClaim")
    once = set()
    for entry in of_kind(objects, "StatefulSet"):
        found += [
            f"{where(entry)}: claim {claim['metadata']['name']}: expected accessModes and storage"
            for claim in entry["spec"].get("volumeClaimTemplates", [])
            if not claim.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
            or not claim["spec"].get("accessModes")
        ]
    for claim in claims:
        modes = claim["spec"].get("accessModes", [])
        if not modes or not claim["spec"].get("resources", {}).get("requests", {}).get("storage"):
            found.append(f"{where(claim)}: expected accessModes and a request of storage")
        if "ReadWriteMany" not in modes:
            once.add(claim["metadata"]["name"])
    one_node = len(once) == len(claims)  # a cluster on a laptop
    for name in sorted(once):
        users = [pod for pod in pods(objects) if ("PersistentVolumeClaim", name, None, False) in references(pod)]
        living = [pod for pod in users if not pod.job]
        for pod in living:
            # Of a RollingUpdate the next pod comes while the last one still stops, with maxSurge: 0 as well.
            if pod.owner["spec"].get("strategy", {}).get("type") != "Recreate":
                found.append(f"{pod.name}: its next pod cannot have {name} before it is gone; expected Recreate")
            if pod.owner["spec"].get("replicas", 0 if _scaled(objects, pod) else 1) != 1:
                found.append(f"{pod.name}: several replicas cannot share {name}")
        if one_node or len(users) == 1 or not living:
            continue  # Jobs alone take turns: the second waits until the first has ended
        for pod in users:
            if pod not in living[:1] and not any(_goes_to(pod, other) for other in living):
                found.append(f"{pod.name}: {name} is on one node; expected podAffinity to who has it")
    return found


def _scaled(objects: Objects, pod: Pod) -> bool:
    name = pod.owner["metadata"]["name"]
    return any(entry["spec"]["scaleTargetRef"]["name"] == name for entry in of_kind(objects, "ScaledObject"))


def _goes_to(pod: Pod, other: Pod) -> bool:
    affinity = pod.spec.get("affinity", {}).get("podAffinity", {})
    return any(
        term["topologyKey"] == "kubernetes.io/hostname" and selects(term["labelSelector"], other.labels)
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
    )
