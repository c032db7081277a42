"""Images, users and rights: Pod Security `restricted`, and a little more."""

from __future__ import annotations

import re

from tests.k8s.objects import NAMESPACE, Container, containers, of_kind, pods, where
from tests.k8s.policies import policy
from tests.k8s.rendering import Objects

UID = 10001

# Pod Security Standards, restricted; the admission controller takes `image` since 1.33.
VOLUME_TYPES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
    *("secret", "volumeClaimTemplate"),
}
PUBLIC_IMAGES = {"tensorflow/serving", "postgres", "prom/prometheus", "grafana/grafana"}
OUR_IMAGES = {
    *("snowmode-client", "snowmode-sidecar", "snowmode-training", "snowmode-model-server", "snowmode-serving"),
    "snowmode-model",
}
PULL_POLICIES = {"Always", "IfNotPresent"}

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_VERSION = re.compile(r":v?[0-9]+(\.[0-9]+)+([-.][0-9A-Za-z.-]+)?$")


def image_faults(image: str) -> list[str]:
    """What is wrong with the reference of an image."""
    if _DIGEST.search(image):
        return []
    if not _VERSION.search(image):
        return [f"image {image!r}: expected a version of two numbers or more, or a digest"]
    return []


@policy
def every_image_is_pinned(objects: Objects) -> list[str]:
    found = [
        f"{container.name}: {fault}"
        for container in containers(objects)
        for fault in image_faults(container.spec.get("image", ""))
    ]
    for pod in pods(objects):
        for volume in pod.volumes.values():
            if "image" in volume:
                found += [
                    f"{pod.name} volume {volume['name']}: {f}" for f in image_faults(volume["image"]["reference"])
                ]
    return found


