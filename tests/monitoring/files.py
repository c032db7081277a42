"""Where what is tested lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "docker" / "prometheus" / "prometheus.yaml"
RULES = ROOT / "docker" / "prometheus" / "rules.yaml"
GRAFANA = ROOT / "docker" / "grafana"
COMPONENT = ROOT / "k8s" / "components" / "monitoring"
MANIFEST = COMPONENT / "rules.yaml"
DASHBOARDS = sorted((COMPONENT / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "docs" / "runbook"


def alerts() -> list[dict[str, Any]]:
    """Reads the alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels(dashboard: Path) -> Iterator[dict[str, Any]]:
    """Gives the panels that show something, not the rows between them."""
    for panel in json.loads(dashboard.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions(dashboard: Path) -> Iterator[tuple[str, str]]:
    """Gives the title of a panel and an expression of it, with plain times in place of Grafana's variables."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
