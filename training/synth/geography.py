"""The land below the pictures: coast, mountains and radars, the same for all winters.

The land is invented. It borrows the plan of Hokushin'etsu: a coast from south-west to north-east with the sea
to the north-west, a peninsula, an island, and three mountain ranges; no real place lies at any of its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.textures import Field, smoothstep

SHORT_SIDE_KM = 400.0
"""Extent of the shorter side of a picture; the centre of the picture is the origin of coordinates."""

_STEP_KM = 2.0
_HALF_KM = 420.0
_SEED = 20160124
_COAST_ANGLE = np.deg2rad(38.0)


@dataclass(frozen=True, slots=True)
class Radar:
    """A radar of the composite.

    Attributes:
        x: Eastward position, km.
        y: Southward position, km.
    """

    x: float
    y: float


RADARS = (Radar(-165.0, 128.0), Radar(-62.0, 10.0), Radar(52.0, 8.0), Radar(40.0, 150.0), Radar(168.0, -120.0))
"""On the coast, on the peninsula, on the coast again, in the mountains, and in the north."""


@dataclass(frozen=True, slots=True)
class Geography:
    """The land, at the pixels of a picture.

    Attributes:
        x: Eastward position in km, shape ``(height, width)``.
        y: Southward position in km.
        inland: Distance to the nearest coast in km, positive on land.
        height: Height of the land in m, 0 at sea.
        slope_x: Eastward slope of the smoothed land, m/km.
        slope_y: Southward slope of the smoothed land, m/km.
        nearest_radar: Index into `RADARS`.
        km_per_px: Side of a pixel, km.
    """

    x: Field
    y: Field
    inland: Field
    height: Field
    slope_x: Field
    slope_y: Field
    nearest_radar: NDArray[np.uint8]
    km_per_px: float


@lru_cache(maxsize=4)
def make_geography(height: int, width: int) -> Geography:
    """Makes the land for a picture of `height` × `width` pixels."""
    km_per_px = SHORT_SIDE_KM / min(height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x = (x - np.float32((width - 1) / 2)) * np.float32(km_per_px)
    y = (y - np.float32((height - 1) / 2)) * np.float32(km_per_px)
    columns = ((x + _HALF_KM) / _STEP_KM).astype(np.float32)
    rows = ((y + _HALF_KM) / _STEP_KM).astype(np.float32)

    def sample(field: Field) -> Field:
        result: Field = cv2.remap(field, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return result

    inland, land = _make_land()
    smooth = cv2.GaussianBlur(land, (0, 0), 8.0 / _STEP_KM)
    slope_y, slope_x = np.gradient(smooth, _STEP_KM)
    distances = np.stack([np.hypot(x - radar.x, y - radar.y) for radar in RADARS])
    return Geography(
        x=x,
        y=y,
        inland=sample(inland),
        height=np.maximum(sample(land), 0.0),
        slope_x=sample(slope_x.astype(np.float32)),
        slope_y=sample(slope_y.astype(np.float32)),
        nearest_radar=np.argmin(distances, axis=0).astype(np.uint8),
        km_per_px=km_per_px,
    )


@lru_cache(maxsize=1)
def _make_land() -> tuple[Field, Field]:
    """Gives distance inland (km) and height (m) on the grid of `_STEP_KM`, centred on the origin."""
    count = int(2 * _HALF_KM / _STEP_KM) + 1
    y, x = np.mgrid[:count, :count].astype(np.float32) * np.float32(_STEP_KM) - np.float32(_HALF_KM)
    rng = np.random.default_rng(_SEED)

    def rough(scale_km: float) -> Field:
        white = rng.standard_normal((count, count), np.float32)
        noise: Field = cv2.GaussianBlur(white, (0, 0), scale_km / _STEP_KM)
        scaled: Field = noise / noise.std()
        return scaled

    along = x * np.cos(_COAST_ANGLE) - y * np.sin(_COAST_ANGLE)
    behind = x * np.sin(_COAST_ANGLE) + y * np.cos(_COAST_ANGLE)
    fine = 3.0 * rough(7.0) + 5.0 * rough(18.0)
    coast = behind - 22.0 + 14.0 * np.sin(along / 62.0 + 0.4) + 7.0 * np.sin(along / 27.0) + fine
    peninsula = (
        15.0 + 0.8 * fine - _distance_to_line(x, y, [(-100, 150), (-114, 70), (-98, 8), (-88, -28), (-58, -50)])
    )
    island = 13.0 + 0.7 * fine - _distance_to_line(x, y, [(46, -112), (70, -134)])
    level = np.maximum(np.maximum(coast, peninsula), island)
    land = (level > 0).astype(np.uint8)
    inland = cv2.distanceTransform(land, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - land, cv2.DIST_L2, 5)
    inland = (cv2.GaussianBlur(inland, (0, 0), 1.5) * _STEP_KM).astype(np.float32)

    crest = np.exp(0.28 * rough(9.0) + 0.15 * rough(4.0))
    ranges = (
        (2700.0, 19.0, [(-58, 118), (-50, 165), (-38, 245)]),
        (2100.0, 20.0, [(-128, 150), (-150, 225)]),
        (1900.0, 17.0, [(0, 128), (62, 88), (118, 38), (168, -40), (215, -120)]),
        (1500.0, 22.0, [(60, 210), (160, 110), (250, 30)]),
        (420.0, 10.0, [(-104, 20), (-88, -28), (-62, -46)]),
        (950.0, 8.0, [(48, -113), (68, -132)]),
    )
    height = np.full_like(level, 60.0)
    for top, width, line in ranges:
        height += np.float32(top) * np.exp(-0.5 * (_distance_to_line(x, y, line) / np.float32(width)) ** 2)
    return inland, (height * crest * smoothstep(inland, 0.0, 14.0)).astype(np.float32)


def _distance_to_line(x: Field, y: Field, points: list[tuple[int, int]]) -> Field:
    """Gives the distance in km of each point to a polyline."""
    best = np.full(x.shape, np.inf, np.float32)
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        part = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
        best = np.minimum(best, np.hypot(x - x0 - part * dx, y - y0 - part * dy).astype(np.float32))
    return best
