"""Network policies, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import Mutant, allow, remove_policy_that_opens
from tests.k8s.objects import of_kind

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
