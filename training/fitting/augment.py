"""Augmentation: stateless, keyed by seed, epoch and frame, so that the same run sees the same pictures."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from radar.palette import COLORS, RATE_LIMITS
from training.recipe import AugmentTable

ROTATIONS = tuple(range(-30, 30, 5))
"""The original's 12 rotations, degrees: -30 to +25 in steps of 5, 0 included."""

DRAWS = 9
"""Uniform numbers a frame and epoch: rotation, two of shift, five of the rectangle, intensity."""


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
    """Draws what `small_changes` needs for one epoch: uniform numbers, shape (count, DRAWS)."""
    return np.random.default_rng((seed, epoch, 1)).random((count, DRAWS), dtype=np.float32)


def draw_mixing(count: int, epoch: int, seed: int, alpha: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draws with which frame each is mixed in an epoch, and how much of itself stays: 0.5 to 1, shapes (count,)."""
    if not alpha:
        return np.arange(count), np.ones(count, np.float32)
    rng = np.random.default_rng((seed, epoch, 2))
    stays = rng.beta(alpha, alpha, count)
    return rng.permutation(count), np.maximum(stays, 1 - stays).astype(np.float32)


def mix(values: Any, others: Any, amount: Any) -> Any:
    """Mixes rows, shape (N, ...), with others: `amount`, shape (N,), of the first, the rest of the second."""
    share = tf.reshape(amount, [-1] + [1] * (len(values.shape) - 1))
    return values * share + others * (1.0 - share)


def small_changes(images: Any, draw: Any, table: AugmentTable, no_echo: tuple[int, int, int]) -> Any:
    """Intensifies, rotates, shifts and erases a batch a little; every frame by its own draw.

    Args:
        images: uint8 tensor, shape (N, H, W, 3).
        draw: float32 tensor, shape (N, DRAWS), of `draw_changes`.
        table: How much.
        no_echo: RGB that fills what turns or shifts in, and erased rectangles.

    Returns:
        float32 tensor in 0..255, same shape.
    """
    if table.intensity_db:
        images = intensify(images, (draw[:, 8] * 2 - 1) * np.float32(table.intensity_db))
    # OpenCV does in a tenth of the time what TensorFlow's own transformation does on a CPU; on a GPU the pictures are
    # made there while the step before is computed.
    moved = tf.numpy_function(partial(_move, table, no_echo), [images, draw], tf.float32, stateful=False)
    return tf.ensure_shape(moved, images.shape)


def _move(
    table: AugmentTable, no_echo: tuple[int, int, int], images: NDArray[Any], draw: NDArray[np.float32]
) -> NDArray[np.float32]:
    height, width = images.shape[1:3]
    angle = (draw[:, 0] * 2 - 1) * np.radians(table.rotation_degrees)
    dx = (draw[:, 1] * 2 - 1) * table.shift * width
    dy = (draw[:, 2] * 2 - 1) * table.shift * height
    cos, sin, cx, cy = np.cos(angle), np.sin(angle), (width - 1) / 2, (height - 1) / 2
    # Maps output to input points: a rotation about the centre, then a shift.
    across, down = cx - cos * cx + sin * cy + dx, cy - sin * cx - cos * cy + dy
    turns = np.stack((cos, -sin, across, sin, cos, down), axis=1).reshape(-1, 2, 3).astype(np.float64)
    rectangles = _rectangles(draw[:, 3:8], height, width)
    moved = np.empty(images.shape, np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for n, (image, turn) in enumerate(zip(images, turns, strict=True)):
        moved[n] = cv2.warpAffine(image, turn, (width, height), flags=flags, borderValue=no_echo)
        if draw[n, 3] < table.erase:
            top, bottom, left, right = rectangles[n]
            moved[n, top:bottom, left:right] = no_echo
    return moved


def _rectangles(draw: NDArray[np.float32], height: int, width: int) -> list[list[int]]:
    """Gives a rectangle a frame, sides of 1/8 to 1/3 of the picture: rows from and to, columns from and to."""
    tall, wide = (0.125 + 0.21 * draw[:, 1]) * height, (0.125 + 0.21 * draw[:, 2]) * width
    top, left = draw[:, 3] * (height - tall), draw[:, 4] * (width - wide)
    edges: list[list[int]] = np.ceil(np.stack((top, top + tall, left, left + wide), axis=1)).astype(int).tolist()
    return edges


def intensify(images: Any, decibels: Any) -> Any:
    """Raises or lowers the rain rates of frames, as a radar with another calibration would show them.

    The colours of a palette stand for rates; a change of brightness or contrast would make other rates of them, at
    random. So each colour is moved along the palette, and what the resizing mixed into it is kept.

    Args:
        images: uint8 tensor, shape (N, H, W, 3), in the palette of `radar.palette`.
        decibels: float32 tensor, shape (N,).

    Returns:
        float32 tensor in 0..255, same shape. Pixels without echo stay as they are.
    """
    levels, colors = _palette()
    coarse = tf.cast(tf.bitwise.right_shift(images, tf.constant(3, tf.uint8)), tf.int32)
    level = tf.gather(tf.constant(levels), coarse[..., 0] * 1024 + coarse[..., 1] * 32 + coarse[..., 2])
    echo = tf.cast(level > 0, tf.float32)
    moved = tf.clip_by_value(level + echo * decibels[:, None, None], 0.0, float(len(colors) - 1) * _STEP_DB)
    path = tf.constant(colors)
    change = _at(path, moved) - _at(path, level)
    return tf.clip_by_value(tf.cast(images, tf.float32) + change, 0.0, 255.0)


_STEP_DB = 0.25
_FAINTEST_DB = -20.0
"""Level of the palette's first entry, no echo, decibels relative to 1 mm/h: the middle of a class is its level."""


def _at(path: Any, level: Any) -> Any:
    """Gives the colours of levels (decibels above no echo)."""
    return tf.gather(path, tf.cast(tf.round(level / _STEP_DB), tf.int32))


@cache
def _palette() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Levels of coarse RGB (5 bits a channel), decibels above no echo, (32768,); and colours by level, (L, 3)."""
    limits = np.append(RATE_LIMITS, RATE_LIMITS[-1] * 1.5)
    knots = np.append(_FAINTEST_DB, 5 * np.log10(limits[:-1] * limits[1:])) - _FAINTEST_DB
    steps = np.arange(0, knots[-1] + _STEP_DB / 2, _STEP_DB)
    path = np.stack([np.interp(steps, knots, COLORS[:, c]) for c in range(3)], axis=1).astype(np.float32)
    side = np.arange(32, dtype=np.float32) * 8 + 4
    coarse = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    # |a - b|^2 less |a|^2, which is the same for all: the nearest colour on the way from no echo to the heaviest
    # rain.
    nearest = ((path**2).sum(axis=1) - 2 * coarse @ path.T).argmin(axis=1)
    levels = (nearest * _STEP_DB).astype(np.float32)
    levels[-1] = 0.0  # white
    return levels, path
