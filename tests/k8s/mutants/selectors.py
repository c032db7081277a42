"""Selectors, Services, labels, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import Mutant, remove, server, service, set_in
from tests.k8s.objects import find, of_kind, pod_of

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
        "its topology spread counts Deployment/watcher",
    ),
]
