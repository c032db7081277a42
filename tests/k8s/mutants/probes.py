"""Probes, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import Mutant, drop, sidecar, tfserving, watch
from tests.k8s.objects import find

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
    Mutant(
        "the_model_server_is_probed_for_its_model",
        "a gRPC probe of an encrypted port",
        lambda o: tfserving(o).update(livenessProbe={"grpc": {"port": 8500}, "failureThreshold": 6}),
        "the kubelet's gRPC knows no TLS",
        of="base+grpc-tls",
    ),
    Mutant(
        "roll_outs_are_not_given_up_while_pods_start",
        "the default deadline",
        lambda o: find(o, "Deployment", "model-server")["spec"].pop("progressDeadlineSeconds"),
        "progressDeadlineSeconds 600: it may take 600 s to start",
    ),
]
