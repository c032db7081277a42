"""What happens in an epoch besides learning: watching the loss, validating, logging, keeping checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.errors import DivergedError, Interrupted, MachineError
from training.fitting.checkpoints import Arrays, Checkpoint, Checkpoints, Progress

Score = Callable[[], tuple[float, float]]
"""Gives loss and accuracy of the validation frames."""


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Looks at every step: is the loss still a number, was the run told to stop?

    Args:
        tick: Called with the epoch's number (from 1), the step's number (from 1) and the number of steps.
        stopping: Whether the run was told to stop.
    """

    def __init__(self, tick: Callable[[int, int, int], None], stopping: Callable[[], bool]) -> None:
        super().__init__()
        self._tick, self._stopping = tick, stopping
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the loss so far."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise DivergedError(
                f"The training loss is {loss} in epoch {self._epoch}, step {batch + 1}: the weights ran away. "
                "Lower fit.learning_rate, or raise fit.warmup_epochs"
            )
        if self._stopping():
            raise Interrupted(
                f"Told to stop in epoch {self._epoch}, step {batch + 1}; the same command with the same --name goes "
                "on "
                f"after epoch {self._epoch - 1}"
            )
        self._tick(self._epoch, batch + 1, self.params["steps"])


@dataclass(frozen=True)
class Records:
    """Where the curve of a run goes.

    Attributes:
        metrics: JSON lines, one an epoch; None writes none.
        tensorboard: Folder for TensorBoard; None writes none.
        report: Called with the epoch's number (from 1), the number of epochs, and loss and accuracy of both sides.
    """

    metrics: Path | None
    tensorboard: Path | None
    report: Callable[[int, int, dict[str, float]], None]


class EpochEnd(keras.callbacks.Callback):  # type: ignore[misc]
    """Validates, decides which weights to keep, tells, and writes a checkpoint, in this order.

    Args:
        stage: Its number.
        last_stage: Whether early stopping may end the run in it.
        epochs: Epochs of the whole run.
        patience: Of early stopping; 0 keeps the weights of the last epoch.
        progress: From where the run goes on.
        score: Of the validation frames.
        checkpoints: Where they go.
        records: Where the curve goes.
    """

    def __init__(
        self,
        *,
        stage: int,
        last_stage: bool,
        epochs: int,
        patience: int,
        progress: Progress,
        score: Score,
        checkpoints: Checkpoints,
        records: Records,
    ) -> None:
        super().__init__()
        self.progress = progress
        self.kept: Arrays | None = None
        self.last: Arrays = []
        self._stage, self._last_stage, self._epochs, self._patience = stage, last_stage, epochs, patience
        self._score, self._checkpoints, self._records = score, checkpoints, records
        self._started = time.perf_counter() - progress.seconds
        self._writer = (
            tf.summary.create_file_writer(str(records.tensorboard)) if records.tensorboard is not None else None
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Does it all."""
        model, optimizer = self.model, self.model.optimizer
        own = values_of(model.variables)
        if averages := getattr(optimizer, "_model_variables_moving_average", None):
            # What is validated and kept is the average; what goes on learning are the weights themselves.
            for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
                variable.assign(average)
        loss, accuracy = self._score()
        if not math.isfinite(loss):
            raise DivergedError(
                f"The validation loss is {loss} after epoch {epoch + 1}: the weights ran away. Lower "
                "fit.learning_rate, or raise fit.warmup_epochs"
            )
        before = self.progress
        better = loss < before.best_loss
        keeps = better or not self._patience
        if keeps:
            self.kept = values_of(model.variables)
        if averages:
            assign(model.variables, own)
        progress = replace(
            before,
            epoch=epoch + 1,
            stage=self._stage,
            seconds=round(time.perf_counter() - self._started, 2),
            # Early stopping counts in the last stage alone: one before it may end on a plateau.
            waited=0 if better or not self._last_stage else before.waited + 1,
        )
        if better:
            progress = replace(progress, best_epoch=epoch + 1, best_loss=loss)
        if keeps:
            progress = replace(progress, kept_epoch=epoch + 1)
        progress = replace(progress, stopped=bool(self._patience) and progress.waited >= self._patience)
        self.progress, self.last = progress, own
        metrics = {name: round(float((logs or {})[name]), 6) for name in ("loss", "accuracy")}
        metrics |= {"val_loss": round(loss, 6), "val_accuracy": round(accuracy, 6)}
        self._write(metrics, float(optimizer.learning_rate))
        state = Checkpoint(progress, own, values_of(optimizer.variables))
        self._checkpoints.save(state, self.kept if keeps else None)
        self._records.report(epoch + 1, self._epochs, metrics)
        if progress.stopped:
            model.stop_training = True

    def _write(self, metrics: dict[str, float], rate: float) -> None:
        line = {"epoch": self.progress.epoch, "seconds": self.progress.seconds, **metrics, "learning_rate": rate}
        if self._records.metrics is not None:
            try:
                with self._records.metrics.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise MachineError(
                    f"{self._records.metrics}: cannot be written: {error.strerror or error}"
                ) from error
        if self._writer is not None:
            with self._writer.as_default(step=self.progress.epoch):
                for name, value in {**metrics, "learning_rate": rate}.items():
                    tf.summary.scalar(name, value)
            self._writer.flush()


def values_of(variables: Any) -> Arrays:
    """Copies variables."""
    return [np.array(variable.numpy()) for variable in variables]


def assign(variables: Any, values: Arrays) -> None:
    """Puts values back into variables, in the same order.

    Raises:
        ValueError: They are not as many, or of other shapes.
    """
    if len(variables) != len(values):
        raise ValueError(f"it has {len(values)} arrays, the network {len(variables)}")
    # Keras would name the shapes, too, and then print every weight.
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise ValueError(f"{variable.path} has the shape {tuple(variable.shape)}, there it is {value.shape}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def truncate(metrics: Path, epochs: int) -> None:
    """Takes back the lines of epochs that were logged but not finished by a checkpoint."""
    if not metrics.exists():
        return
    kept = []
    for line in metrics.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["epoch"] <= epochs:
                kept.append(line)
        except (ValueError, KeyError):  # half a line, of a run that was killed
            continue
    metrics.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def cross_entropy(logits: NDArray[np.float32], classes: NDArray[np.int64]) -> tuple[float, float]:
    """Gives mean cross-entropy and accuracy of logits (N, K) for classes (N,)."""
    z = logits.astype(np.float64)
    top = z.max(axis=1)
    log_sum = top + np.log(np.exp(z - top[:, np.newaxis]).sum(axis=1))
    loss = (log_sum - z[np.arange(len(z)), classes]).mean()
    return float(loss), float((z.argmax(axis=1) == classes).mean())
