"""Words and colours on pictures, for those that are made without matplotlib."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Color = tuple[int, int, int]

BLACK: Color = (0, 0, 0)
GREY: Color = (110, 110, 110)
PALE: Color = (205, 205, 205)

_PIXELS_AT_1 = 22.0  # height of capital letters of this font at scale 1
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def blank(height: int, width: int) -> Canvas:
    """Gives a white picture."""
    return np.full((height, width, 3), 255, np.uint8)


def rgb(color: str) -> Color:
    """Reads ``#RRGGBB``."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def ink(color: str) -> Color:
    """Gives ``#RRGGBB`` as a colour to write with: a light one is darkened until it can be read on white."""
    red, green, blue = rgb(color)
    light = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    factor = min(1.0, 0.55 / max(light, 0.01))
    return round(red * factor), round(green * factor), round(blue * factor)


def write(
    canvas: Canvas,
    text: str,
    x: int,
    y: int,
    *,
    height: float = 9.0,
    color: Color = BLACK,
    align: Literal["left", "center", "right"] = "left",
    bold: bool = False,
) -> None:
    """Writes a line of text into a picture.

    Args:
        canvas: uint8 RGB; changed.
        text: What its font does not have becomes a question mark; it has ASCII for certain.
        x: Column of the text's left end, middle or right end.
        y: Row of its base line.
        height: Of capital letters, in pixels.
        color: RGB.
        align: What `x` means.
        bold: Whether strokes are drawn twice as thick.
    """
    letters = _plain(text)
    if align != "left":
        width = width_of(letters, height=height, bold=bold)
        x -= width if align == "right" else width // 2
    cv2.putText(canvas, letters, (x, y), _FONT, height / _PIXELS_AT_1, color, 2 if bold else 1, cv2.LINE_AA)


def width_of(text: str, *, height: float = 9.0, bold: bool = False) -> int:
    """Gives the width of a line of text in pixels."""
    size, _ = cv2.getTextSize(_plain(text), _FONT, height / _PIXELS_AT_1, 2 if bold else 1)
    return int(size[0])


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()
