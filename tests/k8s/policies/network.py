"""Network policies: what may flow is worked out from them and held against what the system needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

from tests.k8s.objects import NAMESPACE, of_kind, pods, selects
from tests.k8s.policies import policy
from tests.k8s.policies.flows import FOREIGN, NEEDED
from tests.k8s.rendering import Objects


@dataclass(frozen=True)
class End:
    """One end of a flow: pods of ours, pods of another namespace, or an address outside."""

    name: str
    namespace: str = NAMESPACE
    labels: dict[str, str] = field(default_factory=dict)
    namespace_labels: dict[str, str] = field(default_factory=dict)
    address: str = ""
    ports: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Named ports: number and protocol."""


def ends_of(objects: Objects) -> list[End]:
    """Gives our pods by component, and the foreign ends that flows may come from or go to."""
    space = next(iter(of_kind(objects, "Namespace")), {"metadata": {}})
    labels = {"kubernetes.io/metadata.name": NAMESPACE, **space["metadata"].get("labels", {})}
    ours: dict[str, End] = {}
    for pod in pods(objects):
        ports = {
            port["name"]: (port["containerPort"], port.get("protocol", "TCP"))
            for container in pod.containers
            for port in container.spec.get("ports", [])
            if "name" in port
        }
        # By its own name: two workloads of one component may carry different labels.
        ours[pod.owner["metadata"]["name"]] = End(
            pod.owner["metadata"]["name"], NAMESPACE, pod.labels, labels, ports=ports
        )
    foreign = [
        End(
            name,
            space,
            labels,
            {"kubernetes.io/metadata.name": space} if space else {},
            address,
        )
        for name, (space, labels, address) in FOREIGN.items()
    ]
    return [*ours.values(), *foreign]


def allowed(policies: Iterable[dict[str, Any]], source: End, target: End, port: int, protocol: str) -> bool:
    """Whether a connection from one end to another is let through on both sides."""
    out = _side(policies, source, "Egress", partial(_through, peer=target, of=target, port=port, protocol=protocol))
    return out and _side(
        policies, target, "Ingress", partial(_through, peer=source, of=target, port=port, protocol=protocol)
    )


def _side(policies: Iterable[dict[str, Any]], end: End, direction: str, through: Any) -> bool:
    if end.namespace != NAMESPACE:
        return True  # nobody knows what other namespaces allow
    concerned = [
        entry
        for entry in policies
        if selects(entry["spec"].get("podSelector"), end.labels) and direction in _types(entry["spec"])
    ]
    if not concerned:
        return True
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(through(rule, peers) for entry in concerned for rule in entry["spec"].get(key) or [])


def _types(spec: dict[str, Any]) -> list[str]:
    if "policyTypes" in spec:
        return list(spec["policyTypes"])
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _through(rule: dict[str, Any], key: str, *, peer: End, of: End, port: int, protocol: str) -> bool:
    peers, ports = rule.get(key), rule.get("ports")
    return (not peers or any(_is(entry, peer) for entry in peers)) and (
        not ports or any(_covers(entry, of, port, protocol) for entry in ports)
    )


def _is(entry: dict[str, Any], end: End) -> bool:
    if "ipBlock" in entry:
        # An ipBlock is for addresses outside the cluster; whether it takes pods differs between network plugins.
        block = entry["ipBlock"]
        address = ip_address(end.address or "10.0.0.1")
        inside = address in ip_network(block["cidr"])
        return inside and not any(address in ip_network(part) for part in block.get("except", []))
    if end.address:
        return False
    if "namespaceSelector" in entry:
        if not selects(entry["namespaceSelector"], end.namespace_labels):
            return False
    elif end.namespace != NAMESPACE:
        return False
    return selects(entry.get("podSelector", {}), end.labels)


def _covers(entry: dict[str, Any], of: End, port: int, protocol: str) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return of.ports.get(wanted) == (port, protocol)
    return wanted <= port <= entry.get("endPort", wanted)


ODD_PORTS = (22, 80, 443, 6443, 10250, 32767, 61000)
"""Ports of nobody's: what is allowed to them is allowed to all."""


def open_flows(objects: Objects) -> set[tuple[str, str, int, str]]:
    """Works out every flow that the policies let through, of all that could be tried."""
    policies = of_kind(objects, "NetworkPolicy")
    ends = ends_of(objects)
    numbers = {(number, protocol) for end in ends for number, protocol in end.ports.values()}
    tried = numbers | {(flow.port, flow.protocol) for flow in NEEDED} | {(number, "TCP") for number in ODD_PORTS}
    return {
        (source.name, target.name, port, protocol)
        for source in ends
        for target in ends
        if (source.namespace == NAMESPACE or target.namespace == NAMESPACE)
        and not (source.namespace != NAMESPACE and target.namespace != NAMESPACE)
        for port, protocol in tried
        if allowed(policies, source, target, port, protocol)
    }


def needed_flows(objects: Objects) -> dict[tuple[str, str, int, str], str]:
    """Gives the flows of the table whose both ends are there, with their reasons."""
    there = {end.name for end in ends_of(objects)}
    kinds = {entry["kind"] for entry in objects}
    return {
        (source, target, flow.port, flow.protocol): flow.reason
        for flow in NEEDED
        if flow.only_with is None or flow.only_with in kinds or flow.only_with in there
        for source in flow.sources
        for target in flow.targets
        if source in there and target in there
    }


@policy
def every_flow_the_system_needs_is_open(objects: Objects) -> list[str]:
    is_open = open_flows(objects)
    return [
        f"{source} cannot reach {target} on {port}/{protocol}: {reason}"
        for (source, target, port, protocol), reason in needed_flows(objects).items()
        if (source, target, port, protocol) not in is_open
    ]


@policy
def no_other_flow_is_open(objects: Objects) -> list[str]:
    surplus = open_flows(objects) - needed_flows(objects).keys()
    return [
        f"{source} can reach {target} on {port}/{protocol}, and no part of the system needs that"
        for source, target, port, protocol in sorted(surplus)
    ]


@policy
def everything_is_denied_first(objects: Objects) -> list[str]:
    found = []
    policies = of_kind(objects, "NetworkPolicy")
    for direction in ("Ingress", "Egress"):
        denying = [
            entry
            for entry in policies
            if entry["spec"].get("podSelector") == {}
            and direction in _types(entry["spec"])
            and not entry["spec"].get(direction.lower())
        ]
        if not denying:
            found.append(f"no NetworkPolicy denies {direction} for every pod of the namespace")
    for entry in policies:
        here = [end.labels for end in ends_of(objects) if end.namespace == NAMESPACE]
        if not any(selects(entry["spec"].get("podSelector"), labels) for labels in here):
            found.append(f"NetworkPolicy/{entry['metadata']['name']}: it selects no pod")
        if "policyTypes" not in entry["spec"]:
            found.append(f"NetworkPolicy/{entry['metadata']['name']}: expected policyTypes; the default surprises")
    return found
