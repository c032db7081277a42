"""docs/metrics.md names every number that is told, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric

from tests.monitoring.files import ROOT

PAGE = ROOT / "docs" / "metrics.md"


def documented(heading: str) -> dict[str, set[str]]:
    """Gives names and labels of a section."""
    section = PAGE.read_text().split(f"## {heading}")[1].split("\n## ")[0]
    found = {}
    for row in re.findall(r"^\| (`.*)$", section, re.MULTILINE):
        names, labels, *_ = (cell.strip() for cell in row.split("|"))
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = {label.strip() for label in labels.split(",") if label.strip()}
    return found


def told(families: Iterable[Metric], prefix: str) -> set[str]:
    """Gives the names that a registry tells."""
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    return {name for name in names if name.startswith(prefix)}


def test_of_the_watcher(tmp_path: Path) -> None:
    from client.watch.metrics import Metrics

    metrics = Metrics(timedelta(minutes=5), lambda: True, places={"results": tmp_path})
    assert set(documented("Watcher")) == told(metrics.registry.collect(), "snowmode_")


@pytest.mark.slow
def test_of_the_sidecar(sidecar_page: str) -> None:
    names = set(re.findall(r"^# TYPE (snowmode_\w+) (?!gauge\n\1_created)", sidecar_page, re.MULTILINE))
    assert set(documented("Sidecar")) == {name for name in names if not name.endswith("_created")}


@pytest.fixture
def sidecar_page(tmp_path: Path) -> str:
    """What a sidecar tells after two winters were recorded."""
    from tests.monitoring.live import record_two_winters
    from tests.serving.sidecar.process import Sidecar

    one = Sidecar(tmp_path, f"--archive={tmp_path}")
    try:
        record_two_winters(one)
        return str(one.ask("/metrics").text)
    finally:
        one.stop()


def test_of_the_model_server() -> None:
    from serving.model_server import metrics

    names = {one.name for one in metrics._REGISTRY.collect()}
    assert set(documented("Model server")) == names


def test_labels_are_those_of_the_instruments() -> None:
    from client.watch.metrics import Metrics
    from serving.model_server import metrics

    instruments = [*vars(metrics).values(), *vars(Metrics(None)).values()]
    labels = {one._name: set(one._labelnames) for one in instruments if hasattr(one, "_labelnames")}
    assert len(labels) > 25
    per_signature = {"model_name", "version", "signature_name"}
    for heading in ("Watcher", "Model server"):
        for name, said in documented(heading).items():
            more = per_signature if name.startswith(":snowmode:") else set()
            assert said | more == labels[name.removesuffix("_total")], name
