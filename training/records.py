"""Records of a run: the files of its folder that are read again later, and what it was made with."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from radar import durable
from serving.protocol.contract import CARD_FILE, ModelCard
from training.errors import TrainingError
from training.recipe import Recipe

RECIPE_FILE = "recipe.json"
MANIFEST_FILE = "manifest.csv"
METRICS_FILE = "metrics.jsonl"
WEIGHTS_FILE = "final.weights.h5"
ENVIRONMENT_FILE = "environment.json"
PUBLISHED_FILE = "published.json"
TEST_FILE = "test.csv"
REPORT_FILE = "report.html"

COMMIT_VARIABLE = "SNOWMODE_COMMIT"
"""Set by docker/training.Dockerfile."""

_LIBRARIES = ("snowmode", "tensorflow", "keras", "numpy", "scipy", "scikit-learn", "opencv-python-headless", "h5py")

# The same library without kernels for GPUs, which container images may bring instead.
_OTHER_BUILDS = {"tensorflow": "tensorflow-cpu"}


def libraries(*names: str) -> dict[str, str]:
    """Gives the versions of libraries; those that are not installed are left out."""
    found = {}
    for name in names or _LIBRARIES:
        for build in (name, _OTHER_BUILDS.get(name, name)):
            try:
                found[name] = importlib.metadata.version(build)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def git_commit() -> str:
    """Gives the commit of the code: of the checkout, else as the container image says; empty if nobody knows."""
    return _git("rev-parse", "HEAD") or os.environ.get(COMMIT_VARIABLE, "")


def write_environment(folder: Path) -> None:
    """Writes what a run was made with: libraries, commit, devices, and whether its operations are deterministic."""
    import tensorflow as tf
    from tensorflow.python.framework import config

    found: dict[str, Any] = {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "deterministic": bool(config.is_op_determinism_enabled()),
        "libraries": libraries(),
        "git_commit": git_commit(),
        "git_changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }
    durable.write_text(folder / ENVIRONMENT_FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def save_weights(model: Any, folder: Path) -> Path:
    """Writes the weights of a Keras model, whole or not at all.

    Raises:
        OSError: They cannot be written.
    """
    path = folder / WEIGHTS_FILE
    temporary = folder / f".{os.getpid()}.{WEIGHTS_FILE}"  # Keras asks for the ending
    try:
        model.save_weights(temporary)
        durable.sync(temporary)
        temporary.replace(path)
        durable.sync(folder)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def load_weights(model: Any, folder: Path) -> None:
    """Reads what `save_weights` wrote.

    Raises:
        TrainingError: They are missing, damaged, or of another network.
    """
    path = folder / WEIGHTS_FILE
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras have many kinds; none of them means anything else
        raise TrainingError(
            f"{path}: expected the weights of this run's network; cannot be used: {str(error)[:300]}"
        ) from error


def read_recipe(folder: Path) -> Recipe:
    """Reads the recipe of a run.

    Raises:
        TrainingError: The folder is none of a run.
    """
    path = folder / RECIPE_FILE
    try:
        return Recipe.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"{path}: expected the recipe of a run of `training run`; cannot be read: {str(error)[:300]}"
        ) from error


def read_card(folder: Path) -> ModelCard:
    """Reads the model card of a run.

    Raises:
        TrainingError: The run has not come so far, or the folder is none of a run.
    """
    path = folder / CARD_FILE
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"{path}: expected the model card of a finished run; cannot be read: {str(error)[:300]}; continue the "
            "run with `training run --name`"
        ) from error


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
