"""Checkpoints: what a run needs to go on where it was, as if nothing had happened.

A checkpoint is written at the end of each epoch, whole or not at all. It holds the weights, the state of the
optimizer (which also counts the steps that the learning rate follows) and of the generators of random numbers inside
the network, and how far early stopping is. An epoch that was not finished is run again; since its batches follow from
seed and epoch alone, it comes out the same.

    checkpoints/last.npz          the state after the last finished epoch
    checkpoints/kept-0007.npz     the weights of the best epoch so far, or the moving average
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from radar import durable
from training.errors import MachineError, TrainingError

LAST = "last.npz"
_VERSION = 1

Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: Finished epochs.
        stage: Number of the stage of the last of them.
        kept_epoch: The epoch (from 1) whose weights are kept; 0 before there is one.
        best_epoch: The epoch with the lowest validation loss.
        best_loss: That loss.
        waited: Epochs since then that were not better.
        stopped: Whether early stopping has ended the run.
        seconds: Time spent so far.
    """

    epoch: int = 0
    stage: int = 0
    kept_epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    waited: int = 0
    stopped: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A state to go on from: progress, and the arrays of model and optimizer in their own order."""

    progress: Progress
    model: Arrays
    optimizer: Arrays


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they lie; made if need be. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self) -> Checkpoint | None:
        """Loads the last checkpoint, None if there is none.

        Raises:
            TrainingError: It is there and cannot be read.
        """
        if self._folder is None or not (self._folder / LAST).exists():
            return None
        content = _read(self._folder / LAST)
        return Checkpoint(
            Progress(**json.loads(str(content["progress"]))), _list(content, "model"), _list(content, "optimizer")
        )

    def progress(self) -> Progress:
        """Tells how far the run is, without loading its arrays.

        Raises:
            TrainingError: The last checkpoint is there and cannot be read.
        """
        if self._folder is None or not (self._folder / LAST).exists():
            return Progress()
        return Progress(**json.loads(str(_read(self._folder / LAST, "progress")["progress"])))

    def kept(self, progress: Progress) -> Arrays:
        """Loads the weights of the best epoch.

        Raises:
            TrainingError: They are not there or cannot be read.
        """
        if self._folder is None:
            raise TrainingError("Expected a folder of checkpoints; this run keeps none")
        return _list(_read(self._folder / _kept_name(progress.kept_epoch)), "model")

    def save(self, checkpoint: Checkpoint, kept: Arrays | None) -> None:
        """Saves a checkpoint, and the weights that its progress calls the best if they are new.

        Raises:
            MachineError: The disk is full or fails; the checkpoint before is still there.
        """
        if self._folder is None:
            return
        progress = checkpoint.progress
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if kept is not None:
                # Under a name of its own: should the run die before `last` is written, `last` still finds the old
                # one.
                _write(self._folder / _kept_name(progress.kept_epoch), _named("model", kept))
            arrays = _named("model", checkpoint.model) | _named("optimizer", checkpoint.optimizer)
            _write(self._folder / LAST, {"progress": np.array(json.dumps(asdict(progress))), **arrays})
            for old in self._folder.glob("kept-*.npz"):
                if old.name != _kept_name(progress.kept_epoch):
                    old.unlink(missing_ok=True)
        except OSError as error:
            if kept is not None:
                (self._folder / _kept_name(progress.kept_epoch)).unlink(missing_ok=True)
            before = progress.epoch - 1
            raise MachineError(
                f"{self._folder}: the checkpoint of epoch {progress.epoch} cannot be written: "
                f"{error.strerror or error}. "
                + (f"That of epoch {before} is intact; " if before else "")
                + "make room and start the same command again with the same --name"
            ) from error


def _kept_name(epoch: int) -> str:
    return f"kept-{epoch:04d}.npz"


def _named(kind: str, arrays: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{kind}/{n:05d}": array for n, array in enumerate(arrays)}


def _list(content: dict[str, NDArray[Any]], kind: str) -> Arrays:
    return [content[name] for name in sorted(content) if name.startswith(f"{kind}/")]


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with durable.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{"version": np.array(_VERSION), **arrays})  # type: ignore[arg-type]


def _read(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            content = {name: file[name] for name in (("version", *names) if names else file.files)}
        if int(content["version"]) != _VERSION:
            raise ValueError(f"it is of version {content['version']}")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise TrainingError(
            f"{path}: expected a checkpoint of `training run`, received one that cannot be read: {error}; remove the "
            "folder of the run to start anew, or give another --name"
        ) from error
    return content
