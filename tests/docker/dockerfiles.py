"""Reads Dockerfiles."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.docker.conftest import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile, instruction by instruction."""

    path: Path

    @property
    def image(self) -> str:
        return self.path.name.removesuffix(".Dockerfile")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def instructions(self) -> list[tuple[str, str]]:
        """Name and arguments of each, on one line."""
        kept = "\n".join(line for line in self.text.splitlines() if not line.lstrip().startswith("#"))
        lines = [line for line in kept.replace("\\\n", " ").splitlines() if line.strip()]
        return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]

    @cached_property
    def stages(self) -> list[list[tuple[str, str]]]:
        """The instructions from each FROM on; those before the first are left out."""
        found: list[list[tuple[str, str]]] = []
        for name, rest in self.instructions:
            if name == "FROM":
                found.append([])
            if found:
                found[-1].append((name, rest))
        return found

    def last(self, name: str) -> str:
        """Arguments of an instruction of the last stage; empty where it has none."""
        return next((rest for found, rest in reversed(self.stages[-1]) if found == name), "")

    def words(self, name: str) -> list[str]:
        """The same, of one in JSON form."""
        found: list[str] = json.loads(self.last(name) or "[]")
        return found

    def arguments(self) -> dict[str, str]:
        """Defaults of the build arguments; empty for those without."""
        return {rest.partition("=")[0]: rest.partition("=")[2] for name, rest in self.instructions if name == "ARG"}

    def variables(self) -> dict[str, str]:
        """What the last stage sets in the environment."""
        return dict(re.findall(r"(\w+)=(\S*)", self.last("ENV")))


def health_check(dockerfile: Dockerfile) -> list[str]:
    """The command of its health check; empty for NONE."""
    _, found, command = dockerfile.last("HEALTHCHECK").partition("CMD ")
    words: list[Any] = json.loads(command) if found else []
    return [str(word) for word in words]
