"""Renders the manifests as `kubectl apply -k` would, without a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"

Objects = list[dict[str, Any]]


def missing_tool() -> str:
    """Why nothing can be rendered here; empty if it can."""
    if shutil.which("kubectl") is None:
        return "kubectl is not on PATH (1.21 or later; older ones know no kustomize components)"
    return ""


def overlays() -> list[str]:
    return sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))


def components() -> list[str]:
    return sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))


def render(folder: Path) -> Objects:
    """Gives the objects of a kustomization."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"kubectl kustomize {folder}: {done.stderr.strip()}")
    if done.stderr.strip():
        # kustomize says there what it deprecates; the next version refuses it.
        raise RuntimeError(f"kubectl kustomize {folder} warns: {done.stderr.strip()}")
    return [entry for entry in yaml.safe_load_all(done.stdout) if entry]


STANDS_ON = {"keda": ("postgres",)}
"""What a component says it needs: several sidecars cannot share SQLite."""


def render_with(component: str, scratch: Path) -> Objects:
    """Gives the objects of the base with one component, and what that stands on."""
    folder = scratch / component
    folder.mkdir()
    up = os.path.relpath(K8S, folder.resolve())  # kustomize takes no absolute paths
    names = [*STANDS_ON.get(component, ()), component]
    lines = {"resources": [f"{up}/base"], "components": [f"{up}/components/{name}" for name in names]}
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **lines})
    )
    return render(folder)
