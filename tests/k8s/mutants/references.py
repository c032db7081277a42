"""References, volumes and addresses, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import (
    Mutant,
    remove,
    server,
    service,
    set_in,
    set_variable,
    tfserving,
    variable,
    watch,
    watcher,
)
from tests.k8s.objects import find, of_kind

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
        lambda o: set_in(
            "spec.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        )(find(o, "Deployment", "model-server")),
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
    Mutant(
        "variables_and_volumes_have_a_source",
        "a volume that would be an emptyDir",
        lambda o: next(v for v in watcher(o).spec["volumes"] if v["name"] == "results").pop("persistentVolumeClaim"),
        "Deployment/watcher: volume results has 0 sources",
    ),
    Mutant(
        "variables_and_volumes_have_a_source",
        "a variable of nothing",
        lambda o: variable(watch(o), "SNOWMODE_TOKEN").pop("valueFrom"),
        "SNOWMODE_TOKEN has no value",
    ),
]
