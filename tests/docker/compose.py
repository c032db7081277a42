"""Reads docker/compose.yaml as docker would, as far as our checks need it; and finds a real docker compose."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.docker.conftest import ROOT
from tests.docker.dockerfiles import Dockerfile

FOLDER = ROOT / "docker"
Services = dict[str, dict[str, Any]]

SETTINGS = {
    "ARCHIVE": "/srv/radar",
    "SEASON": "hse20262027",
    "SNOWMODE_TOKEN": "0123456789abcdef0123456789abcdef",
    "POSTGRES_PASSWORD": "not-the-password",
    "GRAFANA_PASSWORD": "not-the-password",
}
"""What somebody has to say, and nothing else."""


def interpolate(text: str, settings: Mapping[str, str]) -> str:
    """Puts settings in, and what stands for those that are not there or empty."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        given = settings.get(found["name"], "")
        if not given and found["kind"] == ":?":
            raise KeyError(f"{found['name']}: {found['rest']}")
        return given or (found["rest"] if found["kind"] == ":-" else "")

    return re.sub(r"\$\$|\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}", value, text)


def load(settings: Mapping[str, str] = SETTINGS) -> dict[str, Any]:
    """Reads the file with these settings, which are put in after it was parsed: an empty one stays a text."""

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(value) for key, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        return interpolate(part, settings) if isinstance(part, str) else part

    found: dict[str, Any] = filled(yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8")))
    return found


def variables() -> set[str]:
    """Every setting that the compose files ask for."""
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in ("compose.yaml", "compose.gpu.yaml")]
    return set(re.findall(r"\$\{(\w+)", "".join(texts)))


def dockerfile_of(service: Mapping[str, Any]) -> Dockerfile | None:
    """The Dockerfile of its image; None for other people's."""
    name = re.fullmatch(r"(?:.*/)?snowmode-([a-z-]+):.*", service["image"])
    return Dockerfile(FOLDER / f"{name[1]}.Dockerfile") if name else None


def command_line(service: Mapping[str, Any]) -> list[str]:
    """The words it is started with: the image's, where it brings none of its own."""
    file = dockerfile_of(service)
    entry = service.get("entrypoint") or (file.words("ENTRYPOINT") if file else [])
    own = service.get("command")
    return [str(word) for word in (*entry, *(own if own is not None else file.words("CMD") if file else []))]


def real_compose() -> list[str]:
    """The words that call a docker compose of our days; none where there is not one."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if not shutil.which(words[0]):
            continue
        done = subprocess.run([*words, "version", "--short"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and re.match(r"v?[2-9]", done.stdout.strip()):
            return words
    return []


def ask_compose(*words: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Calls docker compose, which needs no docker for what we ask."""
    # A developer's own docker/.env is none of ours.
    called = [*real_compose(), "--env-file", "/dev/null", "--file", str(FOLDER / "compose.yaml"), *words]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(called, capture_output=True, text=True, check=False, env={**kept, **settings})


def resolved(settings: Mapping[str, str], *files: Path) -> dict[str, Any]:
    """What docker compose makes of the files."""
    more = [word for path in files for word in ("--file", str(path))]
    done = ask_compose(*more, "config", "--format", "json", settings=settings)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
