"""The input pipeline: the batches of all epochs, and with the same seed the same ones.

What an epoch looks like follows from seed and epoch alone, and what becomes of a frame from seed, epoch and the
frame's
number: not from the size of batches, the number of devices or threads, or where a run was taken up again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.fitting import augment
from training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each batch a process prepares.

    Attributes:
        replicas: Into how many parts a batch is cut, one a device.
        first: The first part that is prepared here.
        count: How many are.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1


def steps_per_epoch(frames: int, batch_size: int, share: Share) -> int:
    """Counts the steps of an epoch: with several devices whole batches only, because each must get as much."""
    return -(-frames // batch_size) if share.replicas == 1 else frames // batch_size


def batches(
    images: NDArray[np.uint8],
    classes: NDArray[np.int64],
    recipe: Recipe,
    *,
    modes: int,
    no_echo: tuple[int, int, int],
    seed: int,
    epochs: range,
    share: Share | None = None,
) -> Any:
    """Makes the batches of some epochs.

    Args:
        images: uint8 RGB, shape (N, H, W, 3).
        classes: Shape (N,).
        recipe: Augmentation, batch size, label smoothing, class weights.
        modes: Number of classes, K.
        no_echo: RGB of what turns, shifts or is painted in.
        seed: Of order and changes.
        epochs: Their numbers, from 0.
        share: Of this process, if there are several.

    Returns:
        A `tf.data.Dataset` of pixels float32 (n, H, W, 3) in 0..255, targets float32 (n, K) and, with class weights,
        weights float32 (n,).
    """
    part = share or Share()
    count, size = len(images), recipe.fit.batch_size
    frames = tf.constant(images)
    targets = tf.constant(_targets(classes, modes, recipe.fit.label_smoothing))
    weights = tf.constant(class_weights(classes, modes)[classes])
    mixes, changes = recipe.augment.mixup > 0, recipe.augment.kind == "small"

    def draws() -> Iterator[tuple[NDArray[Any], ...]]:
        for epoch in epochs:
            order = np.random.default_rng((seed, epoch)).permutation(count)
            if part.replicas > 1:
                whole = order[: count // size * size].reshape(-1, part.replicas, size // part.replicas)
                order = whole[:, part.first : part.first + part.count].reshape(-1)
            partners, amounts = augment.draw_mixing(count, epoch, seed, recipe.augment.mixup)
            yield order, augment.draw_changes(count, epoch, seed), partners, amounts

    def one_epoch(order: Any, drawn: Any, partners: Any, amounts: Any) -> Any:
        def changed(index: Any) -> Any:
            chosen = tf.gather(frames, index)
            if changes:
                return augment.small_changes(chosen, tf.gather(drawn, index), recipe.augment, no_echo)
            return tf.cast(chosen, tf.float32)

        def take(index: Any) -> Any:
            pixels, target, weight = changed(index), tf.gather(targets, index), tf.gather(weights, index)
            if mixes:
                other, amount = tf.gather(partners, index), tf.gather(amounts, index)
                pixels = augment.mix(pixels, changed(other), amount)
                target = augment.mix(target, tf.gather(targets, other), amount)
                weight = augment.mix(weight, tf.gather(weights, other), amount)
            return (pixels, target, weight) if recipe.fit.class_weights == "balanced" else (pixels, target)

        numbers = tf.data.Dataset.from_tensor_slices(order).batch(size // part.replicas)
        return numbers.map(take, num_parallel_calls=2, deterministic=True)

    signature = (
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([count, augment.DRAWS], tf.float32),
        tf.TensorSpec([count], tf.int64),
        tf.TensorSpec([count], tf.float32),
    )
    return tf.data.Dataset.from_generator(draws, output_signature=signature).flat_map(one_epoch).prefetch(2)


def class_weights(classes: NDArray[np.int64], modes: int) -> NDArray[np.float32]:
    """Gives each mode a weight in inverse proportion to its frames; over all frames their mean is 1. Shape (K,)."""
    counts = np.bincount(classes, minlength=modes)
    present = counts > 0
    weights = np.zeros(modes, np.float32)
    weights[present] = len(classes) / (present.sum() * counts[present])
    return weights


def _targets(classes: NDArray[np.int64], modes: int, smoothing: float) -> NDArray[np.float32]:
    sure: NDArray[np.float32] = np.eye(modes, dtype=np.float32)[classes]
    return sure * np.float32(1 - smoothing) + np.float32(smoothing / modes)
