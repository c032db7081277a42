"""Objects of operators, broken."""

from __future__ import annotations

from typing import Any

from tests.k8s.mutants.ways import Mutant, remove, tfserving
from tests.k8s.objects import find, of_kind
from tests.k8s.rendering import Objects


def part_down(objects: Objects) -> list[dict[str, Any]]:
    """The two rules of SnowmodePartDown: for single pods, and for none at all."""
    rules = find(objects, "PrometheusRule", "snowmode")["spec"]["groups"][0]["rules"]
    return [rule for rule in rules if rule["alert"] == "SnowmodePartDown"]


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
    Mutant(
        "what_is_watched_is_watched_whole",
        "a sidecar nobody scrapes",
        lambda o: of_kind(o, "ServiceMonitor")[0]["spec"]["endpoints"].pop(),
        "nobody scrapes the sidecar",
    ),
    Mutant(
        "what_is_watched_is_watched_whole",
        "no dashboards",
        lambda o: [
            remove(o, entry)
            for entry in of_kind(o, "ConfigMap")
            if entry["metadata"].get("labels", {}).get("grafana_dashboard")
        ],
        "no dashboard to look at",
    ),
    Mutant(
        "nobody_is_got_up_while_a_server_starts",
        "a server with more time than the alert has",
        lambda o: tfserving(o)["startupProbe"].update(failureThreshold=180),
        "it may start for 900 s, and SnowmodePartDown waits 600 s",
    ),
    Mutant(
        "nobody_is_got_up_while_a_server_starts",
        "an alert for no pod at all that does not wait for the first",
        lambda o: part_down(o)[1].update({"for": "9m"}),
        "it may start for 600 s, and SnowmodePartDown waits 540 s",
    ),
    Mutant(
        "nobody_is_got_up_while_a_server_starts",
        "an alert for single pods that does not ask for their age",
        lambda o: part_down(o)[0].update(expr='up{job="model-server"} == 0'),
        "it may start for 600 s, and SnowmodePartDown waits 300 s",
    ),
]
