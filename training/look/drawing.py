"""What the pictures of a look share: tiles in a grid, colours for numbers, heat maps over frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.lettering import ink
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style

Picture = NDArray[np.uint8]

SEQUENTIAL = "magma_r"
"""From nothing (pale) to much (dark); uniform to the eye, and legible without colour vision."""
DIVERGING = "RdBu_r"
"""Below zero blue, zero white, above zero red; told apart without colour vision."""

_TILE = 96  # pixels
_GAP = 6
_PIXELS_AN_INCH = 108


def shade(
    field: NDArray[np.floating], *, high: float, kind: Literal["sequential", "diverging"] = "sequential"
) -> Picture:
    """Gives numbers colours.

    Args:
        field: Any shape.
        high: Value of the last colour; the first stands for 0, or for ``-high``. 0 or less gives the colour of 0.
        kind: Whether values have a sign.

    Returns:
        uint8 RGB, shape (..., 3).
    """
    low = -high if kind == "diverging" else 0.0
    middle = 0.5 if kind == "diverging" else 0.0
    share = np.full(field.shape, middle) if high <= 0 else (np.asarray(field, np.float64) - low) / (high - low)
    colors = mpl.colormaps[DIVERGING if kind == "diverging" else SEQUENTIAL](np.clip(share, 0, 1))
    rgb: Picture = np.round(colors[..., :3] * 255).astype(np.uint8)
    return rgb


def grid(
    tiles: Sequence[Sequence[Picture | None]],
    *,
    rows: Sequence[str],
    columns: Sequence[str] = (),
    row_colors: Sequence[str] = (),
    title: str,
    subtitle: str = "",
    note: str = "",
    synthetic: bool = False,
    smooth: bool = False,
) -> Figure:
    """Sets pictures in rows and columns.

    Args:
        tiles: By row and column, uint8 RGB of any size; None leaves a place empty.
        rows: What each row is.
        columns: What each column is.
        row_colors: Of the words before the rows.
        title: Stands above it.
        subtitle: Below that.
        note: Stands below it.
        synthetic: Whether to say that a computer made the frames.
        smooth: Whether tiles are enlarged bilinearly; otherwise each of their pixels stays a square.
    """
    height, width = len(tiles), max(len(row) for row in tiles)
    step = _TILE + _GAP
    canvas = np.full((height * step - _GAP, width * step - _GAP, 3), 255, np.uint8)
    for r, row in enumerate(tiles):
        for c, tile in enumerate(row):
            if tile is not None:
                # An area mean where there is less room than pixels: thin bands would break up otherwise.
                larger = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
                way = cv2.INTER_AREA if tile.shape[0] > _TILE else larger
                place = canvas[r * step : r * step + _TILE, c * step : c * step + _TILE]
                place[:] = cv2.resize(tile, (_TILE, _TILE), interpolation=way)
                _frame(place)
    with style():
        size = canvas.shape[1] / _PIXELS_AN_INCH + 1.1, canvas.shape[0] / _PIXELS_AN_INCH + 1.15
        figure = Figure(figsize=(max(size[0], 6.5), size[1]), layout="constrained")
        axes = figure.subplots()
        axes.imshow(canvas, interpolation="none")
        centres = np.arange(max(height, width)) * step + _TILE / 2
        axes.set_yticks(centres[:height], rows)
        axes.set_xticks(centres[: len(columns)], columns, fontsize=7)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for label, color in zip(axes.get_yticklabels(), row_colors, strict=False):
            label.set(color=legible(color), fontweight="bold")
        for spine in axes.spines.values():
            spine.set_visible(False)
        head(figure, title)
        if subtitle:
            axes.set_title(subtitle, loc="left", fontsize=8.5)
        foot(figure, note, synthetic=synthetic)
    return figure


def legible(color: str) -> tuple[float, ...]:
    """Gives ``#RRGGBB`` dark enough for letters on white, as matplotlib takes it."""
    return tuple(part / 255 for part in ink(color))


def head(figure: Figure, title: str) -> None:
    """Writes what a figure is about above it."""
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")


def foot(figure: Figure, note: str, *, synthetic: bool) -> None:
    """Writes what belongs to a figure below it."""
    text = "\n".join(part for part in (note, SYNTHETIC_NOTE if synthetic else "") if part)
    if text:
        figure.supxlabel(text, x=0.01, ha="left", **CREDIT)


def _frame(place: Picture) -> None:
    place[[0, -1]] = 205
    place[:, [0, -1]] = 205
