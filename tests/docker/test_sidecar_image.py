"""The image of the sidecar, as far as it can be told without building it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "sidecar.Dockerfile").read_text(encoding="utf-8")


def list_requirements(*extras: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docker" / "list_requirements.py"), *extras]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_requirements_are_those_of_the_extras_and_of_the_base():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = list_requirements("sidecar", "netcdf").stdout.splitlines()
    optional = project["optional-dependencies"]
    assert sorted(found) == sorted(project["dependencies"] + optional["sidecar"] + optional["netcdf"])


def test_extras_that_name_each_other_are_followed():
    found = list_requirements("training").stdout
    assert "tensorflow" in found
    assert "keras" in found
    assert "snowmode[" not in found


def test_an_extra_that_is_not_there_ends_the_build():
    assert list_requirements("sidekar").returncode != 0


def test_no_tensorflow_is_installed():
    extras = re.search(r"list_requirements\.py ([a-z ]+) >", DOCKERFILE)
    assert extras
    assert "tensorflow" not in list_requirements(*extras[1].split()).stdout


def test_what_is_copied_is_let_into_the_build():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for word in line.split()[:-1]]
    assert {"pyproject.toml", "constraints.txt", "serving", "radar"} <= set(copied)
    for word in copied:
        assert (ROOT / word).exists(), word
        assert any(fnmatch(word, pattern) or word.startswith(f"{pattern}/") for pattern in allowed), word


def test_it_does_not_run_as_root_and_tells_its_health():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.M)
    assert user
    assert int(user[1]) > 0
    assert "HEALTHCHECK" in last
    assert "/healthz" in last


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"SNOWMODE_SIDECAR_[A-Z_]+", DOCKERFILE))))
def test_variables_it_sets_are_options_of_the_command(variable):
    text = (ROOT / "serving" / "sidecar" / "command.py").read_text(encoding="utf-8")
    assert f'"{variable.removeprefix("SNOWMODE_SIDECAR_")}"' in text
