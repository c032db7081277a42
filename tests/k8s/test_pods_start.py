"""The containers of the manifests, started here with their own arguments, variables and files, and probed.

TensorFlow Serving is stood in for by the embedded server, which takes the same command line.
"""

from __future__ import annotations

import csv
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_png
from tests.k8s.command_lines import environment_of
from tests.k8s.conftest import Rendered
from tests.k8s.loopback import Machine, free_port, get, until
from tests.k8s.objects import Container, of_kind, pod_of
from training.publishing import releases

pytestmark = pytest.mark.slow

PORTS = (8500, 8501, 8080, 9100)


@pytest.fixture(scope="module")
def machine(rendered: Rendered, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    hurry = {"--model_config_file_poll_wait_seconds=30": "--model_config_file_poll_wait_seconds=1"}
    machine = Machine(rendered("base"), folder, {port: free_port() for port in PORTS}, hurry)
    shutil.copytree(models, machine.volume("models"), dirs_exist_ok=True)
    (version,) = releases.versions(machine.volume("models"))
    releases.offer(machine.volume("models"), version)
    yield machine
    machine.stop()


def container(machine: Machine, kind: str, owner: str, name: str) -> Container:
    pod = pod_of(machine.objects, kind, owner)
    return next(part for part in pod.containers if part.spec["name"] == name)


@pytest.fixture(scope="module")
def parts(machine: Machine) -> dict[str, Container]:
    """Everything that runs for ever, started."""
    found = {}
    for owner, name in (("model-server", "tfserving"), ("model-server", "sidecar"), ("watcher", "watcher")):
        found[name] = container(machine, "Deployment", owner, name)
        machine.start(found[name])
        machine.wait_for(found[name], "startupProbe")
    return found


@pytest.mark.parametrize("kind", ["livenessProbe", "readinessProbe"])
@pytest.mark.parametrize("name", ["tfserving", "sidecar", "watcher"])
def test_probes_are_answered(name: str, kind: str, machine: Machine, parts: dict[str, Container]) -> None:
    until(lambda: machine.probe(parts[name], kind), lambda: machine.log(parts[name]))


def test_the_sidecar_finds_the_parts_it_stands_beside(machine: Machine, parts: dict[str, Container]) -> None:
    until(lambda: get(machine.ports[8080], "/readyz") == 200, lambda: machine.log(parts["sidecar"]))


def test_a_frame_that_comes_in_is_classified_and_recorded(machine: Machine, parts: dict[str, Container]) -> None:
    season = environment_of(machine.objects, parts["watcher"])["SNOWMODE_WATCH_SEASON"]
    write_png(machine.folder / "frame.png", 1)
    (machine.folder / "frame.png").rename(machine.volume("archive") / season / "202612010000.png")
    day = machine.volume("results") / season / "20261201.csv"
    until(day.exists, lambda: machine.log(parts["watcher"]))
    with day.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["error"]) == ("202612010000.png", "")

    def recorded() -> bool:
        address = f"http://127.0.0.1:{machine.ports[8080]}/v1/seasons"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return season in json.dumps(json.load(answer))

    until(recorded, lambda: machine.log(parts["watcher"]) + machine.log(parts["sidecar"]))
    assert (machine.volume("sidecar-data") / "winter.sqlite").exists()


def test_numbers_are_where_prometheus_looks(
    machine: Machine, parts: dict[str, Container], rendered: Rendered
) -> None:
    objects = rendered("base+monitoring")
    asked = set()
    for monitor in of_kind(objects, "PodMonitor", "ServiceMonitor"):
        spec = monitor["spec"]
        for endpoint in spec.get("podMetricsEndpoints", []) + spec.get("endpoints", []):
            number = {"rest": 8501, "http": 8080, "metrics": 9100}[endpoint["port"]]
            asked.add((number, endpoint.get("path", "/metrics")))
    assert {number for number, _ in asked} == {8501, 8080, 9100}
    for number, path in asked:
        assert get(machine.ports[number], path) == 200, f"{number}{path}"


def test_promotion_and_rollback_need_no_new_pod(machine: Machine, parts: dict[str, Container]) -> None:
    models = machine.volume("models")
    (first,) = releases.versions(models)
    second = first + 1
    shutil.copytree(models / "snowmode" / str(first), models / "snowmode" / str(second))
    releases.offer(models, second)

    def answers() -> str:
        address = f"http://127.0.0.1:{machine.ports[8501]}/v1/models/snowmode/metadata"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(json.load(answer)["model_spec"]["version"])

    assert answers() == str(first)
    for name, expected in (("promote", second), ("rollback", first)):
        (job,) = pod_of(machine.objects, "CronJob", name).containers
        assert machine.start(job).wait(60) == 0, machine.log(job)
        until(lambda expected=expected: answers() == str(expected), lambda: machine.log(parts["tfserving"]))
