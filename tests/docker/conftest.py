"""Images that `make images` has built, and a network to run them in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.containers import Image, Pod, mounted

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def _image(name: str) -> Iterator[Image]:
    with mounted(f"snowmode-{name}:{VERSION}") as image:
        yield image


@pytest.fixture(scope="module")
def client_image() -> Iterator[Image]:
    """`client`."""
    yield from _image("client")


@pytest.fixture(scope="module")
def sidecar_image() -> Iterator[Image]:
    """`serving sidecar`."""
    yield from _image("sidecar")


@pytest.fixture(scope="module")
def model_server_image() -> Iterator[Image]:
    """`serving model-server`."""
    yield from _image("model-server")


@pytest.fixture(scope="module")
def training_image() -> Iterator[Image]:
    """`training`."""
    yield from _image("training")


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> Image:
    """The image whose name the test is given."""
    found: Image = request.getfixturevalue(f"{request.param.replace('-', '_')}_image")
    return found


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A network of its own."""
    pod = Pod(tmp_path_factory.mktemp("pod"))
    try:
        yield pod
    finally:
        pod.close()
