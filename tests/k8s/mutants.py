"""Manifests broken on purpose, one fault each, and the rule that must report it in words that help."""

from __future__ import annotations

import re
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


SELECTORS = [
    Mutant(
        "workloads_select_their_own_pods_and_no_others",
        "a label changed in the template alone",
        lambda o: server(o).labels.update({"app.kubernetes.io/component": "server"}),
        "Deployment/model-server: its selector does not match",
    ),
    Mutant(
        "workloads_select_their_own_pods_and_no_others",
        "a selector without the component",
        lambda o: set_in("spec.selector.matchLabels", {"app.kubernetes.io/name": "snowmode"})(
            find(o, "Deployment", "watcher")
        ),
        "Deployment/watcher: its selector matches the pods of Deployment/model-server too",
    ),
    Mutant(
        "services_select_the_pods_of_one_workload",
        "a misspelt selector",
        lambda o: service(o, "sidecar")["selector"].update({"app.kubernetes.io/component": "sidecar"}),
        "Service/sidecar: expected to select the pods of one workload, selects those of none",
    ),
    Mutant(
        "services_select_the_pods_of_one_workload",
        "a targetPort nobody has",
        lambda o: service(o, "sidecar")["ports"][0].update(targetPort="pages"),
        "Service/sidecar: Deployment/model-server has no port pages",
    ),
    Mutant(
        "services_select_the_pods_of_one_workload",
        "UDP instead of TCP",
        lambda o: service(o, "sidecar")["ports"][0].update(protocol="UDP"),
        "speaks TCP",
    ),
    Mutant(
        "host_names_of_pods_have_a_headless_service",
        "workers that cannot find each other",
        lambda o: pod_of(o, "CronJob", "training-multinode").spec.pop("subdomain"),
        "CronJob/training-multinode: its pods call each other",
    ),
    Mutant(
        "host_names_of_pods_have_a_headless_service",
        "workers that are found too late",
        lambda o: service(o, "training-multinode").pop("publishNotReadyAddresses"),
        "Service/training-multinode: workers look for each other",
    ),
    Mutant(
        "the_grpc_service_of_the_model_server_is_headless",
        "a cluster address for gRPC",
        lambda o: service(o, "model-server").pop("clusterIP"),
        "Service/model-server: gRPC behind a cluster address",
    ),
    Mutant(
        "no_service_is_open_to_the_world",
        "a load balancer before the REST port",
        lambda o: service(o, "model-server-http").update(type="LoadBalancer"),
        "Service/model-server-http: type LoadBalancer",
    ),
    Mutant(
        "ingresses_lead_to_services_and_speak_tls",
        "a host without TLS",
        lambda o: of_kind(o, "Ingress")[0]["spec"]["rules"][0].update(host="plain.example"),
        "no TLS for plain.example",
    ),
    Mutant(
        "ingresses_lead_to_services_and_speak_tls",
        "the REST port of TensorFlow Serving for everybody",
        lambda o: of_kind(o, "Ingress")[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(
            name="model-server-http", port={"number": 8501}
        ),
        "only the sidecar's pages go out",
    ),
    Mutant(
        "disruption_budgets_cover_every_long_running_workload_once",
        "no budget for the watcher",
        lambda o: remove(o, find(o, "PodDisruptionBudget", "watcher")),
        "Deployment/watcher: 0 PodDisruptionBudgets",
    ),
    Mutant(
        "disruption_budgets_cover_every_long_running_workload_once",
        "a budget that blocks every drain",
        lambda o: set_in("spec.maxUnavailable", 0)(find(o, "PodDisruptionBudget", "model-server")),
        "expected maxUnavailable: 1",
    ),
    Mutant(
        "everything_is_in_the_namespace_and_labelled",
        "an object in the default namespace",
        lambda o: find(o, "Service", "sidecar")["metadata"].pop("namespace"),
        "Service/sidecar: namespace None",
    ),
    Mutant(
        "everything_is_in_the_namespace_and_labelled",
        "a cluster-wide object in a namespace",
        lambda o: find(o, "PriorityClass", "snowmode-live")["metadata"].update(namespace="snowmode"),
        "PriorityClass/snowmode-live: namespace snowmode; expected None",
    ),
    Mutant(
        "everything_is_in_the_namespace_and_labelled",
        "a pod without its component",
        lambda o: server(o).labels.pop("app.kubernetes.io/component"),
        "Deployment/model-server: its pods lack the label app.kubernetes.io/component",
    ),
    Mutant(
        "replicas_spread_over_nodes",
        "a spread that counts other pods",
        lambda o: set_in("labelSelector.matchLabels", {"app.kubernetes.io/component": "watcher"})(
            server(o).spec["topologySpreadConstraints"][0]
        ),
        "does not count its own pods",
    ),
]

SECURITY = [
    Mutant(
        "every_image_is_pinned",
        "latest",
        lambda o: watch(o).update(image="images.example/snowmode-client:latest"),
        "Deployment/watcher container",
    ),
    Mutant(
        "every_image_is_pinned",
        "no tag at all, and a port in the registry",
        lambda o: watch(o).update(image="images.example:5000/snowmode-client"),
        "images.example:5000/snowmode-client",
    ),
    Mutant(
        "every_image_is_pinned",
        "a major version alone",
        lambda o: watch(o).update(image="postgres:17"),
        "expected a version",
    ),
    Mutant(
        "every_image_is_a_known_one",
        "somebody else's image",
        lambda o: watch(o).update(image="images.example/busybox:1.36.1"),
        "none of ours",
    ),
    Mutant(
        "every_image_is_a_known_one",
        "another TensorFlow Serving",
        lambda o: tfserving(o).update(image="tensorflow/serving:2.13.1-gpu"),
        "expected tensorflow/serving:2.20.0",
    ),
    Mutant(
        "the_namespace_demands_restricted_pods",
        "baseline",
        lambda o: find(o, "Namespace", "snowmode")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "expected restricted, got baseline",
    ),
    *(
        Mutant("every_pod_satisfies_restricted", name, break_it, says)
        for name, break_it, says in (
            ("root", lambda o: set_in("securityContext.runAsUser", 0)(watch(o)), "runAsUser: expected 10001, got 0"),
            (
                "a root file system that can be written",
                lambda o: set_in("securityContext.readOnlyRootFilesystem", False)(tfserving(o)),
                "Deployment/model-server container tfserving: readOnlyRootFilesystem",
            ),
            (
                "a capability",
                lambda o: set_in("securityContext.capabilities.add", ["NET_ADMIN"])(sidecar(o)),
                "capabilities: expected drop: [ALL]",
            ),
            (
                "escalation",
                lambda o: set_in("securityContext.allowPrivilegeEscalation", None)(sidecar(o)),
                "allowPrivilegeEscalation",
            ),
            (
                "no seccomp",
                lambda o: set_in("securityContext.seccompProfile", None)(server(o).spec),
                "seccompProfile: expected RuntimeDefault",
            ),
            (
                "a folder of the node",
                lambda o: server(o).spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
                "volume host: hostPath is not allowed",
            ),
            ("the node's network", lambda o: server(o).spec.update(hostNetwork=True), "hostNetwork"),
            (
                "a shared process namespace",
                lambda o: server(o).spec.update(shareProcessNamespace=True),
                "shareProcessNamespace",
            ),
            (
                "claims of another group",
                lambda o: set_in("securityContext.fsGroup", None)(watcher(o).spec),
                "expected fsGroup: 10001",
            ),
        )
    ),
    Mutant(
        "no_pod_talks_to_the_api_server",
        "a token in the pod",
        lambda o: watcher(o).spec.pop("automountServiceAccountToken"),
        "Deployment/watcher: expected automountServiceAccountToken: false",
    ),
    Mutant(
        "no_pod_talks_to_the_api_server",
        "the default account",
        lambda o: watcher(o).spec.pop("serviceAccountName"),
        "Deployment/watcher: expected a ServiceAccount of its own",
    ),
    Mutant(
        "no_variables_of_services_leak_in",
        "the default",
        lambda o: watcher(o).spec.pop("enableServiceLinks"),
        "Deployment/watcher: expected enableServiceLinks: false",
    ),
    Mutant(
        "no_secret_is_committed",
        "a Secret with data",
        lambda o: o.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "snowmode-token", "namespace": "snowmode"},
                "stringData": {"token": "0123456789abcdef"},
            }
        ),
        "Secret/snowmode-token: it has data",
    ),
    Mutant(
        "no_secret_is_committed",
        "a token in a variable",
        lambda o: set_variable(watch(o), "SNOWMODE_TOKEN", "0123456789abcdef"),
        "SNOWMODE_TOKEN has its value in the manifest",
    ),
    Mutant(
        "no_secret_is_committed",
        "a password in an address",
        lambda o: set_variable(
            sidecar(o), "SNOWMODE_SIDECAR_DATABASE", "postgresql://snowmode:geheim@postgres/snowmode"
        ),
        "holds a password in an address",
    ),
]

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

