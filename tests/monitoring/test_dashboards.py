"""The dashboards: Grafana's schema, and what makes one readable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from radar.modes import SNOWFALL_MODES
from tests.monitoring.files import COMPONENT, DASHBOARDS, GRAFANA, expressions, panels
from tests.monitoring.promtool import needs_promtool, promtool

each = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)

# What the Prometheus data source adds to an annotation; the schema stops short of data sources there.
OF_DATA_SOURCE = (".annotations.list[0].titleFormat", ".annotations.list[0].textFormat", ".annotations.list[0].step")


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Gives what is in one JSON and not, or otherwise, in another."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                yield from lost(value, kept[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for n, (a, b) in enumerate(zip(given, kept, strict=True)):
            yield from lost(a, b, f"{path}[{n}]")
    elif given != kept:
        yield path


def unknown(text: str) -> list[str]:
    """Reads a dashboard into Grafana's own types and writes it again: what they do not know is lost on the way."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(text))))
    return [path for path in lost(json.loads(text), again) if path not in OF_DATA_SOURCE]


@each
def test_grafana_knows_every_field(dashboard: Path) -> None:
    assert unknown(dashboard.read_text()) == []


def test_a_misspelt_field_is_found() -> None:
    text = DASHBOARDS[0].read_text().replace('"displayMode": "table"', '"dispalyMode": "table"', 1)
    assert any("dispalyMode" in path for path in unknown(text))


@each
def test_panels_fit_the_grid_and_do_not_overlap(dashboard: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads(dashboard.read_text())["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@each
def test_every_panel_says_what_it_shows(dashboard: Path) -> None:
    board = json.loads(dashboard.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]


@each
def test_the_data_source_is_a_variable(dashboard: Path) -> None:
    board = json.loads(dashboard.read_text())
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert set(re.findall(r'"uid": "([^"]*)"', json.dumps(board["panels"]))) == {"${datasource}"}


@each
def test_times_of_rates_follow_the_scrapes(dashboard: Path) -> None:
    for title, expression in expressions(dashboard):
        for window in re.findall(r"\[([^\]]+)\]", expression):
            # An hour and half an hour are meant; so are the 5 minutes of a single number.
            assert window in ("$__rate_interval", "5m", "30m", "1h"), title


def test_modes_have_the_colours_they_have_everywhere() -> None:
    coloured = 0
    for panel in panels(COMPONENT / "dashboards" / "forecast.json"):
        overrides = {
            one["matcher"]["options"]: one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]
        }
        if overrides:
            coloured += 1
            for mode in SNOWFALL_MODES:
                assert overrides[f"/^{mode.code}( |$)/"] == {"mode": "fixed", "fixedColor": mode.color}
    assert coloured == 2


@needs_promtool
@each
def test_prometheus_understands_every_expression(dashboard: Path, tmp_path: Path) -> None:
    rules = [
        {"record": "a", "expr": expression.replace("$__rate_interval", "1m"), "labels": {"number": str(n)}}
        for n, (_, expression) in enumerate(expressions(dashboard))
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)


def test_links_lead_to_dashboards() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    uids = {board["uid"] for board in boards}
    assert {link["url"].removeprefix("/d/") for board in boards for link in board["links"]} == uids


def test_kubernetes_and_compose_provide_all_of_them() -> None:
    kustomization = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())
    (generator,) = kustomization["configMapGenerator"]
    assert generator["files"] == [f"dashboards/{path.name}" for path in DASHBOARDS]
    assert generator["options"]["labels"] == {"grafana_dashboard": "1"}
    (provider,) = yaml.safe_load((GRAFANA / "dashboards.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    (source,) = yaml.safe_load((GRAFANA / "datasources.yaml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
