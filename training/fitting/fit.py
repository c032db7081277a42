"""Fitting: a labelled set and a recipe in, trained weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.architectures import Network
from training.errors import TrainingError
from training.fitting import augment, pipeline, schedule, workers
from training.fitting.checkpoints import Arrays, Checkpoint, Checkpoints, Progress
from training.fitting.devices import Devices
from training.fitting.epochs import EpochEnd, Records, Watch, assign, cross_entropy, truncate
from training.fitting.pipeline import Share
from training.fitting.schedule import Stage
from training.recipe import Recipe

Side = tuple[NDArray[np.uint8], NDArray[np.int64]]


class Fitted(NamedTuple):
    """How a fit went.

    Attributes:
        epoch: The epoch (from 1) with the lowest validation loss.
        loss: That loss.
        epochs: Epochs run, those before an interruption included.
        resumed: Epochs of them that were run before this call.
    """

    epoch: int
    loss: float
    epochs: int
    resumed: int


def fit(
    network: Network,
    recipe: Recipe,
    training: Side,
    validation: Side,
    *,
    no_echo: tuple[int, int, int],
    seed: int,
    log: Path | None,
    report: Callable[[int, int, dict[str, float]], None] = lambda *_: None,
    tick: Callable[[int, int, int], None] = lambda *_: None,
    checkpoints: Path | None = None,
    tensorboard: Path | None = None,
    devices: Devices | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Trains a network in place.

    With `patience` it ends with the weights of the lowest validation loss, otherwise with those of the last epoch;
    with `ema` with their moving average.

    Args:
        network: With fresh weights, made in the scope of `devices`.
        recipe: How.
        training: Images uint8 (N, H, W, 3) and classes (N,).
        validation: The same, of other frames.
        no_echo: RGB that fills what augmentation uncovers.
        seed: Of augmentation and order.
        log: JSON-lines file of metrics; None writes none.
        report: See `training.fitting.epochs.Records`.
        tick: See `training.fitting.epochs.Watch`.
        checkpoints: Folder to keep the state of each epoch in; if there is one already, the run goes on from it.
        tensorboard: Folder for TensorBoard.
        devices: One device by default.
        stopping: Asked after each step whether to stop.

    Raises:
        DivergedError: The loss is no number any more.
        Interrupted: `stopping` said so; the last checkpoint holds.
        MachineError: A checkpoint cannot be written, or another worker is gone.
        TrainingError: A checkpoint cannot be read, or is of another network; or batches cannot be shared out.
    """
    used = devices or Devices()
    images, classes = training
    if recipe.augment.kind == "nakai2022":
        images, classes = augment.nakai_copies(images, classes, no_echo)
    modes = int(network.model.output.shape[-1])
    share = Share(used.replicas, used.worker * used.replicas // used.workers, used.replicas // used.workers)
    used.check(recipe.fit.batch_size, len(images))
    steps = pipeline.steps_per_epoch(len(images), recipe.fit.batch_size, share)

    kept = Checkpoints(checkpoints)
    state = kept.load()
    progress = state.progress if state else Progress()
    resumed = progress.epoch
    if log is not None and used.is_chief:
        truncate(log, resumed)
    records = Records(log if used.is_chief else None, tensorboard if used.is_chief else None, report)

    logits_of = predictor(network)

    def score() -> tuple[float, float]:
        return used.agreed(cross_entropy(logits_of(validation[0]), validation[1]))

    best: Arrays | None = None
    stages = schedule.stages(recipe)
    for number, stage in enumerate(stages):
        if progress.stopped or progress.epoch >= stage.epochs.stop:
            continue
        epochs = range(max(stage.epochs.start, progress.epoch), stage.epochs.stop)
        with used.scope():
            _compile(network, recipe, stage, steps)
        if state is not None and state.progress is progress:
            _restore(network, state, with_optimizer=progress.stage == number and progress.epoch > stage.epochs.start)
        batches = pipeline.batches(
            images, classes, recipe, modes=modes, no_echo=no_echo, seed=seed, epochs=epochs, share=share
        )
        end = EpochEnd(
            stage=number,
            last_stage=stage is stages[-1],
            epochs=recipe.fit.epochs,
            patience=recipe.fit.patience,
            progress=progress,
            score=score,
            checkpoints=kept if used.is_chief else Checkpoints(None),
            records=records,
        )
        workers.prepare(network.model, used, batches.element_spec)
        with _telling_what_to_do(used):
            network.model.fit(
                used.distribute(batches),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=steps,
                callbacks=[Watch(tick, stopping), end],
                shuffle=False,  # the batches are shuffled already
                verbose=0,
            )
        # Keras leaves the moving average in place of the weights, from which the next stage must not go on.
        assign(network.model.variables, end.last)
        progress, best = end.progress, end.kept or best
    # Without one the best epoch, or every one, was before an interruption.
    assign(network.model.variables, best or kept.kept(progress))
    return Fitted(progress.best_epoch, progress.best_loss, progress.epoch, resumed)


def predict_logits(network: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Runs the network on images (N, H, W, 3); gives logits, shape (N, K)."""
    return predictor(network)(images)


def predictor(network: Network) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Makes a function that runs the network on images (N, H, W, 3) and gives logits (N, K); compiled once."""
    run = tf.function(lambda x: network.model(tf.cast(x, tf.float32), training=False), reduce_retracing=True)

    def logits_of(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [run(tf.constant(images[start : start + 256])).numpy() for start in range(0, len(images), 256)]
        return np.concatenate(parts)

    return logits_of


def _compile(network: Network, recipe: Recipe, stage: Stage, steps: int) -> None:
    schedule.freeze(network, stage)
    network.model.compile(
        optimizer=schedule.optimizer(recipe, stage, steps),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
    )
    network.model.optimizer.build(network.model.trainable_variables)


def _restore(network: Network, state: Checkpoint, *, with_optimizer: bool) -> None:
    try:
        assign(network.model.variables, state.model)
        if with_optimizer:
            assign(network.model.optimizer.variables, state.optimizer)
    except ValueError as error:
        raise TrainingError(
            f"The checkpoint is of another network: {error}; give another --name, or remove the folder of the run"
        ) from error


@contextmanager
def _telling_what_to_do(devices: Devices) -> Iterator[None]:
    """Tells of a lost peer or too little memory in words that help."""
    try:
        with devices.telling_of_lost_peers():
            yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            "The device has too little memory for a step; lower fit.batch_size or the size of the input. TensorFlow "
            f"says: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["nothing"])[0][:300]