JOBS = [
    *(
        Mutant("jobs_end_and_are_cleared_away", f"no {key}", lambda o, key=key: job(o, "training").pop(key), key)
        for key in ("activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimit")
    ),
    Mutant(
        "jobs_end_and_are_cleared_away",
        "OnFailure",
        lambda o: pod_of(o, "CronJob", "training").spec.update(restartPolicy="OnFailure"),
        "expected restartPolicy: Never",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "no policy",
        lambda o: job(o, "training").pop("podFailurePolicy"),
        "CronJob/training: podFailurePolicy: expected the Job to fail at once on exit code 2",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "75 taken for a failure",
        lambda o: first_exit_codes(job(o, "training"))["values"].append(75),
        "74 and 75 mean: try again",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "a container that is not there",
        lambda o: first_exit_codes(job(o, "training")).update(containerName="trainer"),
        "there is no container trainer",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "two at a time",
        lambda o: cron(o, "training-seasonal").update(concurrencyPolicy="Allow"),
        "expected concurrencyPolicy: Forbid",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "a zone that is none",
        lambda o: cron(o, "training-seasonal").update(timeZone="JST"),
        "timeZone JST",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "six fields",
        lambda o: cron(o, "training-seasonal").update(schedule="0 0 3 1 11 *"),
        "expected five fields",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a promotion by the clock",
        lambda o: cron(o, "promote").pop("suspend"),
        "CronJob/promote: expected suspend: true",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a backup that never runs",
        lambda o: cron(o, "database-backup").update(suspend=True),
        "CronJob/database-backup: it is suspended",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a Job beside the Deployments",
        lambda o: o.append(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": "training", "namespace": "snowmode"},
                "spec": cron(o, "training")["jobTemplate"]["spec"],
            }
        ),
        "Job/training: expected a suspended CronJob",
    ),
]

