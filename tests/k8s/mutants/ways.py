"""What a mutant is, and ways to the parts of rendered objects that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.k8s.objects import Pod, find, of_kind, pod_of
from tests.k8s.rendering import Objects

GPU_PROD = "overlays/gpu-prod"
Break = Callable[[Objects], object]


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        rule: The policy that must report it.
        name: What is broken.
        break_it: Changes objects in place.
        says: Stands in what is reported.
        of: Which render is broken.
    """

    rule: str
    name: str
    break_it: Break
    says: str
    of: str = GPU_PROD

    def __str__(self) -> str:
        return f"{self.rule}: {self.name}"


# Ways to things that are broken.


def server(objects: Objects) -> Pod:
    return pod_of(objects, "Deployment", "model-server")


def watcher(objects: Objects) -> Pod:
    return pod_of(objects, "Deployment", "watcher")


def container(pod: Pod, name: str | None = None) -> dict[str, Any]:
    parts = [part.spec for part in pod.containers if not part.init]
    return parts[0] if name is None else next(part for part in parts if part["name"] == name)


def tfserving(objects: Objects) -> dict[str, Any]:
    return container(server(objects), "tfserving")


def sidecar(objects: Objects) -> dict[str, Any]:
    return container(server(objects), "sidecar")


def watch(objects: Objects) -> dict[str, Any]:
    return container(watcher(objects))


def job(objects: Objects, name: str) -> dict[str, Any]:
    """The Job that a CronJob makes."""
    return cron(objects, name)["jobTemplate"]["spec"]


def cron(objects: Objects, name: str) -> dict[str, Any]:
    return find(objects, "CronJob", name)["spec"]


def service(objects: Objects, name: str) -> dict[str, Any]:
    return find(objects, "Service", name)["spec"]


def words(part: dict[str, Any]) -> list[str]:
    return part.setdefault("args", [])


def replace(part: dict[str, Any], before: str, after: str) -> None:
    """Changes a text in arguments, wherever it stands; it must stand there."""
    changed = 0
    for key in ("command", "args"):
        for number, word in enumerate(part.get(key, [])):
            if before in word:
                part[key][number] = word.replace(before, after)
                changed += 1
    if not changed:
        raise LookupError(f"{part['name']}: no argument has {before!r}")


def drop(part: dict[str, Any], beginning: str) -> None:
    kept = [word for word in words(part) if not word.startswith(beginning)]
    if len(kept) == len(words(part)):
        raise LookupError(f"{part['name']}: no argument begins with {beginning!r}")
    part["args"] = kept


def config_text(objects: Objects, key: str, change: Callable[[str], str]) -> None:
    """Changes a file of whichever ConfigMap has it."""
    for entry in of_kind(objects, "ConfigMap"):
        if key in entry.get("data", {}):
            before = entry["data"][key]
            entry["data"][key] = change(before)
            if entry["data"][key] == before:
                raise LookupError(f"{key}: nothing changed")
            return
    raise LookupError(f"no ConfigMap has {key}")


def remove(objects: Objects, entry: dict[str, Any]) -> None:
    objects.remove(entry)


def remove_policy_that_opens(objects: Objects, component: str, direction: str, port: int | str) -> None:
    """Removes rules of network policies for one port."""
    removed = 0
    for entry in of_kind(objects, "NetworkPolicy"):
        labels = entry["spec"].get("podSelector", {})
        if component and component not in str(labels):
            continue
        for rule in entry["spec"].get(direction, []):
            kept = [part for part in rule.get("ports", []) if part.get("port") != port]
            if len(kept) != len(rule.get("ports", [])):
                # An empty list of ports would open all of them.
                rule["ports"] = kept or [{"protocol": "SCTP", "port": 9}]
                removed += 1
    if not removed:
        raise LookupError(f"no policy of {component} has {port}")


def allow(objects: Objects, component: str, direction: str, rule: dict[str, Any]) -> None:
    objects.append(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "one-too-many", "namespace": "snowmode"},
            "spec": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/component": component}},
                "policyTypes": ["Ingress" if direction == "ingress" else "Egress"],
                direction: [rule],
            },
        }
    )


def set_in(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a field, given as a.b.c, and makes what is missing on the way."""

    def change(part: Any) -> None:
        *way, last = path.split(".")
        for key in way:
            part = part[int(key)] if isinstance(part, list) else part.setdefault(key, {})
        if value is None:
            del part[last]
        else:
            part[last] = value

    return change


def first_exit_codes(spec: dict[str, Any]) -> dict[str, Any]:
    return next(rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule)


def mount(part: dict[str, Any], path: str) -> dict[str, Any]:
    return next(entry for entry in part["volumeMounts"] if entry["mountPath"] == path)


def variable(part: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in part["env"] if entry["name"] == name)


def set_variable(part: dict[str, Any], name: str, value: str) -> None:
    """Sets a variable; it goes before those of ConfigMaps."""
    part.setdefault("env", []).append({"name": name, "value": value})