@policy
def every_image_is_a_known_one(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        if container.image not in PUBLIC_IMAGES | OUR_IMAGES:
            found.append(f"{container.name}: image {container.spec.get('image')!r} is none of ours and none we use")
        if container.image == "tensorflow/serving" and ":2.20.0" not in container.spec["image"]:
            found.append(f"{container.name}: expected tensorflow/serving:2.20.0, the version models are made for")
        if container.spec.get("imagePullPolicy", "IfNotPresent") not in PULL_POLICIES:
            found.append(f"{container.name}: imagePullPolicy {container.spec['imagePullPolicy']}")
    return found


@policy
def the_namespace_demands_restricted_pods(objects: Objects) -> list[str]:
    spaces = [entry for entry in of_kind(objects, "Namespace") if entry["metadata"]["name"] == NAMESPACE]
    if not spaces:
        return [f"there is no Namespace/{NAMESPACE}"]
    labels = spaces[0]["metadata"].get("labels", {})
    found = [
        f"Namespace/{NAMESPACE}: label pod-security.kubernetes.io/{mode}: expected restricted, got {labels.get(key)}"
        for mode in ("enforce", "audit", "warn")
        if labels.get(key := f"pod-security.kubernetes.io/{mode}") != "restricted"
    ]
    version = labels.get("pod-security.kubernetes.io/enforce-version", "latest")
    if not re.fullmatch(r"latest|v1\.[0-9]+", version):
        found.append(f"Namespace/{NAMESPACE}: enforce-version {version!r}: expected latest or v1.NN")
    return found


def _container_faults(container: Container) -> list[str]:
    found = []
    of_pod = container.pod.spec.get("securityContext", {})
    context = {
        **{
            key: of_pod[key] for key in ("runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile") if key in of_pod
        },
        **container.spec.get("securityContext", {}),
    }
    for key, expected in (
        ("runAsNonRoot", True),
        ("runAsUser", UID),
        ("runAsGroup", UID),
        ("allowPrivilegeEscalation", False),
        ("readOnlyRootFilesystem", True),
    ):
        if context.get(key) != expected:
            found.append(f"{key}: expected {expected}, got {context.get(key)}")
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("seccompProfile: expected RuntimeDefault")
    capabilities = context.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        found.append(f"capabilities: expected drop: [ALL] and no more, got {capabilities}")
    if context.get("privileged"):
        found.append("privileged")
    if context.get("procMount", "Default") != "Default":
        found.append("procMount: expected Default")
    if any("hostPort" in port for port in container.spec.get("ports", [])):
        found.append("hostPort")
    return found


@policy
def every_pod_satisfies_restricted(objects: Objects) -> list[str]:
    found = []
    for pod in pods(objects):
        for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            # A shared process namespace: TensorFlow Serving would no longer be PID 1 and die on SIGTERM, undrained.
            if pod.spec.get(key):
                found.append(f"{pod.name}: {key}")
        if pod.spec.get("securityContext", {}).get("sysctls"):
            found.append(f"{pod.name}: sysctls")
        if pod.spec.get("hostUsers"):
            found.append(f"{pod.name}: hostUsers")
        if pod.spec.get("securityContext", {}).get("fsGroup") != UID and any(
            "persistentVolumeClaim" in volume or "volumeClaimTemplate" in volume for volume in pod.volumes.values()
        ):
            found.append(f"{pod.name}: it mounts claims; expected fsGroup: {UID}, or it cannot write to them")
        for volume in pod.volumes.values():
            types = set(volume) - {"name"}
            if not types <= VOLUME_TYPES:
                found.append(f"{pod.name}: volume {volume['name']}: {', '.join(types - VOLUME_TYPES)} is not allowed")
        for container in pod.containers:
            found += [f"{container.name}: {fault}" for fault in _container_faults(container)]
    return found


@policy
def no_pod_talks_to_the_api_server(objects: Objects) -> list[str]:
    found = []
    accounts = {entry["metadata"]["name"]: entry for entry in of_kind(objects, "ServiceAccount")}
    used: dict[str, str] = {}
    for pod in pods(objects):
        if pod.spec.get("automountServiceAccountToken") is not False:
            found.append(f"{pod.name}: expected automountServiceAccountToken: false")
        name = pod.spec.get("serviceAccountName", "default")
        if name == "default":
            found.append(f"{pod.name}: expected a ServiceAccount of its own")
        elif name not in accounts:
            found.append(f"{pod.name}: there is no ServiceAccount/{name}")
        used[name] = pod.name
    for name, account in accounts.items():
        if account.get("automountServiceAccountToken") is not False:
            found.append(f"ServiceAccount/{name}: expected automountServiceAccountToken: false")
        if name not in used:
            found.append(f"ServiceAccount/{name}: no pod uses it")
    for entry in of_kind(objects, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        found.append(f"{where(entry)}: no part of the system needs the API server")
    return found


@policy
def no_variables_of_services_leak_in(objects: Objects) -> list[str]:
    """Kubernetes would set SIDECAR_PORT=tcp://... and the like in every pod."""
    return [
        f"{pod.name}: expected enableServiceLinks: false"
        for pod in pods(objects)
        if pod.spec.get("enableServiceLinks") is not False
    ]


@policy
def no_secret_is_committed(objects: Objects) -> list[str]:
    found = []
    for secret in of_kind(objects, "Secret"):
        if secret.get("data") or secret.get("stringData"):
            found.append(f"{where(secret)}: it has data; secrets are made by the operator, never committed")
    telling = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@$]+:[^/\s@$]+@")
    for config in of_kind(objects, "ConfigMap"):
        for key, text in config.get("data", {}).items():
            if telling.search(text):
                found.append(f"{where(config)} {key}: it holds a private key or a password in an address")
    for container in containers(objects):
        for variable in container.spec.get("env", []):
            value = variable.get("value", "")
            if re.search(r"TOKEN|PASSWORD|SECRET", variable["name"]) and value and not value.startswith(("$(", "/")):
                found.append(f"{container.name}: {variable['name']} has its value in the manifest; expected a Secret")
            if telling.search(value):
                found.append(f"{container.name}: {variable['name']} holds a password in an address")
    return found
