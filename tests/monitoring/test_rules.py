"""The rules and the configuration of Prometheus, and that compose and Kubernetes have the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.monitoring.files import COMPONENT, MANIFEST, PROMETHEUS, RULES, RUNBOOK, alerts
from tests.monitoring.manifests import render
from tests.monitoring.promtool import needs_promtool, promtool

PARTS = [
    "What it means",
    "Who feels it",
    "How to see it",
    "Causes, the likely ones first",
    "What to do",
    "When it is over",
    "Whom to call",
    "How to silence it",
]


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)


@needs_promtool
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    text = PROMETHEUS.read_text()
    assert "rule_files: [/etc/prometheus/rules.yaml]" in text
    (tmp_path / "prometheus.yaml").write_text(text.replace("/etc/prometheus/rules.yaml", str(RULES)))
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", tmp_path / "prometheus.yaml")


@needs_promtool
def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.read_text().replace("> 900", "> > 900", 1))
    with pytest.raises(AssertionError, match="could not parse expression"):
        promtool("check", "rules", tmp_path / "rules.yaml")


def test_kubernetes_has_the_same_rules() -> None:
    assert MANIFEST.read_text() == render(), "run python -m tests.monitoring.manifests"
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert manifest["spec"] == yaml.safe_load(RULES.read_text())


def test_kubernetes_scrapes_the_same_jobs_at_the_same_paths() -> None:
    here = {
        job["job_name"]: (
            int(job["static_configs"][0]["targets"][0].split(":")[1]),
            job.get("metrics_path", "/metrics"),
        )
        for job in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
    }
    here.pop("prometheus")
    ports = {"rest": 8501, "http": 8080, "metrics": 9100}  # names of ports in k8s/base
    there = {}
    for monitor in yaml.safe_load_all((COMPONENT / "monitors.yaml").read_text()):
        for endpoint in monitor["spec"].get("endpoints", []) + monitor["spec"].get("podMetricsEndpoints", []):
            (rule,) = endpoint["relabelings"]
            assert rule["targetLabel"] == "job"
            there[rule["replacement"]] = ports[endpoint["port"]], endpoint["path"]
    assert there == here


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_all_that_is_needed(rule: dict) -> None:
    assert re.fullmatch("Snowmode[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert len(notes["summary"]) < 120
    assert 80 < len(notes["description"]) < 500
    page = RUNBOOK / f"{rule['alert']}.md"
    assert notes["runbook"] == f"docs/runbook/{page.name}"
    assert page.is_file()


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_a_page_of_the_runbook_has_its_parts_and_is_short(rule: dict) -> None:
    text = (RUNBOOK / f"{rule['alert']}.md").read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == PARTS
    assert len(text.splitlines()) < 100
    assert f"**{rule['labels']['severity']}**" in text
    assert f"[{rule['alert']}]({rule['alert']}.md)" in (RUNBOOK / "README.md").read_text()


def test_no_page_is_left_over() -> None:
    pages = {path.stem for path in RUNBOOK.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in alerts()}