PROBES = [
    Mutant(
        "probes_ask_ports_and_paths_that_exist",
        "a port that is not there",
        lambda o: sidecar(o)["livenessProbe"]["httpGet"].update(port=8081),
        "livenessProbe asks port 8081",
    ),
    Mutant(
        "probes_ask_ports_and_paths_that_exist",
        "a path the sidecar does not have",
        lambda o: sidecar(o)["livenessProbe"]["httpGet"].update(path="/livez"),
        "livenessProbe: nobody answers /livez",
    ),
    Mutant(
        "probes_ask_ports_and_paths_that_exist",
        "a path the watcher does not have",
        lambda o: watch(o)["livenessProbe"]["httpGet"].update(path="/alive"),
        "livenessProbe: nobody answers /alive",
    ),
    Mutant(
        "probes_ask_ports_and_paths_that_exist",
        "a health service with a package",
        lambda o: tfserving(o)["livenessProbe"]["grpc"].update(service="tensorflow.serving.PredictionService"),
        "there is no health service",
    ),
    Mutant(
        "long_running_containers_have_probes_that_differ",
        "no liveness",
        lambda o: sidecar(o).pop("livenessProbe"),
        "sidecar: expected a livenessProbe",
    ),
    Mutant(
        "long_running_containers_have_probes_that_differ",
        "readiness copied to liveness",
        lambda o: tfserving(o).update(livenessProbe=dict(tfserving(o)["readinessProbe"])),
        "liveness is readiness",
    ),
    Mutant(
        "the_model_server_is_probed_for_its_model",
        "the status route",
        lambda o: tfserving(o)["readinessProbe"]["httpGet"].update(path="/v1/models/snowmode"),
        "expected /v1/models/snowmode/metadata",
    ),
    Mutant(
        "the_model_server_is_probed_for_its_model",
        "no health service",
        lambda o: drop(tfserving(o), "--enable_grpc_healthcheck_service"),
        "gRPC probes need --enable_grpc_healthcheck_service=true",
    ),
    Mutant(
        "the_model_server_is_probed_for_its_model",
        "a minute for the first load",
        lambda o: tfserving(o)["startupProbe"].update(failureThreshold=12),
        "expected 600 s or more",
    ),
    Mutant(
        "the_sidecar_does_not_take_the_model_server_down",
        "readiness that waits for the database",
        lambda o: sidecar(o)["readinessProbe"]["httpGet"].update(path="/readyz"),
        "/readyz waits for database",
    ),
]

