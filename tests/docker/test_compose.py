"""docker/compose.yaml: that docker takes it, and rules of our own; each rule is shown something that breaks it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.compose import (
    FOLDER,
    SETTINGS,
    Services,
    ask_compose,
    command_line,
    dockerfile_of,
    load,
    real_compose,
    resolved,
    variables,
)
from tests.docker.conftest import ROOT, VERSION
from tests.docker.dockerfiles import health_check
from tests.docker.test_dockerfiles import put_models_there
from tests.k8s.command_lines import known_variables, read

OURS = {"model-check", "embedded", "sidecar", "watcher", "client", "training", "releases", "backup"}
PLACES = {"ARCHIVE", "LABELLED", "SEASON"}


def images_have_versions(services: Services) -> list[str]:
    return [
        f"{name}: {service['image']}"
        for name, service in services.items()
        if not re.search(r":v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", service["image"])
    ]


def nothing_is_gained_by_breaking_in(services: Services) -> list[str]:
    found = []
    for name, service in services.items():
        wanted = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
        found += [f"{name}: {key}" for key, value in wanted.items() if service.get(key) != value]
        user = str(service.get("user", "0")).partition(":")[0]
        found += [f"{name}: user {user}"] * (user in {"", "0", "root"} or (name in OURS and user != "10001"))
        found += [f"{name}: no /tmp"] * (
            not any(mount.startswith("/tmp:size=") for mount in service.get("tmpfs", []))
        )
        forbidden = {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & set(service)
        found += [f"{name}: {key}" for key in forbidden]
        found += [f"{name}: network of the machine"] * (service.get("network_mode") == "host")
        found += [f"{name}: docker.sock"] * ("docker.sock" in str(service.get("volumes")))
        found += [f"{name}: pids_limit"] * (not service.get("pids_limit"))
        if "jobs" not in service.get("profiles", []):
            found += [f"{name}: mem_limit"] * (not service.get("mem_limit"))
    return found


def ports_are_open_to_this_machine_only(services: Services) -> list[str]:
    return [
        f"{name}: {port}"
        for name, service in services.items()
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:")
    ]


def who_waits_can_be_told(services: Services) -> list[str]:
    """A service that is waited for is there, and has a health check where its health is."""
    found = []
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                found.append(f"{name}: no service {other}")
            elif how["condition"] == "service_healthy" and not checked(services[other]):
                found.append(f"{name}: {other} has no health check")
    return found


def what_stays_up_is_checked_and_comes_back(services: Services) -> list[str]:
    found = []
    for name, service in services.items():
        if name != "model-check" and "jobs" not in service.get("profiles", []):
            found += [f"{name}: no health check"] * (not checked(service))
            found += [f"{name}: restart"] * (service.get("restart") != "unless-stopped")
    return found


def checked(service: dict[str, Any]) -> bool:
    file = dockerfile_of(service)
    return "healthcheck" in service or bool(file and health_check(file))


def files_that_are_mounted_exist(services: Services) -> list[str]:
    found = []
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source, target = (
                (mount["source"], mount["target"]) if isinstance(mount, dict) else str(mount).split(":")[:2]
            )
            if source.startswith(("./", "../")) and not (FOLDER / source).exists():
                found.append(f"{name}: {source} at {target}")
    return found


def places_of_this_machine_are_not_made_up(services: Services) -> list[str]:
    """Docker makes a folder that is not there, empty and root's; a watcher would wait in it for ever."""
    found = []
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if isinstance(mount, dict):
                made = mount.get("bind", {}).get("create_host_path", True)
                found += [f"{name}: {mount['target']}"] * (made or not mount.get("read_only"))
            elif str(mount).startswith("/"):
                found.append(f"{name}: {mount}")
    return found


def variables_are_known(services: Services) -> list[str]:
    return [
        f"{name}: {variable}"
        for name, service in services.items()
        for variable in service.get("environment", {})
        if variable.startswith("SNOWMODE_") and variable not in known_variables()
    ]


def commands_are_taken(services: Services) -> list[str]:
    found = []
    for name in sorted(OURS - {"model-check", "embedded"}):
        program, *words = command_line(services[name])
        environment = {key: str(value) for key, value in services[name].get("environment", {}).items()}
        fault = read(program, words, environment).fault
        found += [f"{name}: {fault}"] * (fault not in {"", "it would end at once, with 0"})
    return found


