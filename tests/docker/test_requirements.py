"""What is installed into the images."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.docker.conftest import ROOT

SCRIPT = ROOT / "docker" / "steps" / "list_requirements.py"


def list_requirements(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


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


@pytest.mark.parametrize("build", ["tensorflow-cpu", "tensorflow[and-cuda]"])
def test_another_build_of_tensorflow_takes_the_same_versions(build: str):
    usual = list_requirements("training").stdout.splitlines()
    changed = list_requirements("training", f"tensorflow={build}").stdout.splitlines()
    (before,), (after,) = set(usual) - set(changed), set(changed) - set(usual)
    assert after == before.replace("tensorflow", build)


def test_every_build_of_tensorflow_is_held_to_one_version():
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^(tensorflow|tensorflow-cpu)==(.+)$", constraints, re.M))
    assert versions["tensorflow"] == versions["tensorflow-cpu"]


def test_an_extra_that_is_not_there_ends_the_build():
    assert list_requirements("sidekar").returncode != 0


@pytest.mark.parametrize("image", ["client", "sidecar"])
def test_light_images_ask_for_no_tensorflow(image: str):
    text = (ROOT / "docker" / f"{image}.Dockerfile").read_text(encoding="utf-8")
    called = re.search(r"list_requirements\.py ([a-z ]+) >", text)
    assert called
    assert "tensorflow" not in list_requirements(*called[1].split()).stdout
