"""Augmentation: stateless, keyed by seed, epoch and frame, so that the same run sees the same pictures."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.recipe import AugmentTable

ROTATIONS = tuple(range(-30, 30, 5))
"""The original's 12 rotations, degrees: -30 to +25 in steps of 5, 0 included."""


def nakai_copies(
    images: NDArray[np.uint8], classes: NDArray[np.int64], no_echo: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Makes the original's 24 copies of each frame: 12 rotations times mirror.

    Args:
        images: uint8 RGB, shape (N, H, W, 3).
        classes: Shape (N,).
        no_echo: RGB of the corners that turn in.

    Returns:
        Images, shape (24 N, H, W, 3), and their classes, shape (24 N,).
    """
    height, width = images.shape[1:3]
    center = ((width - 1) / 2, (height - 1) / 2)
    turns = [cv2.getRotationMatrix2D(center, angle, 1.0) for angle in ROTATIONS]
    copies = np.empty((len(images), 2, len(turns), height, width, 3), np.uint8)
    for n, image in enumerate(images):
        for m, side in enumerate((image, image[:, ::-1])):
            for t, turn in enumerate(turns):
                copies[n, m, t] = cv2.warpAffine(
                    np.ascontiguousarray(side), turn, (width, height), borderValue=no_echo
                )
    repeats = 2 * len(turns)
    return copies.reshape(-1, height, width, 3), np.repeat(classes, repeats)


def draw_changes(count: int, epoch: int, seed: int) -> NDArray[np.float32]:
    """Draws what `small_changes` needs for one epoch: uniform numbers, shape (count, 8)."""
    return np.random.default_rng((seed, epoch, 1)).random((count, 8), dtype=np.float32)


def small_changes(images: Any, draw: Any, table: AugmentTable, no_echo: tuple[int, int, int]) -> Any:
    """Rotates, shifts and erases a batch a little; every frame by its own draw.

    Args:
        images: uint8 tensor, shape (N, H, W, 3).
        draw: float32 tensor, shape (N, 8), of `draw_changes`.
        table: How much.
        no_echo: RGB that fills what turns or shifts in, and erased rectangles.

    Returns:
        float32 tensor in 0..255, same shape.
    """
    height, width = images.shape[1], images.shape[2]
    angle = (draw[:, 0] * 2 - 1) * np.float32(np.radians(table.rotation_degrees))
    dx = (draw[:, 1] * 2 - 1) * np.float32(table.shift * width)
    dy = (draw[:, 2] * 2 - 1) * np.float32(table.shift * height)
    cos, sin, cx, cy = tf.cos(angle), tf.sin(angle), (width - 1) / 2, (height - 1) / 2
    zero = tf.zeros_like(cos)
    # Maps output to input points: a rotation about the centre, then a shift.
    transforms = tf.stack(
        (cos, -sin, cx - cos * cx + sin * cy + dx, sin, cos, cy - sin * cx - cos * cy + dy, zero, zero), axis=1
    )
    background = tf.constant(no_echo, tf.float32)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32) - background,
        transforms=transforms,
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    keep = 1.0 - _rectangles(draw[:, 3:], table.erase, height, width)
    return moved * keep[..., tf.newaxis] + background


def _rectangles(draw: Any, share: float, height: int, width: int) -> Any:
    """Marks one rectangle in a share of the frames: sides of 1/8 to 1/3 of the picture; float32 (N, H, W)."""
    rows, columns = tf.range(height, dtype=tf.float32), tf.range(width, dtype=tf.float32)
    tall = (0.125 + 0.21 * draw[:, 1]) * height
    wide = (0.125 + 0.21 * draw[:, 2]) * width
    top = draw[:, 3] * (height - tall)
    left = draw[:, 4] * (width - wide)
    inside_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    chosen = (draw[:, 0] < share)[:, None, None]
    return tf.cast(chosen & inside_rows[:, :, None] & inside_columns[:, None, :], tf.float32)
