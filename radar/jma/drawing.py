"""Pictures of composites: palette indices as in JMA's own tiles, colours, radar coverage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.frames import Picture
from radar.jma.grid import Window
from radar.jma.indexed_png import encode
from radar.jma.message import Composite
from radar.palette import COLORS, NO_ECHO, rate_to_class

MISSING_INDEX, NO_ECHO_INDEX = 0, 1
"""Palette indices of points that no radar sees, and of points without rain; classes 1 to 8 follow. Both are white and
transparent, so they look alike and can still be told apart."""

HATCH_INDEX, OUTLINE_INDEX = 10, 11
HATCH_COLOR, OUTLINE_COLOR = (190, 190, 190), (110, 110, 110)
_HATCH_STEP = 8  # columns between hatch lines

PALETTE = np.vstack([NO_ECHO, COLORS]).astype(np.uint8)
"""RGB of palette indices 0 to 9, shape (10, 3)."""

COVERAGE_PALETTE = np.vstack([PALETTE, HATCH_COLOR, OUTLINE_COLOR]).astype(np.uint8)


def indices(composite: Composite, window: Window) -> NDArray[np.uint8]:
    """Gives the palette index of each cell.

    Args:
        composite: The composite.
        window: The part of the grid.

    Returns:
        uint8, shape (window.rows, window.columns): 0 missing, 1 no echo, 2 to 9 JMA's classes of rain rate.
    """
    table = np.where(np.isnan(composite.rates), MISSING_INDEX, rate_to_class(composite.rates) + 1).astype(np.uint8)
    return table[composite.levels[window.cells]]


def colors(composite: Composite, window: Window) -> Picture:
    """Gives the colour of each cell, missing and no echo both as no echo; uint8 RGB, shape (rows, columns, 3)."""
    return PALETTE[indices(composite, window)]


def with_coverage(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Marks what no radar sees: hatched, with an outline along the edge of what is seen.

    For people. A model must not see it: it was not trained on hatched frames.

    Args:
        picture: Palette indices as `indices` gives them, shape (rows, columns).

    Returns:
        A copy with indices 10 (hatch) and 11 (outline) in cells that are missing; no other cell is touched.
    """
    missing = (picture == MISSING_INDEX).astype(np.uint8)
    diagonal = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1])) % _HATCH_STEP == 0
    hatch = missing.astype(bool) & diagonal
    # The picture's own border is no edge of the radars' sight.
    seen_beside = cv2.dilate(1 - missing, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    marked = np.where(hatch, np.uint8(HATCH_INDEX), picture)
    return np.where((seen_beside & missing).astype(bool), np.uint8(OUTLINE_INDEX), marked)


def draw(composite: Composite, window: Window, *, coverage: bool = False) -> bytes:
    """Draws a composite as a PNG in JMA's palette.

    Args:
        composite: The composite.
        window: The part of the grid, a pixel a cell, north at the top.
        coverage: Whether to mark what no radar sees; for people, not for models.

    Returns:
        The bytes of the file: the same for the same composite.
    """
    picture = indices(composite, window)
    if coverage:
        return encode(with_coverage(picture), COVERAGE_PALETTE, transparent=(MISSING_INDEX, NO_ECHO_INDEX))
    return encode(picture, PALETTE, transparent=(MISSING_INDEX, NO_ECHO_INDEX))
