"""Checks commands without running them: does each exist, and has it these options?"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from typing import Any

from tests.docs.blocks import ROOT

PROGRAMS = ("client", "serving", "training")
# Words that run the words after them.
_BEFORE = {"sudo", "nice", "time", "exec", "env", "nohup", "--"}


def faults(text: str) -> list[str]:
    """Tells what is wrong with the commands of a shell block: unknown subcommands, options, make targets."""
    return [fault for words in _commands(text) for fault in _faults_of(words)]


def unknown_variables(text: str) -> list[str]:
    """Lists variables SNOWMODE_... of a text that nothing in the project reads."""
    return sorted(set(re.findall(r"\bSNOWMODE_[A-Z_]+\b(?!\*)", text)) - known_variables())


@functools.cache
def known_variables() -> frozenset[str]:
    """Lists every variable the commands, compose and the manifests read or set."""
    known = set()
    for folder in ("client", "serving", "training", "radar", "docker", "k8s"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".sh", ".example", ".Dockerfile"}:
                known |= set(re.findall(r"\bSNOWMODE_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    for name, command in _program("client").commands.items():
        for option in _options(command):
            known.add(f"SNOWMODE_{name}_{option.removeprefix('--')}".upper().replace("-", "_"))
    return frozenset(known)


def _commands(text: str) -> Iterator[list[str]]:
    """Cuts a shell text into commands."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("();|&"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def _faults_of(words: list[str]) -> Iterator[str]:
    place = 0
    while place < len(words) and (words[place] in _BEFORE or re.match(r"\w+=", words[place]) or words[place] == "do"):
        place += 1
    if "--" in words:  # kubectl exec POD -- client ...
        place = max(place, words.index("--") + 1) if words[0] in {"kubectl", "docker"} else place
    words = words[place:]
    if words[:1] == ["make"]:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
        yield from (
            f"make {word}: no such target"
            for word in words[1:]
            if "=" not in word and not word.startswith("-") and word not in targets
        )
    if not words or words[0] not in PROGRAMS:
        return
    command, rest, said = _program(words[0]), words[1:], words[0]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            yield f"{said} {rest[0]}: no such command"
            return
        command, said, rest = command.commands[rest[0]], f"{said} {rest[0]}", rest[1:]
    known = _options(command)
    if said == "serving model-server":
        from serving.model_server.ignored_flags import IGNORED

        known |= {f"--{name}" for name in IGNORED}
    for word in rest:
        option = word.partition("=")[0]
        if re.fullmatch(r"--[a-z][\w-]*|-[a-zA-Z]", option) and option not in known:
            yield f"{said}: no option {option}"


@functools.cache
def _program(name: str) -> Any:
    import importlib

    import typer

    return typer.main.get_command(importlib.import_module(f"{name}.cli").app)


def _options(command: Any) -> set[str]:
    found = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
    for parameter in command.params:
        found |= {*parameter.opts, *parameter.secondary_opts}
    return {option for option in found if option.startswith("-")}