def prometheus_asks_who_answers(services: Services) -> list[str]:
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
    listening = {
        "model-server": port_of(services["tfserving"], r"--rest_api_port=(\d+)"),
        "sidecar": "8080",
        "watcher": port_of(services["watcher"], r"--metrics-port (\d+)"),
        "localhost": "9090",
    }
    targets = [
        entry for job in config["scrape_configs"] for part in job["static_configs"] for entry in part["targets"]
    ]
    found = [f"{target}" for target in targets if listening.get(target.partition(":")[0]) != target.partition(":")[2]]
    hosts = {host for name in ("tfserving", "embedded") for host in services[name]["networks"]["inside"]["aliases"]}
    found += [f"{host}: nobody has that name" for host in {"model-server"} - hosts]
    for name in ("sidecar", "watcher"):
        shared = set(services["prometheus"]["networks"]) & set(services[name]["networks"])
        found += [f"{name}: no network with prometheus"] * (not shared)
    return found


def port_of(service: dict[str, Any], pattern: str) -> str:
    match = re.search(pattern, " ".join(command_line(service)))
    return match[1] if match else ""


def only_who_needs_the_database_reaches_it(services: Services) -> list[str]:
    inside = {name for name, service in services.items() if "database" in service.get("networks", [])}
    found = [f"{name} reaches the database" for name in inside - {"postgres", "sidecar", "backup"}]
    found += [f"postgres: {name}" for name in services["postgres"]["networks"] if name != "database"]
    return found + ["postgres: ports"] * ("ports" in services["postgres"])


IN_KUBERNETES = {
    "tfserving": ("base/model-server/deployment.yaml", "tfserving"),
    "embedded": ("base/model-server/deployment.yaml", "tfserving"),
    "sidecar": ("base/model-server/deployment.yaml", "sidecar"),
    "watcher": ("base/watcher/deployment.yaml", "watcher"),
    "postgres": ("components/postgres/postgres.yaml", "postgres"),
}
"""Services, and the containers that do the same there."""


def memory_limits_are_those_of_kubernetes(services: Services) -> list[str]:
    """What was measured holds in both places."""
    found = []
    for name, (path, container) in IN_KUBERNETES.items():
        text = (ROOT / "k8s" / path).read_text(encoding="utf-8")
        workloads = [entry for entry in yaml.safe_load_all(text) if "template" in entry.get("spec", {})]
        parts = [part for entry in workloads for part in entry["spec"]["template"]["spec"]["containers"]]
        (limit,) = [part["resources"]["limits"]["memory"] for part in parts if part["name"] == container]
        # docker's g is a GiB.
        if f"{services[name].get('mem_limit')}i".upper() != limit.upper():
            found.append(f"{name}: mem_limit {services[name].get('mem_limit')}; in k8s/{path} {limit}")
    return found