REFERENCES = [
    Mutant(
        "what_pods_refer_to_exists",
        "a Secret nobody makes",
        lambda o: variable(watch(o), "SNOWMODE_TOKEN")["valueFrom"]["secretKeyRef"].update(name="tokens"),
        "there is no Secret/tokens",
    ),
    Mutant(
        "what_pods_refer_to_exists",
        "a key that the operator is not told of",
        lambda o: variable(watch(o), "SNOWMODE_TOKEN")["valueFrom"]["secretKeyRef"].update(key="watcher"),
        "the operator gives Secret/snowmode no key watcher",
    ),
    Mutant(
        "what_pods_refer_to_exists",
        "a claim that is not there",
        lambda o: remove(o, find(o, "PersistentVolumeClaim", "models")),
        "there is no PersistentVolumeClaim/models",
    ),
    Mutant(
        "what_pods_refer_to_exists",
        "a ConfigMap that is not there",
        lambda o: remove(o, next(e for e in of_kind(o, "ConfigMap") if "batching.txt" in e.get("data", {}))),
        "there is no ConfigMap/",
    ),
    Mutant(
        "what_exists_is_used",
        "a claim nobody mounts",
        lambda o: o.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "forgotten"}, "spec": {}}
        ),
        "PersistentVolumeClaim/forgotten: no pod uses it",
    ),
    Mutant(
        "a_change_of_configuration_rolls_out",
        "a ConfigMap without a hash",
        lambda o: next(e for e in of_kind(o, "ConfigMap") if "batching.txt" in e["data"])["metadata"].update(
            name="model-server-config"
        ),
        "ConfigMap/model-server-config: expected a hash",
    ),
    Mutant(
        "mounted_keys_exist",
        "a subPath that is no key",
        lambda o: next(
            m
            for m in tfserving(o)["volumeMounts"]
            if "configMap" in next(v for v in server(o).spec["volumes"] if v["name"] == m["name"])
        ).update(subPath="batching.pbtxt"),
        "has no batching.pbtxt",
    ),
    Mutant(
        "addresses_lead_to_services_that_exist",
        "a Service of another name",
        lambda o: find(o, "Service", "model-server")["metadata"].update(name="model-serving"),
        "there is no Service/model-server",
    ),
    Mutant(
        "addresses_lead_to_services_that_exist",
        "a port the Service does not have",
        lambda o: service(o, "sidecar")["ports"][0].update(port=80),
        "Service/sidecar has no port 8080",
    ),
    Mutant(
        "grpc_clients_balance_by_themselves",
        "a plain host and port",
        lambda o: set_variable(watch(o), "SNOWMODE_SERVER", "model-server.snowmode.svc.cluster.local:8500"),
        "expected dns:///model-server",
    ),
    Mutant(
        "volumes_can_be_mounted_by_all_who_mount_them",
        "a claim of no size",
        lambda o: find(o, "PersistentVolumeClaim", "models")["spec"].pop("resources"),
        "PersistentVolumeClaim/models: expected accessModes and a request of storage",
    ),
    Mutant(
        "volumes_can_be_mounted_by_all_who_mount_them",
        "models on the node of the server",
        lambda o: find(o, "PersistentVolumeClaim", "models")["spec"].update(accessModes=["ReadWriteOnce"]),
        "CronJob/training: models is on one node",
    ),
    Mutant(
        "volumes_can_be_mounted_by_all_who_mount_them",
        "SQLite, and a new pod before the old one is gone",
        lambda o: set_in("spec.strategy.rollingUpdate.maxSurge", 1)(find(o, "Deployment", "model-server")),
        "its next pod cannot have sidecar-data before it is gone",
        of="base",
    ),
    Mutant(
        "volumes_can_be_mounted_by_all_who_mount_them",
        "SQLite, and two replicas",
        lambda o: find(o, "Deployment", "model-server")["spec"].update(replicas=2),
        "several replicas cannot share sidecar-data",
        of="base",
    ),
]

