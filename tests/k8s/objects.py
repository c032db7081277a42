"""What the policies ask of rendered objects: pods and containers, however deep they lie, and labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.k8s.rendering import Objects

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
NAMESPACE = "snowmode"

CLUSTER_SCOPED = {"Namespace", "PriorityClass", "ClusterQueue", "ResourceFlavor", "StorageClass", "PersistentVolume"}


@dataclass(frozen=True)
class Container:
    """A container, and whether it is one that ends before the others start."""

    pod: Pod
    spec: dict[str, Any]
    init: bool

    @property
    def name(self) -> str:
        return f"{self.pod.name} container {self.spec['name']}"

    @property
    def image(self) -> str:
        """The image without registry, folder of ours, tag and digest: `tensorflow/serving`, `snowmode-client`."""
        bare = re.sub(r"(:[^/:]+)?(@.+)?$", "", self.spec.get("image", ""))
        last = bare.rsplit("/", 1)[-1]
        return last if last.startswith("snowmode-") else bare

    @property
    def ports(self) -> dict[str, int]:
        return {port.get("name", ""): port["containerPort"] for port in self.spec.get("ports", [])}


@dataclass(frozen=True)
class Pod:
    """A pod as a workload would make it."""

    owner: dict[str, Any]
    template: dict[str, Any]

    @property
    def name(self) -> str:
        return where(self.owner)

    @property
    def kind(self) -> str:
        return self.owner["kind"]

    @property
    def namespace(self) -> str:
        return self.owner["metadata"].get("namespace", "")

    @property
    def labels(self) -> dict[str, str]:
        return self.template.get("metadata", {}).get("labels", {})

    @property
    def component(self) -> str:
        return self.labels.get("app.kubernetes.io/component", "")

    @property
    def spec(self) -> dict[str, Any]:
        return self.template["spec"]

    @property
    def job(self) -> dict[str, Any]:
        """What the Job says that makes it; empty for pods that are to stay."""
        return job_of(self.owner)

    @property
    def volumes(self) -> dict[str, dict[str, Any]]:
        claims = self.owner.get("spec", {}).get("volumeClaimTemplates", [])
        made = {claim["metadata"]["name"]: {"volumeClaimTemplate": claim} for claim in claims}
        return {**made, **{volume["name"]: volume for volume in self.spec.get("volumes", [])}}

    @property
    def containers(self) -> list[Container]:
        return [
            *(Container(self, spec, init=True) for spec in self.spec.get("initContainers", [])),
            *(Container(self, spec, init=False) for spec in self.spec.get("containers", [])),
        ]


def where(entry: Mapping[str, Any]) -> str:
    return f"{entry['kind']}/{entry['metadata']['name']}"


def of_kind(objects: Objects, *kinds: str) -> list[dict[str, Any]]:
    return [entry for entry in objects if entry["kind"] in kinds]


def find(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """Gives one object; the name may lack the hash that kustomize appends."""
    for entry in of_kind(objects, kind):
        if entry["metadata"]["name"] == name or re.sub(r"-[a-z0-9]{10}$", "", entry["metadata"]["name"]) == name:
            return entry
    there = ", ".join(map(where, of_kind(objects, kind))) or "none"
    raise LookupError(f"no {kind}/{name}; there are: {there}")


def pods(objects: Objects) -> list[Pod]:
    return [Pod(entry, template_of(entry)) for entry in of_kind(objects, *WORKLOADS)]


def template_of(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["kind"] == "Pod":
        return entry
    return (job_of(entry) or entry["spec"])["template"]


def job_of(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["kind"] == "CronJob":
        return entry["spec"]["jobTemplate"]["spec"]
    return entry["spec"] if entry["kind"] == "Job" else {}


def pod_of(objects: Objects, kind: str, name: str) -> Pod:
    entry = find(objects, kind, name)
    return Pod(entry, template_of(entry))


def containers(objects: Objects) -> Iterator[Container]:
    for pod in pods(objects):
        yield from pod.containers


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector takes these labels; an empty one takes all, None takes nothing."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        there, values = labels.get(rule["key"]), rule.get("values", [])
        holds = {
            "In": there in values,
            "NotIn": there not in values,
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }[rule["operator"]]
        if not holds:
            return False
    return True


def quantity(text: str | int | float) -> float:
    """Reads a Kubernetes quantity: cores or bytes."""
    match = re.fullmatch(r"([0-9.]+)(m|[kMGTPE]i?)?", str(text))
    if match is None:
        raise ValueError(f"expected a quantity such as 500m or 2Gi, received {text!r}")
    number, unit = float(match[1]), match[2] or ""
    if unit == "m":
        return number / 1000
    power = "kMGTPE".find(unit[:1]) + 1 if unit else 0
    return number * (1024 if unit.endswith("i") else 1000) ** power
