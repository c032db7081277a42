"""Command lines of our programs: every option exists, every value is taken, and the parts agree with each other."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.k8s.command_lines import (
    PROGRAMS,
    CommandLine,
    Files,
    Read,
    command_lines,
    environment_of,
    known_variables,
    mounted_files,
    moved,
    place_files,
    read,
    workers_named,
)
from tests.k8s.objects import containers, of_kind, where
from tests.k8s.policies import policy
from tests.k8s.rendering import Objects

SCRATCH = Path(tempfile.gettempdir())
"""Where files of ConfigMaps are put while a command line is read."""


def our_lines(objects: Objects) -> Iterator[tuple[CommandLine, Read]]:
    """Yields the command lines of our programs, read."""
    for container in containers(objects):
        for line in command_lines(objects, container):
            if line.program in PROGRAMS and line.words[1:2] != ("model-server",):
                yield line, read_line(line, mounted_files(objects, container))


@cache
def _read_again(program: str, words: tuple[str, ...], environment: str, files: str) -> Read:
    with tempfile.TemporaryDirectory() as scratch:
        placed = place_files(json.loads(files), Path(scratch))
        variables = {name: moved(value, placed) for name, value in json.loads(environment).items()}
        return read(program, [moved(word, placed) for word in words], variables)


def read_line(line: CommandLine, files: Files) -> Read:
    """Reads a command line; the same one, of another render or for another rule, only once."""
    return _read_again(line.program, line.words[1:], json.dumps(line.environment), json.dumps(files))


@policy
def our_command_lines_are_accepted(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        if not container.image.startswith("snowmode-") or container.image == "snowmode-serving":
            continue
        lines = command_lines(objects, container)
        if lines and lines[0].program in ("sh", "bash"):
            found.append(f"{container.name}: {' '.join(lines[0].words)}: a shell without a script")
        if not any(line.program in PROGRAMS for line in lines) and not container.init:
            words = " ".join(lines[0].words) if lines else "nothing"
            found.append(f"{container.name}: it runs {words or 'nothing'}, none of {', '.join(PROGRAMS)}")
    for line, done in our_lines(objects):
        if done.fault:
            found.append(f"{line.container.name}: {' '.join(line.words)}: {done.fault}")
    return found


@policy
def every_variable_is_one_that_is_read(objects: Objects) -> list[str]:
    found = []
    for container in containers(objects):
        for name in environment_of(objects, container):
            if name.startswith("SNOWMODE_") and name not in known_variables():
                found.append(f"{container.name}: nobody reads {name}")
    for config in of_kind(objects, "ConfigMap"):
        for key in config.get("data", {}):
            if key.startswith("SNOWMODE_") and key not in known_variables():
                found.append(f"{where(config)}: nobody reads {key}")
    return found


@policy
def servers_listen_where_they_are_asked(objects: Objects) -> list[str]:
    """The port of the command is the port of the container, and open to more than the pod itself."""
    found = []
    for line, done in our_lines(objects):
        ports = {port["containerPort"] for port in line.container.spec.get("ports", [])}
        port, host = {
            "sidecar": (done.parameters.get("port"), done.parameters.get("host")),
            "watch": (done.parameters.get("metrics_port"), done.parameters.get("metrics_address")),
        }.get(done.command, (None, None))
        if port is None:
            continue
        if ports != {port}:
            found.append(f"{line.container.name}: it listens on {port} and declares {sorted(ports)}")
        if host not in ("0.0.0.0", "::"):
            found.append(f"{line.container.name}: it listens on {host}, where nobody outside the pod can ask")
    return found


@policy
def shards_and_workers_are_as_many_as_pods(objects: Objects) -> list[str]:
    found = []
    shards, merged = {}, {}
    for line, done in our_lines(objects):
        name, spec = line.container.name, line.container.pod.job
        completions = spec.get("completions") if spec.get("completionMode") == "Indexed" else None
        if (shard := done.parameters.get("shard")) is not None:
            shards[name] = int(str(shard).rpartition("/")[2])
            if completions != shards[name]:
                found.append(f"{name}: --shard /{shards[name]} and {completions} completions")
        if match := re.search(r"-of-([0-9]+)\.csv", " ".join(line.words)):
            merged[name] = int(match[1])
        if done.parameters.get("strategy") == "multiworker":
            if completions is None or completions != spec.get("parallelism"):
                found.append(f"{name}: all workers must run at once: expected parallelism = completions")
            count = workers_named(
                line.environment.get("SNOWMODE_WORKERS", "") or done.parameters.get("workers") or ""
            )
            if count != completions:
                found.append(f"{name}: {count} workers named and {completions} completions")
    for name, count in merged.items():
        found += [
            f"{name}: it merges {count} shards, {other} makes {made}"
            for other, made in shards.items()
            if made != count
        ]
    return found


@policy
def what_is_written_goes_to_a_volume(objects: Objects) -> list[str]:
    """The root file system is read-only, and what is in /tmp is gone with the pod."""
    found = []
    for line, done in our_lines(objects):
        if done.command in ("classify", "merge", "watch") and done.parameters.get("out") is None:
            found.append(f"{line.container.name}: without --out it writes where it stands, which is read-only")
        writable = [
            mount["mountPath"]
            for mount in line.container.spec.get("volumeMounts", [])
            if not mount.get("readOnly") and "emptyDir" not in line.container.pod.volumes.get(mount["name"], {})
        ]
        for name in ("out", "state", "runs", "models"):
            path = done.parameters.get(name)
            if path is None or done.fault:
                continue
            if name == "models" and (done.parameters.get("no_publish") or done.command in ("models",)):
                continue
            if not any(Path(path) == Path(mount) or Path(mount) in Path(path).parents for mount in writable):
                found.append(
                    f"{line.container.name}: --{name} {path}: expected a path on a volume: {', '.join(writable)}"
                )
        database = str(done.parameters.get("database") or "")
        if database.startswith("sqlite:///") and done.command == "sidecar":
            file = Path(database.removeprefix("sqlite:///"))
            if not any(Path(mount) in file.parents for mount in writable):
                found.append(f"{line.container.name}: {database}: expected a path on a volume")
    return found


@policy
def every_reference_to_a_variable_is_filled(objects: Objects) -> list[str]:
    """The kubelet leaves $(NAME) as it stands where there is no such variable."""
    found = []
    for container in containers(objects):
        known = environment_of(objects, container)
        places = [mount.get("subPathExpr", "") for mount in container.spec.get("volumeMounts", [])]
        values = [str(variable.get("value", "")) for variable in container.spec.get("env", [])]
        given = [*container.spec.get("command", []), *container.spec.get("args", []), *places, *values]
        for text in given:
            names = re.findall(r"(?<!\$)\$\(([A-Za-z_]\w*)\)", text)
            if given[:1] and given[0].endswith("sh"):
                names += re.findall(r"\$\{?([A-Z_]+)\b", text)
            found += [f"{container.name}: nothing sets {name}" for name in names if name not in known]
    return found