NETWORK = [
    Mutant(
        "every_flow_the_system_needs_is_open",
        "the watcher may not go out to the model server",
        lambda o: remove_policy_that_opens(o, "watcher", "egress", 8500),
        "watcher cannot reach model-server on 8500/TCP: a new frame is classified",
    ),
    Mutant(
        "every_flow_the_system_needs_is_open",
        "the model server takes nobody in",
        lambda o: remove_policy_that_opens(o, "model-server", "ingress", 8500),
        "bulk cannot reach model-server on 8500/TCP",
    ),
    Mutant(
        "every_flow_the_system_needs_is_open",
        "names over TCP are forgotten",
        lambda o: [
            rule["ports"].remove(part)
            for e in of_kind(o, "NetworkPolicy")
            for rule in e["spec"].get("egress", [])
            for part in list(rule.get("ports", []))
            if part.get("port") == 53 and part.get("protocol", "TCP") == "TCP"
        ],
        "cannot reach dns on 53/TCP",
    ),
    Mutant(
        "no_other_flow_is_open",
        "no policies at all",
        lambda o: [o.remove(entry) for entry in of_kind(o, "NetworkPolicy")],
        "a stranger's pod can reach postgres on 5432/TCP",
    ),
    Mutant(
        "no_other_flow_is_open",
        "a rule without peers opens to the world",
        lambda o: allow(o, "model-server", "ingress", {"ports": [{"port": 8501}]}),
        "a stranger's pod can reach model-server on 8501/TCP",
    ),
    Mutant(
        "no_other_flow_is_open",
        "an empty selector opens to every namespace",
        lambda o: allow(o, "postgres", "ingress", {"from": [{"namespaceSelector": {}}], "ports": [{"port": 5432}]}),
        "a stranger's pod can reach postgres on 5432/TCP",
    ),
    Mutant(
        "no_other_flow_is_open",
        "the internet",
        lambda o: allow(o, "watcher", "egress", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
        "watcher can reach the internet on 443/TCP",
    ),
    Mutant(
        "everything_is_denied_first",
        "no default",
        lambda o: [
            o.remove(entry) for entry in of_kind(o, "NetworkPolicy") if entry["spec"].get("podSelector") == {}
        ],
        "no NetworkPolicy denies Ingress",
    ),
    Mutant(
        "everything_is_denied_first",
        "a policy for nobody",
        lambda o: allow(o, "nobody", "ingress", {}),
        "NetworkPolicy/one-too-many: it selects no pod",
    ),
]

COMMANDS = [
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a misspelt flag, which the server itself would not mention",
        lambda o: words(tfserving(o)).append("--enable_batchng=true"),
        "--enable_batchng=true: TensorFlow Serving 2.20.0 has no such flag",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a flag of the embedded server",
        lambda o: words(tfserving(o)).append("--exit_with_parent=true"),
        "has no such flag",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a value after a space",
        lambda o: words(tfserving(o)).append("--grpc_max_threads"),
        "expected --grpc_max_threads=VALUE",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "the entry point of the image, a shell",
        lambda o: tfserving(o).pop("command"),
        "expected the command /usr/bin/tensorflow_model_server",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "a value that is none",
        lambda o: words(tfserving(o)).append("--grpc_max_threads=many"),
        "Invalid value for '--grpc_max_threads'",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "parameters of batching without batching",
        lambda o: drop(tfserving(o), "--enable_batching"),
        "--enable_batching is not given",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "batches that warm-up does not fit in",
        lambda o: config_text(
            o, "batching.txt", lambda t: re.sub(r"(max_batch_size\s*\{\s*value:\s*)[0-9]+", r"\g<1>64", t)
        ),
        "batch",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "a field of batching that does not exist",
        lambda o: config_text(o, "batching.txt", lambda t: t + "\nmax_batchsize { value: 512 }\n"),
        "max_batchsize",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "numbers switched off",
        lambda o: config_text(o, "monitoring.txt", lambda t: t.replace("enable: true", "enable: false")),
        "monitoring: expected a file with prometheus_config { enable: true }",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "an open profiler",
        lambda o: drop(tfserving(o), "--enable_profiler"),
        "--enable_profiler=(not given); expected false",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "a config file that is read once",
        lambda o: drop(tfserving(o), "--model_config_file_poll_wait_seconds"),
        "a promotion is never seen",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "a config file nobody writes",
        lambda o: replace(tfserving(o), "/models/models.config", "/models/model.config"),
        "training writes /models/models.config",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "an option `client watch` does not have",
        lambda o: words(watch(o)).append("--metric-port=9100"),
        "No such option",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "a variable with a value that is none",
        lambda o: set_variable(watch(o), "SNOWMODE_WATCH_POLL", "often"),
        "Invalid value for '--poll'",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "a command that is none",
        lambda o: pod_of(o, "CronJob", "training").containers[-1].spec.update(args=["runn", "--frames", "/labelled"]),
        "runn",
    ),
    Mutant(
        "every_variable_is_one_that_is_read",
        "a misspelt variable",
        lambda o: set_variable(watch(o), "SNOWMODE_SEVRER", "dns:///model-server:8500"),
        "nobody reads SNOWMODE_SEVRER",
    ),
    Mutant(
        "servers_listen_where_they_are_asked",
        "numbers for the pod alone",
        lambda o: replace(watch(o), "0.0.0.0", "127.0.0.1"),
        "it listens on 127.0.0.1",
    ),
    Mutant(
        "model_servers_listen_where_they_are_asked",
        "another REST port than declared",
        lambda o: replace(tfserving(o), "--rest_api_port=8501", "--rest_api_port=8502"),
        "it listens on [8500, 8502] and declares [8500, 8501]",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "a pod fewer than shards",
        lambda o: job(o, "bulk").update(completions=job(o, "bulk")["completions"] - 1),
        "CronJob/bulk container",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "more shards than are merged",
        lambda o: (
            job(o, "bulk").update(completions=9),
            replace(container(pod_of(o, "CronJob", "bulk")), "/8", "/9"),
        ),
        "it merges 8 shards",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "a worker more than are named",
        lambda o: job(o, "training-multinode").update(completions=3, parallelism=3),
        "2 workers named and 3 completions",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "workers one after the other",
        lambda o: job(o, "training-multinode").update(parallelism=1),
        "all workers must run at once",
        of="base",
    ),
    Mutant(
        "what_is_written_goes_to_a_volume",
        "results in the container",
        lambda o: mount(watch(o), "/results").update(mountPath="/result"),
        "expected a path on a volume",
    ),
    Mutant(
        "clients_speak_tls_where_the_server_does",
        "a server that was encrypted alone",
        lambda o: words(tfserving(o)).append("--ssl_config_file=/etc/tfserving/ssl.config"),
        "Deployment/watcher container watcher: expected SNOWMODE_TLS_CA",
    ),
    Mutant(
        "clients_speak_tls_where_the_server_does",
        "a sidecar that was forgotten",
        lambda o: set_variable(sidecar(o), "SNOWMODE_SIDECAR_TLS_CA", ""),
        "Deployment/model-server container sidecar: expected SNOWMODE_TLS_CA",
        of="base+grpc-tls",
    ),
    Mutant(
        "the_model_server_is_probed_for_its_model",
        "a gRPC probe of an encrypted port",
        lambda o: tfserving(o).update(livenessProbe={"grpc": {"port": 8500}, "failureThreshold": 6}),
        "the kubelet's gRPC knows no TLS",
        of="base+grpc-tls",
    ),
    Mutant(
        "the_sidecar_takes_no_words_from_strangers",
        "no token",
        lambda o: sidecar(o)["env"].remove(variable(sidecar(o), "SNOWMODE_SIDECAR_TOKENS")),
        "expected SNOWMODE_SIDECAR_TOKENS",
    ),
    Mutant(
        "the_sidecar_takes_no_words_from_strangers",
        "a watcher without one",
        lambda o: watch(o)["env"].remove(variable(watch(o), "SNOWMODE_TOKEN")),
        "without SNOWMODE_TOKEN",
    ),
]


