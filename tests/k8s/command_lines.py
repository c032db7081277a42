"""Reads the command lines of rendered containers with our own commands, as they would be read at their start."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.protocol import wire
from tests.k8s.objects import Container, of_kind
from tests.k8s.rendering import ROOT, Objects
from tests.serving.model_server import certificates

PROGRAMS = ("client", "serving", "training")
MODEL_SERVER = "tensorflow_model_server"

PLACEHOLDERS = {
    "DATABASE": "postgresql://snowmode:not-the-password@postgres:5432/snowmode",
    "TOKENS": "0123456789abcdef0123",
    "TOKEN": "0123456789abcdef0123",
}
"""What a Secret would hold, by the end of the variable's name."""


@dataclass(frozen=True)
class CommandLine:
    """A command as it would be started.

    Attributes:
        words: The program and its arguments, variables filled in.
        environment: Variables of the container that the manifest and the image set.
        from_shell: Whether it stands in a script.
    """

    container: Container
    words: tuple[str, ...]
    environment: Mapping[str, str]
    from_shell: bool = False

    @property
    def program(self) -> str:
        return self.words[0].rsplit("/", 1)[-1] if self.words else ""


def command_lines(objects: Objects, container: Container) -> list[CommandLine]:
    """Gives the commands of a container; those of a script one by one."""
    environment = environment_of(objects, container)
    entry = entry_point(container.image)
    given = container.spec.get("command")
    words = [*(given if given is not None else entry), *container.spec.get("args", [])]
    words = [_filled(word, environment) for word in words]
    if words[:1] and words[0].rsplit("/", 1)[-1] in ("sh", "bash") and "-c" in words[:-1]:
        script = words[words.index("-c") + 1]
        return [CommandLine(container, tuple(line), environment, from_shell=True) for line in _in_script(script)]
    return [CommandLine(container, tuple(words), environment)]


def environment_of(objects: Objects, container: Container) -> dict[str, str]:
    """Gives the variables of a container; those of secrets are placeholders."""
    configs = {entry["metadata"]["name"]: entry.get("data", {}) for entry in of_kind(objects, "ConfigMap")}
    found = dict(image_variables(container.image))
    for source in container.spec.get("envFrom", []):
        if "configMapRef" in source:
            found |= configs.get(source["configMapRef"]["name"], {})
    for variable in container.spec.get("env", []):
        name, given = variable["name"], variable.get("valueFrom")
        if given is None:
            found[name] = _filled(str(variable.get("value", "")), found)
        elif "configMapKeyRef" in given:
            reference = given["configMapKeyRef"]
            found[name] = configs.get(reference["name"], {}).get(reference["key"], "")
        elif "fieldRef" in given:
            # Labels that the Job gives its pods: its name, its uid, the index.
            index = "index" in given["fieldRef"]["fieldPath"]
            found[name] = "0" if index else container.pod.owner["metadata"]["name"]
        else:
            last = name.rsplit("_", 1)[-1]
            found[name] = PLACEHOLDERS.get(last, "placeholder")
    if container.pod.job.get("completionMode") == "Indexed":
        found["JOB_COMPLETION_INDEX"] = "0"  # Kubernetes sets it
    return found


def _filled(text: str, environment: Mapping[str, str]) -> str:
    """Puts $(NAME) in, as the kubelet does: names that are not there stay as they are."""
    return re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda match: environment.get(match[1], match[0]), text)


def _in_script(script: str) -> Iterator[list[str]]:
    text = script.replace("\\\n", " ")
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("();<>|&"):
                while words and words[0] in ("exec", "if", "then", "else", "do", "while", "until", "!", "nice"):
                    words = words[1:]
                if words:
                    yield words
                words = []
            else:
                words.append(word)


@cache
def _last_stage(image: str) -> str:
    """The last stage of our Dockerfile of an image; empty for images of others."""
    if not image.startswith("snowmode-"):
        return ""
    file = ROOT / "docker" / f"{image.removeprefix('snowmode-')}.Dockerfile"
    if not file.exists():
        return ""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.split(r"^FROM .*$", text, flags=re.M)[-1]


def entry_point(image: str) -> list[str]:
    match = re.search(r"^ENTRYPOINT (\[.*\])", _last_stage(image), re.M)
    return [str(word) for word in json.loads(match[1])] if match else []


def image_variables(image: str) -> dict[str, str]:
    found = {}
    for line in re.findall(r"^ENV (.*)$", _last_stage(image), re.M):
        for word in shlex.split(line):
            name, _, value = word.partition("=")
            if name.startswith("SNOWMODE_"):
                found[name] = value
    return found


