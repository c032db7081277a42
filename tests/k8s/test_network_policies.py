"""The evaluator of network policies, against what the documentation of NetworkPolicy says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.k8s.policies.network import End, allowed

HERE = {"kubernetes.io/metadata.name": "snowmode"}
WATCHER = End("watcher", labels={"part": "watcher"}, namespace_labels=HERE)
SERVER = End("server", labels={"part": "server"}, namespace_labels=HERE, ports={"grpc": (8500, "TCP")})
STRANGER = End("stranger", "elsewhere", {"part": "watcher"}, {"kubernetes.io/metadata.name": "elsewhere"})
INTERNET = End("internet", "", address="203.0.113.7")


def network_policy(pods: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {"podSelector": pods, **spec}}


def to_server(*rules: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [network_policy({"matchLabels": {"part": "server"}}, ingress=list(rules), **more)]


def test_without_a_policy_everything_is_open() -> None:
    assert allowed([], STRANGER, SERVER, 22, "TCP")


def test_a_policy_without_rules_closes_its_direction_only() -> None:
    closed = [network_policy({}, policyTypes=["Ingress"])]
    assert not allowed(closed, WATCHER, SERVER, 8500, "TCP")
    assert allowed(closed, SERVER, INTERNET, 443, "TCP")


def test_both_ends_must_allow() -> None:
    way_in = to_server({"from": [{"podSelector": {"matchLabels": {"part": "watcher"}}}]})
    no_way_out = [network_policy({"matchLabels": {"part": "watcher"}}, policyTypes=["Egress"])]
    assert allowed(way_in, WATCHER, SERVER, 8500, "TCP")
    assert not allowed(way_in + no_way_out, WATCHER, SERVER, 8500, "TCP")


def test_policies_add_up() -> None:
    closed = [network_policy({}, policyTypes=["Ingress"])]
    assert allowed(closed + to_server({}), STRANGER, SERVER, 8500, "TCP")


@pytest.mark.parametrize(
    ("peers", "watcher", "stranger", "internet"),
    [
        (None, True, True, True),
        ([], True, True, True),
        ([{"podSelector": {}}], True, False, False),
        ([{"podSelector": {"matchLabels": {"part": "watcher"}}}], True, False, False),
        ([{"namespaceSelector": {}}], True, True, False),
        ([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}], False, True, False),
        ([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"part": "other"}}}], False, False, False),
        ([{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}], False, False, False),
        ([{"ipBlock": {"cidr": "203.0.113.0/24"}}], False, False, True),
        ([{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/28"]}}], False, False, False),
    ],
)
def test_who_is_meant_by_peers(peers: Any, watcher: bool, stranger: bool, internet: bool) -> None:
    policies = to_server({} if peers is None else {"from": peers})
    assert allowed(policies, WATCHER, SERVER, 8500, "TCP") is watcher
    assert allowed(policies, STRANGER, SERVER, 8500, "TCP") is stranger
    assert allowed(policies, INTERNET, SERVER, 8500, "TCP") is internet


@pytest.mark.parametrize(
    ("ports", "meant"),
    [
        (None, True),
        ([{"port": 8500}], True),
        ([{"port": "grpc"}], True),
        ([{"port": "rest"}], False),
        ([{"port": 8501}], False),
        ([{"port": 8000, "endPort": 8600}], True),
        ([{"port": 8000, "endPort": 8499}], False),
        ([{"port": 8500, "protocol": "UDP"}], False),
        ([{"protocol": "TCP"}], True),
    ],
)
def test_which_ports_are_meant(ports: Any, meant: bool) -> None:
    policies = to_server({} if ports is None else {"ports": ports})
    assert allowed(policies, WATCHER, SERVER, 8500, "TCP") is meant


def test_types_follow_from_the_rules_where_they_are_not_given() -> None:
    rules_for_both = [network_policy({"matchLabels": {"part": "watcher"}}, egress=[{"ports": [{"port": 53}]}])]
    assert not allowed(rules_for_both, WATCHER, SERVER, 8500, "TCP")
    assert not allowed(rules_for_both, SERVER, WATCHER, 9100, "TCP")
