"""Heat maps of many frames in a few numbers: count, mean and standard deviation, in one pass and mergeable.

A heat map is what the `explain` signature gives: ReLU'd, in logit units, at feature resolution. Two streams are kept,
for they answer two questions: *raw*, where a frame with much evidence counts much; and *unit-peak*, every map divided
by its own peak, where each frame counts the same. A map that is zero everywhere has no peak: it is left out of the
second stream, and counted.

The mean of maps may be enlarged bilinearly before or after averaging, it makes no difference; the standard deviation
may not, so both are computed at feature resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

FEW = 30
"""With fewer frames than this a mean says little about the next winter."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Moments:
    """Count, mean and sum of squared deviations of maps, by mode.

    Args:
        shape: (K, rows, columns).

    Attributes:
        count: Maps by mode, int64, shape (K,).
        mean: float64, shape (K, rows, columns); 0 where there are none.
        m2: Sum of squared deviations from the mean, likewise.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.count = np.zeros(shape[0], np.int64)
        self.mean = np.zeros(shape)
        self.m2 = np.zeros(shape)

    def add(self, maps: ArrayLike, chosen: Flags) -> None:
        """Takes maps in.

        Args:
            maps: Shape (N, K, rows, columns), finite.
            chosen: Which of them count, shape (N, K).
        """
        values = np.asarray(maps)
        for k in range(len(self.count)):
            of_mode = values[chosen[:, k], k].astype(np.float64)
            if len(of_mode):
                mean = of_mode.mean(axis=0)
                self._merge(k, len(of_mode), mean, np.square(of_mode - mean).sum(axis=0))

    def merge(self, other: Moments) -> None:
        """Takes in what another one has seen."""
        for k in np.flatnonzero(other.count):
            self._merge(int(k), int(other.count[k]), other.mean[k], other.m2[k])

    @property
    def std(self) -> Floats:
        """Standard deviation over the maps (ddof 0), shape (K, rows, columns); 0 where there are none."""
        deviations: Floats = np.sqrt(self.m2 / np.maximum(self.count, 1)[:, np.newaxis, np.newaxis])
        return deviations

    def _merge(self, k: int, count: int, mean: Floats, m2: Floats) -> None:
        """Chan, Golub and LeVeque (1979): exact, and stable where the mean is far from zero."""
        before = int(self.count[k])
        total = before + count
        distance = mean - self.mean[k]
        self.mean[k] += distance * (count / total)
        self.m2[k] += m2 + np.square(distance) * (before * count / total)
        self.count[k] = total


def to_unit_peak(maps: NDArray[np.floating]) -> tuple[NDArray[np.float32], Flags]:
    """Divides each map by its own peak.

    Args:
        maps: Shape (..., rows, columns), none below 0.

    Returns:
        Maps with the peak 1, or zero everywhere; and which of them are zero everywhere, shape (...).
    """
    peaks = maps.max(axis=(-2, -1), keepdims=True)
    empty = peaks <= 0
    unit: NDArray[np.float32] = np.where(empty, 0, maps / np.where(empty, 1, peaks)).astype(np.float32)
    return unit, empty[..., 0, 0]


@dataclass(slots=True)
class Composite:
    """Heat maps of many frames under one condition.

    Attributes:
        shape: (K, rows, columns).
        raw: As they are, in logit units.
        unit_peak: Each divided by its own peak; empty maps are not in it.
        empty: Maps that are zero everywhere, by mode, shape (K,).
    """

    shape: tuple[int, int, int]
    raw: Moments = field(init=False)
    unit_peak: Moments = field(init=False)
    empty: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.raw, self.unit_peak = Moments(self.shape), Moments(self.shape)
        self.empty = np.zeros(self.shape[0], np.int64)

    def add(self, maps: NDArray[np.floating], chosen: Flags) -> None:
        """Takes maps in, shape (N, K, rows, columns), where `chosen`, shape (N, K), says so."""
        unit, empty = to_unit_peak(maps)
        self.raw.add(maps, chosen)
        self.unit_peak.add(unit, chosen & ~empty)
        self.empty += (empty & chosen).sum(axis=0)

    def merge(self, other: Self) -> None:
        """Takes in what another one has seen."""
        self.raw.merge(other.raw)
        self.unit_peak.merge(other.unit_peak)
        self.empty += other.empty


@dataclass(slots=True)
class EchoShare:
    """How often there was echo, by mode: the composite radar field beside the composite heat map.

    Attributes:
        shape: (K, rows, columns) of the pictures.
        count: Frames by mode, shape (K,).
        hits: Frames with echo by mode and pixel, shape (K, rows, columns); of a coarse field, where a cell is covered
            in part, the sum of the covered shares.
    """

    shape: tuple[int, int, int]
    count: NDArray[np.int64] = field(init=False)
    hits: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.count = np.zeros(self.shape[0], np.int64)
        self.hits = np.zeros(self.shape)

    def add(self, echo: Flags | NDArray[np.float32], mode: int) -> None:
        """Takes in where one frame of a mode has echo: yes or no, or covered shares of cells; (rows, columns)."""
        self.hits[mode] += echo
        self.count[mode] += 1

    def merge(self, other: Self) -> None:
        """Takes in what another one has seen."""
        self.hits += other.hits
        self.count += other.count

    @property
    def share(self) -> Floats:
        """Share of the frames with echo, 0 to 1, shape (K, rows, columns); NaN where a mode has no frame."""
        counts = self.count[:, np.newaxis, np.newaxis]
        share: Floats = np.where(counts > 0, self.hits / np.maximum(counts, 1), np.nan)
        return share


def has_echo(picture: NDArray[np.uint8], no_echo: tuple[int, int, int]) -> Flags:
    """Tells where a picture has echo: another colour than that of no echo.

    A map drawn under the echo counts as echo too, in every frame alike; crop and masks keep such decorations out.

    Args:
        picture: uint8 RGB, shape (rows, columns, 3).
        no_echo: RGB.
    """
    flags: Flags = cv2.inRange(picture, no_echo, no_echo) == 0
    return flags


def coarse_echo(echo: Flags, longest: int) -> NDArray[np.float32]:
    """Gives the share of each cell that is covered by echo, in a field of at most so many cells a side.

    Args:
        echo: Shape (rows, columns).
        longest: Cells of the longer side.
    """
    rows, columns = echo.shape
    factor = min(1.0, longest / max(rows, columns))
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    share: NDArray[np.float32] = cv2.resize(echo.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share
