"""What the rules read with: flags, quantities, references of images, scripts; and what a person is told to make."""

from __future__ import annotations

import re

import pytest

from tests.k8s.command_lines import _in_script, workers_named
from tests.k8s.conftest import Rendered
from tests.k8s.objects import find, pods, quantity
from tests.k8s.policies.model_server import FLAGS_OF_TENSORFLOW_SERVING
from tests.k8s.policies.references import MADE_BY_THE_OPERATOR, references
from tests.k8s.policies.security import image_faults
from tests.k8s.rendering import ROOT


def test_the_list_of_flags_is_the_one_of_the_embedded_server() -> None:
    import typer

    from serving.cli import app
    from serving.model_server.ignored_flags import IGNORED

    command = typer.main.get_command(app).commands["model-server"]
    options = {name.removeprefix("--") for parameter in command.params for name in parameter.opts}
    only_here = {"host", "port_file", "exit_with_parent"}
    assert only_here <= options
    assert (options - only_here) | set(IGNORED) == FLAGS_OF_TENSORFLOW_SERVING


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2), ("1k", 1000), ("2Gi", 2 * 2**30), ("1.5Mi", 1.5 * 2**20), (3, 3)]
)
def test_quantities(text: str | int, number: float) -> None:
    assert quantity(text) == number


def test_what_is_no_quantity_is_said_so() -> None:
    with pytest.raises(ValueError, match="expected a quantity such as 500m or 2Gi, received '2 GB'"):
        quantity("2 GB")


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("tensorflow/serving:2.20.0-gpu", True),
        ("postgres:17.6-bookworm", True),
        (f"images.example:5000/snowmode-client@sha256:{'0' * 64}", True),
        ("prom/prometheus:v3.5.0", True),
        ("images.example:5000/snowmode-client", False),
        ("snowmode-client:latest", False),
        ("postgres:17", False),
        ("snowmode-client@sha256:0000", False),
    ],
)
def test_references_of_images(image: str, pinned: bool) -> None:
    assert (not image_faults(image)) is pinned


def test_commands_are_found_in_scripts() -> None:
    script = """
    until [ -s /models/models.config ]; do sleep 30 & wait $!; done
    if client merge a.csv \\
         b.csv --out c.csv; then exec client record c.csv; fi
    """
    found = [" ".join(words) for words in _in_script(script)]
    assert "client merge a.csv b.csv --out c.csv" in found
    assert "client record c.csv" in found


@pytest.mark.parametrize(
    ("text", "count"), [("a:2222,b:2222", 2), ("job-{0..3}.workers:2222", 4), ("job-{1..2}.w:2222", 2), ("", 0)]
)
def test_workers_are_counted(text: str, count: int) -> None:
    assert workers_named(text) == count


def test_every_secret_that_a_person_makes_is_asked_for_and_explained(rendered: Rendered) -> None:
    asked: dict[str, set[str]] = {}
    for name in ("overlays/gpu-prod", "base+grpc-tls"):
        for pod in pods(rendered(name)):
            for kind, secret, key, _ in references(pod):
                if kind == "Secret" and key is not None:
                    asked.setdefault(secret, set()).add(key)
    # The Ingress names its Secret alone.
    ingress = find(rendered("overlays/gpu-prod"), "Ingress", "sidecar")
    asked[ingress["spec"]["tls"][0]["secretName"]] = {"tls.crt", "tls.key"}
    assert asked == MADE_BY_THE_OPERATOR
    guide = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    for secret, keys in asked.items():
        assert re.search(rf"\b{secret}\b", guide), f"docs/kubernetes.md does not say how to make the Secret {secret}"
        for key in keys - {"tls.crt", "tls.key"}:  # of type kubernetes.io/tls: kubectl names them
            assert key in guide, f"docs/kubernetes.md does not name the key {key} of the Secret {secret}"
