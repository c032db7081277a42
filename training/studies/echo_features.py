"""What an expert would measure of a frame: how much echo, where, in which direction, how rough.

The features of the non-neural baseline. Orientation and anisotropy come from the structure tensor (Bigun and Granlund
1987), the smoothed outer product of the gradient with itself: its eigenvectors are the directions along and across a
band, its eigenvalues tell how much of a band there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.palette import COLORS

SIDE = 64
"""Rows and columns of the frames that are measured."""

_SCALES = (1.0, 2.0, 4.0)  # of the structure tensor, in pixels
_SECTORS = 3
_TINY = 1e-9

Field = NDArray[np.floating]


def measure(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measures frames.

    Args:
        images: RGB, shape (N, H, W, 3), in colours of JMA's palette or close to them.

    Returns:
        Shape (N, F), in the order of `NAMES`.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda image: [value for _, value in _features(image)], images))
    return np.array(rows, np.float64).reshape(len(images), len(NAMES))


def levels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gives the palette class nearest to each pixel, 0 (no echo) to 8, shape (H, W)."""
    pixels = image.reshape(-1, 3).astype(np.int32)
    # Frames of a palette have few colours: each is looked up once.
    packed = (pixels[:, 0] << 16) | (pixels[:, 1] << 8) | pixels[:, 2]
    colors, place = np.unique(packed, return_inverse=True)
    rgb = np.stack([colors >> 16, (colors >> 8) & 255, colors & 255], axis=1)
    distance = ((rgb[:, np.newaxis] - COLORS[np.newaxis].astype(np.int32)) ** 2).sum(axis=2)
    found: NDArray[np.uint8] = distance.argmin(axis=1).astype(np.uint8)[place].reshape(image.shape[:2])
    return found


def _features(image: NDArray[np.uint8]) -> Iterator[tuple[str, float]]:
    classes = levels(image)
    strength = classes.astype(np.float32) / (len(COLORS) - 1)
    echo = (classes > 0).astype(np.uint8)
    yield from _amount(classes)
    yield from _place(strength)
    yield from _direction(strength)
    yield from _texture(strength, echo)
    yield from _pieces(echo)


def _amount(classes: NDArray[np.uint8]) -> Iterator[tuple[str, float]]:
    for level in range(1, len(COLORS)):
        yield f"area of class {level} and above", float((classes >= level).mean())


def _place(strength: Field) -> Iterator[tuple[str, float]]:
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in strength.shape)
    total = float(strength.sum()) + _TINY
    middle = float(rows @ strength.sum(axis=1)) / total, float(strength.sum(axis=0) @ columns) / total
    yield "row of the centre", middle[0]
    yield "column of the centre", middle[1]
    yield "spread in rows", float(((rows - middle[0]) ** 2) @ strength.sum(axis=1)) / total
    yield "spread in columns", float(((columns - middle[1]) ** 2) @ strength.sum(axis=0)) / total
    sectors = cv2.resize(strength, (_SECTORS, _SECTORS), interpolation=cv2.INTER_AREA)
    for at, value in np.ndenumerate(sectors):
        yield f"echo in sector {at[0]},{at[1]}", float(value)


def _direction(strength: Field) -> Iterator[tuple[str, float]]:
    smooth = cv2.GaussianBlur(strength, (0, 0), 1.0)
    by_row, by_column = cv2.Sobel(smooth, cv2.CV_32F, 0, 1), cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    height, width = strength.shape
    total = float(strength.sum()) + _TINY
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    away = np.arctan2(
        rows - float((rows * strength).sum()) / total, columns - float((columns * strength).sum()) / total
    )
    for scale in _SCALES:
        rr, cc, rc = (
            cv2.GaussianBlur(product, (0, 0), scale)
            for product in (by_row * by_row, by_column * by_column, by_row * by_column)
        )
        energy = rr + cc
        # Twice the angle, because a band that points north points south too.
        cosine, sine = cc - rr, 2 * rc
        strongest = np.sqrt(cosine**2 + sine**2)
        weight = float(energy.sum()) + _TINY
        yield f"coherence at {scale:g}", float(strongest.sum()) / weight
        yield f"anisotropy at {scale:g}", float(np.hypot(cosine.sum(), sine.sum())) / weight
        yield f"orientation cosine at {scale:g}", float(cosine.sum()) / weight
        yield f"orientation sine at {scale:g}", float(sine.sum()) / weight
        # The gradient across the arms of a vortex points to and from its centre.
        turned = (cosine * np.cos(2 * away) + sine * np.sin(2 * away)).sum()
        yield f"gradient towards the centre at {scale:g}", float(turned) / weight


def _texture(strength: Field, echo: NDArray[np.uint8]) -> Iterator[tuple[str, float]]:
    area = float(echo.sum()) + 1
    by_row, by_column = cv2.Sobel(strength, cv2.CV_32F, 0, 1), cv2.Sobel(strength, cv2.CV_32F, 1, 0)
    yield "gradient in echo", float(np.sqrt(by_row**2 + by_column**2).sum()) / area
    yield "variance of the Laplacian", float(cv2.Laplacian(strength, cv2.CV_32F).var())
    yield "edge to area", float(cv2.morphologyEx(echo, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).sum()) / area
    inside = strength[echo > 0]
    yield "mean of the echo", float(inside.mean()) if len(inside) else 0.0
    yield "deviation of the echo", float(inside.std()) if len(inside) else 0.0
    for scale in (1, 2, 4):
        rough = strength - cv2.GaussianBlur(strength, (0, 0), float(scale))
        yield f"roughness below {scale}", float(rough.std())


def _pieces(echo: NDArray[np.uint8]) -> Iterator[tuple[str, float]]:
    count, _, found, _ = cv2.connectedComponentsWithStats(echo, connectivity=8)
    areas = np.sort(found[1:, cv2.CC_STAT_AREA])[::-1].astype(np.float64)
    total = float(areas.sum()) + _TINY
    yield "pieces", float(np.log1p(count - 1))
    yield "share of the largest piece", float(areas[:1].sum()) / total
    yield "share of the next two", float(areas[1:3].sum()) / total
    holes, _ = cv2.connectedComponents(1 - echo, connectivity=4)
    yield "holes", float(np.log1p(holes))


NAMES = tuple(name for name, _ in _features(np.full((16, 16, 3), 255, np.uint8)))
"""What is measured."""