@dataclass(frozen=True)
class Read:
    """What came of reading a command line: what the command would be called with, or why it would not."""

    command: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def read(program: str, words: Sequence[str], environment: Mapping[str, str]) -> Read:
    """Parses with the program's own parser, and calls nothing but what stands before the command."""
    import typer

    application = importlib.import_module(f"{program}.cli").app
    command = typer.main.get_command(application)
    with variables(environment), contextlib.redirect_stdout(io.StringIO()):
        try:
            context = command.make_context(program, list(words))
            with context:
                if command.callback is not None:
                    context.invoke(command.callback, **context.params)
                while hasattr(command, "resolve_command"):
                    name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
                    context = command.make_context(name, list(rest), parent=context)
                return Read(command.name or "", dict(context.params))
        except (SystemExit, typer.Exit) as error:
            return Read(fault=f"it would end at once, with {getattr(error, 'exit_code', error)}")
        except Exception as error:
            speak = getattr(error, "format_message", None)
            if speak is None:
                raise
            # Without a command it says nothing against it, and shows its help.
            return Read(fault=speak() or "it would show its help and end")


@contextlib.contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of ours for a while, and only those."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("SNOWMODE_", "JOB_COMPLETION"))]:
        del os.environ[name]
    os.environ.update({k: v for k, v in environment.items() if k.startswith(("SNOWMODE_", "JOB_COMPLETION"))})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@cache
def known_variables() -> frozenset[str]:
    """Every SNOWMODE_ variable that some part reads."""
    import typer

    from client.config.file import name_variables

    found = set()
    for program in PROGRAMS:
        group = typer.main.get_command(importlib.import_module(f"{program}.cli").app)
        if program == "client":
            name_variables(group)
        waiting = [group]
        while waiting:
            command = waiting.pop()
            waiting += getattr(command, "commands", {}).values()
            for parameter in command.params:
                named = parameter.envvar
                found |= {named} if isinstance(named, str) else set(named or ())
    # Those that are read without an option, as SNOWMODE_TOKEN is; their names stand in quotes.
    for program in (*PROGRAMS, "radar"):
        for path in (ROOT / program).rglob("*.py"):
            found |= set(re.findall(r"[\"'](SNOWMODE_[A-Z_]*[A-Z])[\"']", path.read_text(encoding="utf-8")))
    return frozenset(found)


Files = dict[str, dict[str, str] | str]
"""Mount path to the contents: of a file, or of the files of a folder by name."""


@cache
def tls_of_a_server() -> str:
    """What the key `ssl.config` of a Secret holds: TensorFlow Serving's SSLConfig."""
    with tempfile.TemporaryDirectory() as folder:
        pair = certificates.authority(Path(folder))
    return str(text_format.MessageToString(wire.SSLConfig(server_key=pair.key, server_cert=pair.certificate)))


def mounted_files(objects: Objects, container: Container) -> Files:
    """Gives the ConfigMaps that a container mounts, and in place of Secrets what they would hold."""
    configs = {entry["metadata"]["name"]: entry.get("data", {}) for entry in of_kind(objects, "ConfigMap")}
    found: Files = {}
    for mount in container.spec.get("volumeMounts", []):
        volume = container.pod.volumes.get(mount["name"], {})
        if "secret" in volume:
            items = volume["secret"].get("items", [])
            found[mount["mountPath"]] = {
                item["path"]: tls_of_a_server() if item["key"] == "ssl.config" else "" for item in items
            }
        source = volume.get("configMap")
        if source is None:
            continue
        data = configs.get(source["name"], {})
        names = {item["path"]: item["key"] for item in source.get("items", [])} or {key: key for key in data}
        files = {path: data[key] for path, key in names.items() if key in data}
        found[mount["mountPath"]] = files.get(mount["subPath"], "") if "subPath" in mount else files
    return found


def place_files(files: Files, folder: Path) -> dict[str, str]:
    """Writes mounted files below a folder.

    Returns:
        Mount path to the folder or file that stands for it.
    """
    placed = {}
    for number, (path, content) in enumerate(files.items()):
        there = folder / f"mount-{number}"
        if isinstance(content, str):
            there.write_text(content, encoding="utf-8")
        else:
            for name, text in content.items():
                (there / name).parent.mkdir(parents=True, exist_ok=True)
                (there / name).write_text(text, encoding="utf-8")
        placed[path] = str(there)
    return placed


def moved(text: str, placed: Mapping[str, str]) -> str:
    """Puts the placed files in for the mounts."""
    if not placed:
        return text
    # At once: what is put in may begin like another mount, as /tmp does.
    mounts = "|".join(re.escape(path) for path in sorted(placed, key=len, reverse=True))
    return re.sub(rf"(?<![\w/])({mounts})(?=/|$|,)", lambda match: placed[match[1]], text)


def workers_named(text: str) -> int:
    """How many hosts there are in HOST:PORT,HOST:PORT or HOST-{0..N}:PORT."""
    match = re.search(r"\{([0-9]+)\.\.([0-9]+)\}", text)
    return int(match[2]) - int(match[1]) + 1 if match else len([part for part in text.split(",") if part])