CUSTOM = [
    Mutant(
        "custom_resources_have_known_fields",
        "a field that Prometheus Operator drops",
        lambda o: of_kind(o, "PodMonitor")[0]["spec"].update(podMetricEndpoints=[]),
        "podMetricEndpoints",
        of="base+monitoring",
    ),
    Mutant(
        "custom_resources_have_known_fields",
        "an alert without an expression",
        lambda o: of_kind(o, "PrometheusRule")[0]["spec"]["groups"][0]["rules"][0].pop("expr"),
        "'expr' is a required property",
        of="base+monitoring",
    ),
    Mutant(
        "custom_resources_have_known_fields",
        "a number where KEDA wants text",
        lambda o: of_kind(o, "ScaledObject")[0]["spec"]["triggers"][0]["metadata"].update(threshold=5000),
        "5000 is not of type 'string'",
        of="base+keda",
    ),
    Mutant(
        "monitors_find_what_they_scrape",
        "a port of another name",
        lambda o: of_kind(o, "PodMonitor")[0]["spec"]["podMetricsEndpoints"][0].update(port="prometheus"),
        "has no port named prometheus",
        of="base+monitoring",
    ),
    Mutant(
        "monitors_find_what_they_scrape",
        "labels nobody has",
        lambda o: of_kind(o, "PodMonitor")[0]["spec"]["selector"].update(matchLabels={"app": "snowmode"}),
        "it selects no pod",
        of="base+monitoring",
    ),
    Mutant(
        "scaling_has_a_target_and_a_floor",
        "replicas beside scaling",
        lambda o: find(o, "Deployment", "model-server")["spec"].update(replicas=1),
        "expected no replicas",
        of="base+keda",
    ),
    Mutant(
        "scaling_has_a_target_and_a_floor",
        "scaled to nothing",
        lambda o: of_kind(o, "ScaledObject")[0]["spec"].update(minReplicaCount=0),
        "expected minReplicaCount: 1",
        of="base+keda",
    ),
    Mutant(
        "queues_exist",
        "a queue that is not there",
        lambda o: of_kind(o, "LocalQueue")[0]["metadata"].update(name="other"),
        "there is no LocalQueue/",
        of="base+kueue",
    ),
    Mutant(
        "queues_exist",
        "a flavour that is not there",
        lambda o: [o.remove(entry) for entry in of_kind(o, "ResourceFlavor")],
        "there is no ResourceFlavor/",
        of="base+kueue",
    ),
]

MUTANTS = [*SELECTORS, *SECURITY, *RESOURCES, *JOBS, *PROBES, *REFERENCES, *NETWORK, *COMMANDS, *CUSTOM]
