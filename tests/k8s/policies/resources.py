"""Requests, limits, places to write, priorities, and time to stop."""

from __future__ import annotations

from tests.k8s.objects import containers, of_kind, pods, quantity
from tests.k8s.policies import policy
from tests.k8s.rendering import Objects

LONGEST_REQUEST_SECONDS = 20
"""`serving sidecar --stop-within`, and about what a batch of 512 frames takes `explain` on a slow CPU."""

MARGIN_SECONDS = 5


@policy
def requests_and_memory_limits_are_set_and_no_cpu_limit(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        resources = container.spec.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for key in ("cpu", "memory", "ephemeral-storage"):
            if key not in requests:
                found.append(f"{container.name}: it requests no {key}")
        for key in ("memory", "ephemeral-storage"):
            if key not in limits:
                found.append(f"{container.name}: {key} has no limit")
            elif key in requests and quantity(limits[key]) < quantity(requests[key]):
                found.append(f"{container.name}: its limit of {key} is below its request")
        if "cpu" in limits:
            found.append(f"{container.name}: a limit of cpu throttles; expected none")
        for key in {*requests, *limits} - {"cpu", "memory", "ephemeral-storage"}:
            if requests.get(key, limits.get(key)) != limits.get(key):
                found.append(f"{container.name}: {key}: request and limit must be equal")
    return found


@policy
def only_servers_and_training_take_a_gpu(objects: Objects) -> list[str]:
    found = []
    for pod in pods(objects):
        takers = []
        for container in pod.containers:
            resources = container.spec.get("resources", {})
            if any("gpu" in key for part in resources.values() for key in part):
                takers.append(container.spec["name"])
                if container.image not in ("tensorflow/serving", "snowmode-serving", "snowmode-training"):
                    found.append(f"{container.name}: it has no use for a GPU")
                if container.image.endswith("serving") and "-gpu" not in container.spec["image"].split("@")[0]:
                    found.append(f"{container.name}: it asks for a GPU and runs an image without one")
        if len(takers) > 1:
            found.append(f"{pod.name}: {' and '.join(takers)} take a GPU each")
        if takers:
            tolerated = any("gpu" in rule.get("key", "") for rule in pod.spec.get("tolerations", []))
            if not tolerated or not pod.spec.get("nodeSelector"):
                found.append(f"{pod.name}: it takes a GPU; expected a nodeSelector and a toleration")
            for container in pod.containers:
                if container.spec["name"] in takers and container.image.endswith("serving"):
                    names = {entry["name"] for entry in container.spec.get("env", [])}
                    fraction = any("per_process_gpu_memory_fraction" in a for a in container.spec.get("args", []))
                    if "TF_FORCE_GPU_ALLOW_GROWTH" not in names and not fraction:
                        found.append(f"{container.name}: it would take all memory of the GPU")
    return found


@policy
def the_model_server_has_room_for_two_models(objects: Objects) -> list[str]:
    """While a version is exchanged, both are in memory."""
    found = []
    for container in containers(objects):
        if container.pod.component == "model-server" and container.image in (
            "tensorflow/serving",
            "snowmode-serving",
        ):
            limit = container.spec.get("resources", {}).get("limits", {}).get("memory", "0")
            if quantity(limit) < 2 * 2**30:
                found.append(f"{container.name}: memory limit {limit}; expected 2Gi or more for two models")
    return found


@policy
def what_can_be_written_is_declared(objects: Objects) -> list[str]:
    found = []
    for pod in pods(objects):
        used = set()
        for container in pod.containers:
            mounts = container.spec.get("volumeMounts", [])
            used |= {mount["name"] for mount in mounts}
            for mount in mounts:
                if mount["name"] not in pod.volumes:
                    found.append(f"{container.name}: it mounts {mount['name']}, which the pod does not have")
            paths = [mount["mountPath"] for mount in mounts]
            found += [f"{container.name}: two mounts at {path}" for path in set(paths) if paths.count(path) > 1]
            temporary = next((mount for mount in mounts if mount["mountPath"] == "/tmp"), None)
            if container.init and temporary is None:
                continue  # those that only wait write nothing
            if temporary is None or "emptyDir" not in pod.volumes.get(temporary["name"], {}):
                found.append(f"{container.name}: its root is read-only; expected an emptyDir at /tmp")
        found += [f"{pod.name}: no container mounts the volume {name}" for name in pod.volumes if name not in used]
        for volume in pod.volumes.values():
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                found.append(f"{pod.name}: emptyDir {volume['name']} has no sizeLimit")
    return found


READ_ONLY = {
    "/models": {"model-server": "only training, promote and rollback change what is published"},
    "/srv/radar": {
        "model-server": "the sidecar shows the archive, it does not keep it",
        "bulk": "classifying reads",
        "training": "training reads",
        "training-seasonal": "training reads",
        "training-multinode": "training reads",
    },
    "/labelled": {
        "training": "training reads",
        "training-seasonal": "training reads",
        "training-multinode": "training reads",
    },
    "/incoming": {"watcher": "frames belong to who delivers them"},
    "/backup": {"verify-backup": "what is checked is not changed"},
}


@policy
def data_that_is_read_is_mounted_read_only(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        for mount in container.spec.get("volumeMounts", []):
            volume = container.pod.volumes.get(mount["name"], {})
            if not mount.get("readOnly") and volume.keys() & {"configMap", "secret", "image", "projected"}:
                found.append(f"{container.name}: {mount['mountPath']}: expected readOnly: true")
            reasons = READ_ONLY.get(mount["mountPath"], {})
            owner = container.pod.owner["metadata"]["name"]
            if owner in reasons and not mount.get("readOnly"):
                reason = reasons[owner]
                found.append(f"{container.name}: {mount['mountPath']}: {reason}; expected readOnly: true")
    return found


@policy
def there_is_time_to_stop(objects: Objects) -> list[str]:
    """The grace period includes the preStop sleep; what is left must do for the longest request."""
    found = []
    for pod in pods(objects):
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in pod.containers:
            sleep = container.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            serves = pod.component == "model-server" and not container.init
            if serves and sleep < 5:
                found.append(f"{container.name}: expected a preStop sleep: clients leave before the server does")
            needed = sleep + (LONGEST_REQUEST_SECONDS + MARGIN_SECONDS if serves else MARGIN_SECONDS)
            if grace < needed:
                found.append(
                    f"{container.name}: terminationGracePeriodSeconds {grace}; expected {needed} or more: preStop "
                    f"sleep {sleep} s, longest request, margin"
                )
            if "exec" in container.spec.get("lifecycle", {}).get("preStop", {}):
                found.append(f"{container.name}: preStop by a command needs a shell; expected sleep")
    return found


@policy
def live_work_goes_before_bulk_work(objects: Objects) -> list[str]:
    found = []
    classes = {entry["metadata"]["name"]: entry["value"] for entry in of_kind(objects, "PriorityClass")}
    values = {}
    for pod in pods(objects):
        name = pod.spec.get("priorityClassName")
        if name not in classes:
            found.append(f"{pod.name}: priorityClassName {name}: expected one of {', '.join(classes) or 'none'}")
        values[pod.name] = (pod.component, classes.get(name, 0))
    live = {name: value for name, (part, value) in values.items() if part in ("model-server", "watcher", "postgres")}
    rest = {name: value for name, (part, value) in values.items() if part.startswith(("bulk", "training"))}
    for name, value in live.items():
        found += [f"{other} goes before {name}, or beside it" for other, its in rest.items() if its >= value]
    for entry in of_kind(objects, "PriorityClass"):
        if entry.get("globalDefault"):
            found.append(f"PriorityClass/{entry['metadata']['name']}: it would change every pod of the cluster")
        if abs(entry["value"]) > 1_000_000_000:
            found.append(f"PriorityClass/{entry['metadata']['name']}: above 1000000000 is the system's")
    return found
