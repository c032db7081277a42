"""The pointing game: does a map peak where the evidence is known to be?

Zhang et al. (2018), Top-down neural attention by excitation backprop, IJCV 126. On real frames nobody knows the place
of the evidence. So a band is drawn into a frame of scattered cells, at a place that is known, and only those pairs
count in which the network changes its mind when the band is put in: there the band is what changed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.frames import FrameRule
from radar.palette import COLORS, rate_to_class
from training.look.deletion import Score

_FINER = 4
"""Drawn so many times finer than the network sees it, and averaged by area as frames are."""

_EDGE = 0.3  # where a band ends: at this share of the strength of its middle


@dataclass(frozen=True, slots=True)
class Scenes:
    """Frames with a band, the same frames without it, and where it is.

    Attributes:
        images: uint8 RGB, shape (N, H, W, 3).
        without: The same without the band.
        places: Whether a pixel belongs to the band, shape (N, H, W).
    """

    images: NDArray[np.uint8]
    without: NDArray[np.uint8]
    places: NDArray[np.bool_]

    def take(self, chosen: NDArray[np.bool_]) -> Scenes:
        """Gives those where `chosen`, shape (N,), is true."""
        return Scenes(self.images[chosen], self.without[chosen], self.places[chosen])


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a map points at the band.

    Attributes:
        hits: Of each pair that counts, shape (M,): whether the peak lies on the band. A map without a peak is a miss.
        inside: Share of the positive relevance on the band, shape (M,), 0 to 1; 0 for an empty map.
    """

    hits: NDArray[np.bool_]
    inside: NDArray[np.float64]


def draw_scenes(count: int, rule: FrameRule, *, seed: int) -> Scenes:
    """Draws scattered weak cells, and bands of moderate to strong echo at random places among them.

    Args:
        count: Number of pairs.
        rule: Size and no-echo colour of the network's input; crop and masks do not apply to what is drawn.
        seed: Of everything drawn.
    """
    rng = np.random.default_rng(seed)
    rows, columns = rule.height * _FINER, rule.width * _FINER
    images, without, places = [], [], []
    for _ in range(count):
        cells = _cells(rng, rows, columns)
        band, place = _band(rng, rows, columns)
        images.append(_picture(np.maximum(cells, band), rule))
        without.append(_picture(cells, rule))
        places.append(cv2.resize(place, (rule.width, rule.height), interpolation=cv2.INTER_AREA) >= 0.5)
    return Scenes(np.stack(images), np.stack(without), np.stack(places))


def changed(score: Score, scenes: Scenes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Tells in which pairs the band changes what the network says.

    Returns:
        Whether it does, shape (N,); and the mode that the frame with the band is called, shape (N,).
    """
    before, after = score(scenes.without).argmax(axis=1), score(scenes.images).argmax(axis=1)
    return before != after, after.astype(np.int64)


def points(relevance: NDArray[np.floating], places: NDArray[np.bool_], *, tolerance: int) -> Hits:
    """Plays the game.

    Args:
        relevance: Shape (M, H, W).
        places: Shape (M, H, W).
        tolerance: Pixels that a peak may lie beside the band.

    Raises:
        ValueError: The shapes differ.
    """
    if relevance.shape != places.shape:
        raise ValueError(f"Expected relevance of shape {places.shape}. Received: {relevance.shape}")
    near = widened(places, tolerance)
    flat = relevance.reshape(len(relevance), -1)
    peak = flat.argmax(axis=1)
    there = np.ptp(flat, axis=1) > 0
    hits = near.reshape(len(near), -1)[np.arange(len(near)), peak] & there
    positive = np.maximum(relevance, 0).astype(np.float64)
    total = positive.sum(axis=(1, 2))
    inside = np.divide((positive * places).sum(axis=(1, 2)), total, out=np.zeros(len(total)), where=total > 0)
    return Hits(hits, inside)


def widened(places: NDArray[np.bool_], tolerance: int) -> NDArray[np.bool_]:
    """Widens places by so many pixels to each side."""
    if tolerance <= 0:
        return places
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1, 2 * tolerance + 1))
    return np.stack([cv2.dilate(place.astype(np.uint8), kernel) > 0 for place in places])


def play(
    relevance: Mapping[str, NDArray[np.floating]], scenes: Scenes, *, tolerance: int
) -> tuple[dict[str, Hits], float]:
    """Plays the game with several methods.

    Returns:
        By method; and the share of hits that a random pixel would have.
    """
    chance = float(widened(scenes.places, tolerance).mean()) if len(scenes.places) else np.nan
    return {name: points(values, scenes.places, tolerance=tolerance) for name, values in relevance.items()}, chance


def tolerance_of(rule: FrameRule, cells: tuple[int, int]) -> int:
    """Half a cell of the heat map, in pixels: a coarse map cannot point any better."""
    return max(1, round(max(rule.height / cells[0], rule.width / cells[1]) / 2))


def _cells(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Draws scattered showers, mm/h."""
    noise = rng.standard_normal((rows, columns)).astype(np.float32)
    fine, coarse = (
        cv2.GaussianBlur(noise, (0, 0), side) for side in (min(rows, columns) / 40, min(rows, columns) / 8)
    )
    field = fine / fine.std() + 0.6 * coarse / coarse.std()
    rates: NDArray[np.float32] = np.where(field > 1.9, 0.4 + 1.4 * (field - 1.9), 0).astype(np.float32)
    return rates


def _band(rng: np.random.Generator, rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draws one band across a part of the frame: rates in mm/h, and 1 where it is."""
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    side = min(rows, columns)
    angle = float(rng.uniform(0, np.pi))
    center = rng.uniform(0.25, 0.75, 2) * (rows, columns)
    along = (x - center[1]) * np.cos(angle) + (y - center[0]) * np.sin(angle)
    across = (y - center[0]) * np.cos(angle) - (x - center[1]) * np.sin(angle)
    across += 0.03 * side * np.sin(2 * np.pi * along / (side * rng.uniform(0.4, 0.9)) + rng.uniform(0, 6))
    width, length = side * rng.uniform(0.03, 0.06), side * rng.uniform(0.25, 0.45)
    grain = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), side / 60)
    strong = float(rng.uniform(8, 30)) * np.exp(0.35 * grain / grain.std())
    shape = np.exp(-(np.abs(across / width) ** 2.5) - np.abs(along / length) ** 6)
    return np.where(shape > 0.05, strong * shape, 0).astype(np.float32), (shape > _EDGE).astype(np.float32)


def _picture(rate: NDArray[np.float32], rule: FrameRule) -> NDArray[np.uint8]:
    colors = COLORS.copy()
    colors[0] = rule.no_echo
    fine = colors[rate_to_class(rate)]
    picture: NDArray[np.uint8] = cv2.resize(fine, (rule.width, rule.height), interpolation=cv2.INTER_AREA)
    return picture
