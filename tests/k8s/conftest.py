"""Every render of the manifests, made once."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.k8s.rendering import K8S, Objects, components, missing_tool, overlays, render, render_with

Rendered = Callable[[str], Objects]

NAMES = ["base", *(f"overlays/{name}" for name in overlays()), *(f"base+{name}" for name in components())]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Gives the objects of `base`, `overlays/NAME` or `base+COMPONENT`; who changes them takes a copy."""
    if reason := missing_tool():
        pytest.skip(reason)
    scratch = tmp_path_factory.mktemp("k8s")

    @functools.cache
    def give(name: str) -> Objects:
        component = name.removeprefix("base+")
        return render_with(component, scratch) if component != name else render(K8S / name)

    return give