RULES: dict[str, Callable[[Services], list[str]]] = {
    rule.__name__: rule
    for rule in (
        images_have_versions,
        nothing_is_gained_by_breaking_in,
        ports_are_open_to_this_machine_only,
        who_waits_can_be_told,
        what_stays_up_is_checked_and_comes_back,
        files_that_are_mounted_exist,
        places_of_this_machine_are_not_made_up,
        variables_are_known,
        commands_are_taken,
        prometheus_asks_who_answers,
        only_who_needs_the_database_reaches_it,
        memory_limits_are_those_of_kubernetes,
    )
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_kept(rule: str):
    assert RULES[rule](load()["services"]) == []


def put(service: str, key: str, value: Any) -> Callable[[Services], None]:
    def change(services: Services) -> None:
        services[service][key] = value

    return change


def forget(service: str, key: str) -> Callable[[Services], None]:
    def change(services: Services) -> None:
        del services[service][key]

    return change


MUTANTS = [
    (images_have_versions, put("sidecar", "image", "snowmode-sidecar:latest")),
    (images_have_versions, put("grafana", "image", "grafana/grafana")),
    (nothing_is_gained_by_breaking_in, forget("watcher", "read_only")),
    (nothing_is_gained_by_breaking_in, put("tfserving", "user", "0:0")),
    (nothing_is_gained_by_breaking_in, put("sidecar", "user", "1000:1000")),
    (nothing_is_gained_by_breaking_in, put("postgres", "cap_add", ["CHOWN"])),
    (nothing_is_gained_by_breaking_in, put("sidecar", "security_opt", ["seccomp=unconfined"])),
    (nothing_is_gained_by_breaking_in, put("prometheus", "volumes", ["/var/run/docker.sock:/var/run/docker.sock"])),
    (ports_are_open_to_this_machine_only, put("sidecar", "ports", ["8080:8080"])),
    (who_waits_can_be_told, put("watcher", "depends_on", {"sidekar": {"condition": "service_started"}})),
    (who_waits_can_be_told, forget("postgres", "healthcheck")),
    (what_stays_up_is_checked_and_comes_back, forget("watcher", "healthcheck")),
    (what_stays_up_is_checked_and_comes_back, forget("embedded", "restart")),
    (files_that_are_mounted_exist, put("prometheus", "volumes", ["./prometheus/prometheus.yml:/etc/p.yaml:ro"])),
    (places_of_this_machine_are_not_made_up, put("sidecar", "volumes", ["/srv/radar:/srv/radar:ro"])),
    (
        places_of_this_machine_are_not_made_up,
        put("sidecar", "volumes", [{"source": "/srv", "target": "/s", "read_only": True}]),
    ),
    (variables_are_known, put("watcher", "environment", {"SNOWMODE_WATCH_CADENZ": "10"})),
    (commands_are_taken, put("watcher", "command", ["watch", "/incoming", "--metric-port", "9100"])),
    (commands_are_taken, put("backup", "entrypoint", ["serving", "back-up"])),
    (prometheus_asks_who_answers, put("watcher", "command", ["watch", "/incoming", "--metrics-port", "9101"])),
    (prometheus_asks_who_answers, put("sidecar", "networks", ["database"])),
    (only_who_needs_the_database_reaches_it, put("watcher", "networks", ["inside", "database"])),
    (only_who_needs_the_database_reaches_it, put("postgres", "ports", ["127.0.0.1:5432:5432"])),
    (memory_limits_are_those_of_kubernetes, put("embedded", "mem_limit", "2g")),
]


@pytest.mark.parametrize(("rule", "change"), MUTANTS, ids=lambda part: getattr(part, "__name__", ""))
def test_the_rule_reports(rule: Callable[[Services], list[str]], change: Callable[[Services], None]):
    services = copy.deepcopy(load()["services"])
    change(services)
    assert rule(services) != []


def test_every_rule_has_something_that_breaks_it():
    assert {rule.__name__ for rule, _ in MUTANTS} == set(RULES)


def test_flags_of_tensorflow_serving_are_known_and_taken(tmp_path: Path):
    _, *words = command_line(load()["services"]["tfserving"])
    assert read("serving", ["model-server", *put_models_there(words, tmp_path)], {}).fault == ""


def test_settings_are_those_of_the_example_and_secrets_have_no_value_there():
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    # Compose reads the profiles itself; another image of TensorFlow Serving is rare.
    assert variables() - {"SERVING_IMAGE"} == set(example) - {"COMPOSE_PROFILES"}
    assert not [name for name, value in example.items() if value and re.search("TOKEN|PASSWORD", name)]
    assert example["SNOWMODE_VERSION"] == VERSION
    assert example["COMPOSE_PROFILES"] in {"tfserving", "embedded"}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "docker/.env" in ignored


def test_volumes_are_declared_and_used():
    found = load()
    used = {
        mount.split(":")[0] for service in found["services"].values() for mount in service.get("volumes", [])
        if isinstance(mount, str) and mount[0] not in "./"
    }  # fmt: skip
    assert used == set(found["volumes"])
    assert found["networks"]["database"]["internal"] is True


needs_compose = pytest.mark.skipif(
    not real_compose(), reason="no docker compose 2 here (docker compose, or docker-compose of Debian 13)"
)


@needs_compose
@pytest.mark.parametrize("profile", ["tfserving", "embedded", "jobs"])
def test_docker_compose_takes_it_and_reads_it_as_we_do(profile: str):
    found = resolved({**SETTINGS, "COMPOSE_PROFILES": profile})["services"]
    ours = load()["services"]
    assert set(found) == {name for name, s in ours.items() if profile in s.get("profiles", [profile])}
    for name, service in found.items():
        assert service["image"] == ours[name]["image"]
        assert service.get("command") == ours[name].get("command")


@needs_compose
def test_docker_compose_takes_it_for_a_gpu():
    found = resolved({**SETTINGS, "COMPOSE_PROFILES": "tfserving"}, FOLDER / "compose.gpu.yaml")["services"]
    assert found["tfserving"]["image"] == "tensorflow/serving:2.20.0-gpu"
    assert found["tfserving"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert found["tfserving"]["read_only"] is True
    assert found["tfserving"]["environment"]["TF_CPP_MIN_LOG_LEVEL"] == "1"


@needs_compose
@pytest.mark.parametrize("missing", SETTINGS)
def test_a_setting_that_is_missing_is_named_with_what_to_do(missing: str):
    settings = {**SETTINGS, "COMPOSE_PROFILES": "tfserving", missing: ""}
    done = ask_compose("config", settings=settings)
    assert done.returncode != 0
    assert f"{missing} in docker/.env" in done.stderr
