"""What `make images` says where it cannot build, and the commands it builds with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.build import build_images
from tests.docker.conftest import ROOT

MODEL = "202611211820"


def program(folder: Path, name: str, text: str) -> None:
    """Puts a program of that name before all others."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def make(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Calls the script where no builder is but those of the test."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    for name in ("git", "sh", "cat"):
        if not (tmp_path / "bin" / name).exists():
            (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    return subprocess.run(
        [sys.executable, str(ROOT / "docker" / "build_images.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path / "bin"), **variables},
    )


def calls(tmp_path: Path) -> list[str]:
    """What the builder of the test was asked for."""
    return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def recorder(tmp_path: Path, *, fails_at: str = "nothing") -> None:
    """A builder that writes down what it is asked, and has every image."""
    program(
        tmp_path / "bin",
        "buildah",
        f'echo "$@" >> {tmp_path}/calls\ncase "$*" in *{fails_at}*) echo no space left >&2; exit 125;; esac',
    )


def test_without_a_builder_it_says_what_to_install(tmp_path: Path):
    done = make(tmp_path)
    assert done.returncode == 2
    assert "nothing was built: neither a docker that answers nor buildah is here" in done.stderr
    assert "apt-get install buildah" in done.stderr


def test_a_docker_that_does_not_answer_is_none(tmp_path: Path):
    program(tmp_path / "bin", "docker", "exit 1")
    assert make(tmp_path).returncode == 2
    program(tmp_path / "bin", "docker", "exit 0")
    assert make(tmp_path, "client").returncode == 0


def test_a_base_that_cannot_be_had_is_named_with_the_ways_out(tmp_path: Path):
    program(tmp_path / "bin", "docker", 'case "$1" in info) exit 0;; esac; exit 1')
    done = make(tmp_path)
    assert done.returncode == 2
    assert re.search(
        r"docker.io/library/python:3\.13\.\d+-slim-trixie@sha256:[0-9a-f]{64} cannot be fetched", done.stderr
    )
    assert "make images BASE_IMAGE=" in done.stderr


def test_an_image_that_is_none_is_an_error(tmp_path: Path):
    done = make(tmp_path, "sidekar")
    assert done.returncode == 2
    assert "no image sidekar; there are client, sidecar" in done.stderr


def test_each_is_built_with_its_file_and_its_name(tmp_path: Path):
    recorder(tmp_path)
    done = make(tmp_path, "client", "training", REGISTRY="registry.example/weather", PIP_CERT="/etc/ca.crt")
    assert done.returncode == 0, done.stderr
    built = [line for line in calls(tmp_path) if line.startswith("build ")]
    assert [line.split("--file ")[1].split()[0] for line in built] == [
        "docker/client.Dockerfile",
        "docker/training.Dockerfile",
    ]
    assert built[0].endswith(f"--tag registry.example/weather/snowmode-client:{version()} .")
    assert "--format docker" in built[0]  # or health checks are lost
    assert "--volume /etc/ca.crt:" in built[0]
    assert "--build-arg TENSORFLOW=tensorflow-cpu" in built[1]
    assert "TENSORFLOW" not in built[0]


def version() -> str:
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def test_one_that_fails_does_not_keep_the_others_from_being_built(tmp_path: Path):
    recorder(tmp_path, fails_at="client.Dockerfile")
    done = make(tmp_path, "client", "sidecar")
    assert done.returncode == 1
    assert "client failed: buildah ended with 125" in done.stderr
    assert "snowmode-sidecar:" in done.stderr


def test_without_a_model_there_is_no_serving_image(tmp_path: Path):
    recorder(tmp_path)
    done = make(tmp_path, "serving", MODELS=str(tmp_path / "models"))
    assert done.returncode == 1
    assert f"no model in production in {tmp_path}/models/snowmode" in done.stderr
    assert "make images MODELS=models MODEL_VERSION=" in done.stderr


@pytest.mark.parametrize("named", [True, False], ids=["by hand", "in production"])
def test_the_serving_image_gets_the_model_in_production(tmp_path: Path, named: bool):
    recorder(tmp_path)
    models = tmp_path / "models"
    for number in (MODEL, "202611220000"):
        (models / "snowmode" / number).mkdir(parents=True)
        (models / "snowmode" / number / "saved_model.pb").write_bytes(b"x")
    (models / "releases.json").write_text(f'{{"production": {202611220000 if named else MODEL}}}', encoding="utf-8")
    done = make(tmp_path, "serving", MODELS=str(models), **({"MODEL_VERSION": MODEL} if named else {}))
    assert done.returncode == 0, done.stderr
    assert f"--build-arg MODEL_VERSION={MODEL} --build-context models={models}" in calls(tmp_path)[-1]


def test_it_needs_nothing_but_python():
    imported = (ROOT / "docker" / "build_images.py").read_text(encoding="utf-8")
    modules = {
        line.split()[1].partition(".")[0] for line in imported.splitlines() if line.startswith(("import", "from"))
    }
    assert modules <= set(sys.stdlib_module_names)


def test_every_image_has_a_dockerfile():
    assert sorted(build_images.IMAGES) == sorted(
        path.name.removesuffix(".Dockerfile") for path in (ROOT / "docker").glob("*.Dockerfile")
    )
