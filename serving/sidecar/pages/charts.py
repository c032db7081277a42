"""Where bars, lines and cells lie. The templates draw them as SVG; numbers stand in tables beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

SHADES = 10
"""Steps of the ground of a table's cells."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a bar or strip, in the units of its drawing.

    Attributes:
        start: Where it begins.
        size: How long it is.
        value: What it stands for.
    """

    start: float
    size: float
    value: float


def stack(shares: Sequence[float], length: float) -> list[Slice]:
    """Lays shares end to end along a length.

    Args:
        shares: From 0 to 1; NaN counts as nothing.
        length: Of a share of 1.
    """
    slices, start = [], 0.0
    for share in shares:
        size = 0.0 if isnan(share) else share * length
        slices.append(Slice(round(start, 2), round(size, 2), share))
        start += size
    return slices


def percent(share: float, digits: int = 1) -> str:
    """Writes a share from 0 to 1; a dash where there is none."""
    return "–" if isnan(share) else f"{share * 100:.{digits}f}\u202f%"


def shade(share: float) -> int:
    """Gives the step of a cell's ground, 0 to `SHADES`; 0 where there is no share."""
    return 0 if isnan(share) else min(SHADES, int(share * SHADES + 0.5))


def ceiling(value: float) -> float:
    """Gives the next round number, 1, 2 or 5 times a power of ten, for the end of an axis; 1 for nothing."""
    if not value > 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(next(unit * step for step in (1, 2, 5, 10) if unit * step >= value * (1 - 1e-9)))


def line(values: Sequence[float] | NDArray[np.floating], width: float, height: float) -> list[str]:
    """Gives the points of a line of values from 0 to 1, left to right, as SVG writes them.

    Returns:
        A run of points for every stretch without NaN; a lone value becomes a short stroke.
    """
    step = width / max(len(values), 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for n, value in enumerate(values):
        if isnan(value):
            runs.append([])
        else:
            runs[-1].append(((n + 0.5) * step, height * (1 - value)))
    runs = [[(run[0][0] - step / 2, run[0][1]), *run, (run[-1][0] + step / 2, run[-1][1])] for run in runs if run]
    return [" ".join(f"{x:.1f},{y:.1f}" for x, y in run) for run in runs]
