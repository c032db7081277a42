"""What the runbook tells to type and to look for is there: deployments, containers, jobs, lines of logs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.files import DASHBOARDS, ROOT, RUNBOOK, panels

PAGES = sorted(RUNBOOK.glob("*.md"))
KINDS = {"deploy": "Deployment", "sts": "StatefulSet", "svc": "Service", "cronjob": "CronJob"}
each = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)

# What the pages quote of a log, and where that is written.
SAID = {
    "no new frame for": "client/watch/run.py",
    "the model server is of no use": "client/watch/run.py",
    "does not follow the time rule": "client/watch/run.py",
    "records cannot be sent to the sidecar": "client/watch/spool.py",
    "over after": "client/watch/trouble.py",
}


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """What `kubectl apply -k k8s/overlays/gpu-prod` would make."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl to render the manifests with")
    done = subprocess.run(
        ["kubectl", "kustomize", ROOT / "k8s" / "overlays" / "gpu-prod"], capture_output=True, text=True, check=True
    )
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def commands(page: Path) -> Iterator[str]:
    """Gives the lines with kubectl, in blocks and in the text."""
    text = page.read_text()
    yield from re.findall(r"^kubectl .*$", text, re.MULTILINE)
    yield from re.findall(r"`(kubectl [^`]*)`", text)


def containers(workload: dict[str, Any]) -> set[str]:
    spec = workload["spec"]["template"]["spec"]
    return {one["name"] for one in spec["containers"] + spec.get("initContainers", [])}


@each
def test_what_kubectl_is_told_to_look_at_is_there(page: Path, objects: list[dict[str, Any]]) -> None:
    names = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    components = {one["metadata"].get("labels", {}).get("app.kubernetes.io/component") for one in objects}
    for command in commands(page):
        for short, name in re.findall(r"\b(deploy|sts|svc|cronjob)[/ ]([a-z-]+)", command):
            assert (KINDS[short], name) in names, command
        for name in re.findall(r"deploy/([a-z-]+) .*?-c ([a-z-]+)", command):
            assert name[1] in containers(names["Deployment", name[0]]), command
        for component in re.findall(r"component=([a-z-]+)", command):
            assert component in components, command


@each
def test_folders_are_where_they_are_mounted(page: Path, objects: list[dict[str, Any]]) -> None:
    workloads = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"}
    for command in commands(page):
        for name, inside in re.findall(r"exec deploy/([a-z-]+)(.*)", command):
            container = re.search(r"-c ([a-z-]+)", inside)
            wanted = container[1] if container else name
            (one,) = [c for c in workloads[name]["spec"]["template"]["spec"]["containers"] if c["name"] == wanted]
            mounts = {mount["mountPath"] for mount in one["volumeMounts"]}
            for path in re.findall(r" (/[a-z/.]+)", inside):
                assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts), command


def test_what_is_grepped_for_is_how_bad_frames_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    from client.results.rows import Row
    from client.watch.log import tell

    (pattern,) = re.findall(r"deploy/watcher .*grep -E '([^']+)'", (RUNBOOK / "SnowmodeErrorRatio.md").read_text())
    tell([Row("a.png", "", "", (), 0.0, False, 1, "is empty (0 bytes)")])
    assert [re.search(pattern, record.levelname) is not None for record in caplog.records] == [True]


@each
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@each
def test_panels_that_are_named_exist(page: Path) -> None:
    titles = {panel["title"] for dashboard in DASHBOARDS for panel in panels(dashboard)}
    words = {"Alerting", "Silences", "By chance", "Share of modes", "Three things first"}
    boards = {"Snowmode: the forecast", "Snowmode: model server"}
    for name in re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", page.read_text()):
        assert name in titles | words | boards, name


@pytest.mark.parametrize(("text", "source"), SAID.items())
def test_a_line_of_a_log_is_still_written_so(text: str, source: str) -> None:
    assert any(text in page.read_text() for page in PAGES)
    assert text in (ROOT / source).read_text()
