"""Fitting: a labelled set and a recipe in, trained weights out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import augment
from training.architectures import Network
from training.recipe import Recipe


class MetricsLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes one JSON line an epoch, at once, so that a killed run keeps its curve.

    Args:
        file: Open for writing.
        report: Called with the epoch's number (from 1), the number of epochs and the metrics.
    """

    def __init__(self, file: IO[str], report: Callable[[int, int, dict[str, float]], None]) -> None:
        super().__init__()
        self._file = file
        self._report = report
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the line."""
        metrics = {name: round(float(value), 6) for name, value in (logs or {}).items()}
        seconds = round(time.perf_counter() - self._started, 2)
        self._file.write(json.dumps({"epoch": epoch + 1, "seconds": seconds, **metrics}) + "\n")
        self._file.flush()
        self._report(epoch + 1, self.params["epochs"], metrics)


class StepTicker(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells after each step how far the epoch is.

    Args:
        tick: Called with the epoch's number (from 1), the step's number (from 1) and the number of steps.
    """

    def __init__(self, tick: Callable[[int, int, int], None]) -> None:
        super().__init__()
        self._tick = tick
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tells the step."""
        self._tick(self._epoch, batch + 1, self.params["steps"])


def fit(
    network: Network,
    recipe: Recipe,
    training: tuple[NDArray[np.uint8], NDArray[np.int64]],
    validation: tuple[NDArray[np.uint8], NDArray[np.int64]],
    *,
    no_echo: tuple[int, int, int],
    seed: int,
    log: Path,
    report: Callable[[int, int, dict[str, float]], None],
    tick: Callable[[int, int, int], None] = lambda *_: None,
) -> tuple[int, float]:
    """Trains a network in place.

    Args:
        network: With fresh weights.
        recipe: How.
        training: Images uint8 (N, H, W, 3) and classes (N,).
        validation: The same, of other frames.
        no_echo: RGB that fills what augmentation uncovers.
        seed: Of augmentation and order.
        log: JSON-lines file of metrics.
        report: See `MetricsLog`.
        tick: See `StepTicker`.

    Returns:
        The epoch (from 1) with the lowest validation loss, and that loss. With `patience` its weights are kept.
    """
    images, classes = training
    if recipe.augment.kind == "nakai2022":
        images, classes = augment.nakai_copies(images, classes, no_echo)
    steps = math.ceil(len(images) / recipe.fit.batch_size)
    batches = _batches(images, classes, recipe, no_echo, seed)
    rate: Any = recipe.fit.learning_rate
    stopping = []
    if recipe.fit.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, recipe.fit.epochs * steps, alpha=0.02)
    if recipe.fit.patience:
        stopping = [
            keras.callbacks.EarlyStopping("val_loss", patience=recipe.fit.patience, restore_best_weights=True)
        ]
    network.model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    held_out = tf.data.Dataset.from_tensor_slices((validation[0].astype(np.float32), validation[1])).batch(256)
    with log.open("w", encoding="utf-8") as file:
        history = network.model.fit(
            batches,
            epochs=recipe.fit.epochs,
            steps_per_epoch=steps,
            validation_data=held_out,
            callbacks=[*stopping, MetricsLog(file, report), StepTicker(tick)],
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )
    losses = history.history["val_loss"]
    # A loss that is no number is never the lowest; early stopping sees it the same way.
    best = min(range(len(losses)), key=lambda n: math.inf if math.isnan(losses[n]) else losses[n])
    return best + 1, float(losses[best])


def predict_logits(network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Runs the network on images (N, H, W, 3); gives logits, shape (N, K)."""
    run = tf.function(lambda x: network.model(tf.cast(x, tf.float32), training=False), reduce_retracing=True)
    parts = [run(tf.constant(images[start : start + 256])).numpy() for start in range(0, len(images), 256)]
    return np.concatenate(parts)


def _batches(
    images: NDArray[np.uint8], classes: NDArray[np.int64], recipe: Recipe, no_echo: tuple[int, int, int], seed: int
) -> Any:
    """Makes the batches of all epochs; the pictures of an epoch depend on seed, epoch and frame alone."""
    count, epochs = len(images), recipe.fit.epochs
    frames, labels = tf.constant(images), tf.constant(classes)
    orders = tf.constant([np.random.default_rng((seed, epoch)).permutation(count) for epoch in range(epochs)])
    changes = tf.constant([augment.draw_changes(count, epoch, seed) for epoch in range(epochs)])

    def one_epoch(epoch: Any) -> Any:
        order = tf.data.Dataset.from_tensor_slices(orders[epoch])
        return order.batch(recipe.fit.batch_size).map(lambda index: take(epoch, index))

    def take(epoch: Any, index: Any) -> Any:
        chosen = tf.gather(frames, index)
        if recipe.augment.kind == "small":
            chosen = augment.small_changes(chosen, tf.gather(changes[epoch], index), recipe.augment, no_echo)
        return tf.cast(chosen, tf.float32), tf.gather(labels, index)

    return tf.data.Dataset.range(epochs).flat_map(one_epoch).prefetch(2)
