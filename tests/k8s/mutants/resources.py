"""Requests, limits, places to write and time to stop, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import (
    Mutant,
    container,
    mount,
    server,
    set_in,
    sidecar,
    tfserving,
    variable,
    watch,
    watcher,
)
from tests.k8s.objects import pod_of

RESOURCES = [
    *(
        Mutant("requests_and_memory_limits_are_set_and_no_cpu_limit", name, break_it, says)
        for name, break_it, says in (
            (
                "a limit of cpu",
                lambda o: set_in("resources.limits.cpu", "4")(tfserving(o)),
                "a limit of cpu throttles",
            ),
            (
                "no limit of memory",
                lambda o: set_in("resources.limits.memory", None)(sidecar(o)),
                "memory has no limit",
            ),
            (
                "a limit below the request",
                lambda o: set_in("resources.limits.memory", "1Mi")(watch(o)),
                "its limit of memory is below its request",
            ),
            (
                "no request of ephemeral storage",
                lambda o: set_in("resources.requests.ephemeral-storage", None)(watch(o)),
                "it requests no ephemeral-storage",
            ),
        )
    ),
    Mutant(
        "only_servers_and_training_take_a_gpu",
        "a GPU for the sidecar",
        lambda o: sidecar(o)["resources"]["limits"].update({"nvidia.com/gpu": "1"}),
        "sidecar: it has no use for a GPU",
    ),
    Mutant(
        "only_servers_and_training_take_a_gpu",
        "the image without CUDA",
        lambda o: tfserving(o).update(image="tensorflow/serving:2.20.0"),
        "runs an image without one",
    ),
    Mutant(
        "only_servers_and_training_take_a_gpu",
        "all memory of the GPU",
        lambda o: tfserving(o)["env"].remove(variable(tfserving(o), "TF_FORCE_GPU_ALLOW_GROWTH")),
        "all memory of the GPU",
    ),
    Mutant(
        "the_model_server_has_room_for_two_models",
        "room for one",
        lambda o: set_in("resources.limits.memory", "1Gi")(tfserving(o)),
        "for two models",
    ),
    Mutant(
        "what_can_be_written_is_declared",
        "no /tmp",
        lambda o: sidecar(o)["volumeMounts"].remove(mount(sidecar(o), "/tmp")),
        "sidecar: its root is read-only; expected an emptyDir at /tmp",
    ),
    Mutant(
        "what_can_be_written_is_declared",
        "a mount of no volume",
        lambda o: mount(watch(o), "/results").update(name="result"),
        "it mounts result, which the pod does not have",
    ),
    Mutant(
        "what_can_be_written_is_declared",
        "an emptyDir without an end",
        lambda o: next(v for v in server(o).spec["volumes"] if "emptyDir" in v).update(emptyDir={}),
        "has no sizeLimit",
    ),
    Mutant(
        "data_that_is_read_is_mounted_read_only",
        "a model server that can change its models",
        lambda o: mount(tfserving(o), "/models").pop("readOnly"),
        "tfserving: /models: only training",
    ),
    Mutant(
        "data_that_is_read_is_mounted_read_only",
        "a check of backups that can change them",
        lambda o: mount(container(pod_of(o, "CronJob", "verify-backup")), "/backup").pop("readOnly"),
        "/backup: what is checked is not changed",
    ),
    Mutant(
        "there_is_time_to_stop",
        "a short grace",
        lambda o: server(o).spec.update(terminationGracePeriodSeconds=30),
        "terminationGracePeriodSeconds 30",
    ),
    Mutant(
        "there_is_time_to_stop",
        "no sleep before the end",
        lambda o: tfserving(o).pop("lifecycle"),
        "expected a preStop sleep",
    ),
    Mutant(
        "live_work_goes_before_bulk_work",
        "bulk as important as live",
        lambda o: pod_of(o, "CronJob", "bulk").spec.update(priorityClassName=watcher(o).spec["priorityClassName"]),
        "CronJob/bulk goes before Deployment/watcher",
    ),
]
