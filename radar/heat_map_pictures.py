"""Heat maps for the eye: over the frame they are of, single or all modes side by side, and as sheets of means.

One colour scale, perceptually uniform and legible without colour vision: from clear over orange to dark violet
(magma, reversed). What the darkest colour stands for is written on every picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.lettering import BLACK, GREY, PALE, Canvas, Color, blank, ink, width_of, write

Field = NDArray[np.floating]
Picture = NDArray[np.uint8]

_MAGMA = cv2.applyColorMap(np.arange(255, -1, -1, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_MAGMA)[:, 0, ::-1]
_ALPHA = 0.8 * np.clip(np.arange(256) / 255 * 1.5, 0, 1)
_OVER = np.round(_MAGMA * _ALPHA[:, np.newaxis]).astype(np.uint8)[:, np.newaxis]  # shape (256, 1, 3), for cv2.LUT
_UNDER = np.round(255 * (1 - _ALPHA)).astype(np.uint8)
_BLUES = np.linspace((255, 255, 255), (0, 52, 110), 256).round().astype(np.uint8)

CAPTION = 40  # rows under a single heat map
GAP, EDGE, TITLE, FOOT = 10, 12, 34, 46


@dataclass(frozen=True, slots=True)
class ModeFace:
    """How a mode is written on pictures.

    Attributes:
        code: Its code.
        color: ``#RRGGBB``.
    """

    code: str
    color: str


def fit(picture: Picture, low: int = 256, high: int = 800) -> Picture:
    """Brings a picture's longer side between two sizes, in whole pixels if it must be enlarged."""
    rows, columns = picture.shape[:2]
    longer = max(rows, columns)
    if longer > high:
        size = max(1, round(columns * high / longer)), max(1, round(rows * high / longer))
        smaller: Picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return smaller
    times = -(-low // longer)
    return picture if times == 1 else np.repeat(np.repeat(picture, times, axis=0), times, axis=1)


def overlay(grey: Picture, field: Field, peak: float) -> Picture:
    """Lays a heat map over a grey picture.

    Args:
        grey: uint8, shape (rows, columns).
        field: Heat map, any size; it is enlarged bilinearly.
        peak: Value of the darkest colour; 0 or less leaves the picture grey.

    Returns:
        uint8 RGB, shape (rows, columns, 3).
    """
    rows, columns = grey.shape
    if peak <= 0:
        plain: Picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        return plain
    share = cv2.resize(field.astype(np.float32) * (255 / peak), (columns, rows), interpolation=cv2.INTER_LINEAR)
    index = np.clip(share + 0.5, 0, 255).astype(np.uint8)
    below = cv2.multiply(grey, cv2.LUT(index, _UNDER), scale=1 / 255)
    above = cv2.LUT(cv2.merge([index, index, index]), _OVER)
    mixed: Picture = cv2.add(cv2.merge([below, below, below]), above)
    return mixed


def single(picture: Picture, field: Field, peak: float, mode: ModeFace, probability: float, name: str) -> Canvas:
    """Draws one heat map over its frame, with a caption.

    Args:
        picture: The frame, uint8 RGB.
        field: Heat map of the mode, logit units.
        peak: Value of the darkest colour.
        mode: Which mode it is.
        probability: Of the mode.
        name: Of the frame.

    Returns:
        uint8 RGB, as wide as the frame and `CAPTION` rows higher.
    """
    rows, columns = picture.shape[:2]
    canvas = blank(rows + CAPTION, columns)
    canvas[:rows] = overlay(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), field, peak)
    write(canvas, f"{mode.code}  p = {probability:.2f}", 4, rows + 15, color=ink(mode.color), bold=True)
    write(canvas, _fitting(name, columns - 8, 8), 4, rows + 33, height=8, color=GREY)
    _bar(canvas, max(columns // 2, columns - 170), columns - 4, rows + 5, peak)
    return canvas


def panel(
    picture: Picture,
    maps: Field,
    modes: Sequence[ModeFace],
    probabilities: Sequence[float],
    *,
    title: str,
    note: str = "",
    peaks: Sequence[float] | None = None,
) -> Canvas:
    """Draws a frame and the heat maps of all modes side by side.

    Args:
        picture: The frame, uint8 RGB.
        maps: Shape (K, h, w), logit units.
        modes: K of them.
        probabilities: By mode.
        title: Stands above it.
        note: Stands below it.
        peaks: Value of the darkest colour for each map; by default the largest value of all, so that maps can be
            compared.

    Returns:
        uint8 RGB.
    """
    shared = float(maps.max())
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    winner = int(np.argmax(probabilities))
    cells = [(picture, f"frame: {modes[winner].code}", BLACK, False)]
    for k, (mode, field) in enumerate(zip(modes, maps, strict=True)):
        peak = shared if peaks is None else peaks[k]
        text = f"{mode.code}  p = {probabilities[k]:.2f}"
        text += "" if peaks is None else f"  to {peak:.3g}"
        cells.append((overlay(grey, field, peak), text, ink(mode.color), k == winner))
    canvas = _grid(cells, columns=min(len(cells), 6), title=title)
    scale = shared if peaks is None else None
    _bar(canvas, max(EDGE, canvas.shape[1] - EDGE - 240), canvas.shape[1] - EDGE, len(canvas) - FOOT + 8, scale)
    write(canvas, note, EDGE, len(canvas) - 14, height=8, color=GREY)
    return canvas


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet of means shows.

    Attributes:
        mean: Shape (K, h, w).
        std: Shape (K, h, w).
        count: Maps by mode, shape (K,).
        echo: Share of frames with echo by mode, shape (K, rows, columns), or None.
        unit: Of mean and standard deviation.
        remarks: A line of its own under each mode.
    """

    mean: Field
    std: Field
    count: NDArray[np.integer]
    echo: Field | None
    unit: str
    remarks: Sequence[str]


def sheet(
    content: Sheet, modes: Sequence[ModeFace], *, title: str, notes: Sequence[str], size: tuple[int, int]
) -> Canvas:
    """Draws mean, standard deviation and radar echo of all modes: a column a mode.

    Args:
        content: The fields.
        modes: K of them.
        title: Stands above it.
        notes: Lines below it.
        size: Rows and columns of a cell.

    Returns:
        uint8 RGB. A mode without maps is left empty. The standard deviation is drawn cell by cell, for it must not be
        interpolated.
    """
    bands = [("mean", content.mean, _MAGMA, cv2.INTER_LINEAR), ("std", content.std, _MAGMA, cv2.INTER_NEAREST)]
    if content.echo is not None:
        bands.append(("echo", content.echo, _BLUES, cv2.INTER_AREA))
    rows, columns = size
    left, head, foot = 96, TITLE + 44, 16 * len(notes) + 16
    canvas = blank(head + len(bands) * (rows + GAP) + foot, left + len(modes) * (columns + GAP) + EDGE)
    write(canvas, title, EDGE, 24, height=11, bold=True)
    for k, mode in enumerate(modes):
        x = left + k * (columns + GAP)
        write(canvas, f"{mode.code}  n = {content.count[k]:,}", x, TITLE + 18, color=ink(mode.color), bold=True)
        write(canvas, content.remarks[k], x, TITLE + 35, height=8, color=GREY)
    for b, (name, fields, colors, interpolation) in enumerate(bands):
        y = head + b * (rows + GAP)
        there = content.count > 0
        peak = 1.0 if name == "echo" else float(fields[there].max()) if there.any() else 0.0
        _legend(canvas, y, rows, name, colors, peak, content.unit if name != "echo" else "of frames")
        for k in range(len(modes)):
            x = left + k * (columns + GAP)
            cell = canvas[y : y + rows, x : x + columns]
            if content.count[k] and peak > 0:
                share = cv2.resize(fields[k].astype(np.float32) / peak, (columns, rows), interpolation=interpolation)
                cell[:] = colors[np.clip(share * 255 + 0.5, 0, 255).astype(np.uint8)]
            elif not content.count[k]:
                write(canvas, "no frames", x + columns // 2, y + rows // 2, align="center", color=GREY)
            _outline(canvas, y, x, rows, columns, PALE)
    for n, note in enumerate(notes):
        write(canvas, note, EDGE, len(canvas) - foot + 16 * (n + 1), height=8, color=GREY)
    return canvas


def _legend(canvas: Canvas, y: int, rows: int, name: str, colors: Picture, peak: float, unit: str) -> None:
    words = {"mean": "mean", "std": "std. dev.", "echo": "echo"}
    write(canvas, words[name], EDGE, y + 12, bold=True)
    top, bottom = y + 40, y + rows - 22
    if bottom - top > 20:
        ramp = np.linspace(255, 0, bottom - top).round().astype(int)
        canvas[top:bottom, EDGE : EDGE + 14] = colors[ramp][:, np.newaxis]
        _outline(canvas, top, EDGE, bottom - top, 14, PALE)
        write(canvas, "100%" if name == "echo" else f"{peak:.3g}", EDGE + 20, top + 9, height=8)
        write(canvas, "0", EDGE + 20, bottom, height=8)
        write(canvas, unit, EDGE, bottom + 16, height=8, color=GREY)


def _grid(cells: Sequence[tuple[Picture, str, Color, bool]], *, columns: int, title: str) -> Canvas:
    rows, width = cells[0][0].shape[:2]
    down = -(-len(cells) // columns)
    label = 20
    canvas = blank(TITLE + down * (rows + label + GAP) + FOOT, 2 * EDGE + columns * width + (columns - 1) * GAP)
    write(canvas, _fitting(title, canvas.shape[1] - 2 * EDGE, 11), EDGE, 22, height=11, bold=True)
    for n, (picture, text, color, bold) in enumerate(cells):
        y = TITLE + n // columns * (rows + label + GAP)
        x = EDGE + n % columns * (width + GAP)
        write(canvas, text, x, y + 14, color=color, bold=bold)
        canvas[y + label : y + label + rows, x : x + width] = picture
        _outline(canvas, y + label, x, rows, width, color if bold else PALE)
    return canvas


def _bar(canvas: Canvas, left: int, right: int, y: int, peak: float | None) -> None:
    """Draws the colour scale from 0 to a peak in logit units; without a peak, to that of each map."""
    first, last = "0", "peak of each map" if peak is None else f"{peak:.3g} logit"
    start = left + width_of(first, height=8) + 5
    end = right - width_of(last, height=8) - 5
    if end - start < 10:
        return
    write(canvas, first, left, y + 10, height=8)
    canvas[y : y + 11, start:end] = _MAGMA[np.linspace(0, 255, end - start).round().astype(int)]
    _outline(canvas, y, start, 11, end - start, PALE)
    write(canvas, last, right, y + 10, height=8, align="right")


def _outline(canvas: Canvas, y: int, x: int, rows: int, columns: int, color: Color) -> None:
    cv2.rectangle(canvas, (x - 1, y - 1), (x + columns, y + rows), color, 1)


def _fitting(text: str, width: int, height: float) -> str:
    """Shortens a name from the left until it fits: its end tells frames apart."""
    if width_of(text, height=height) <= width:
        return text
    while text and width_of(f"..{text}", height=height) > width:
        text = text[max(1, len(text) // 16) :]
    return f"..{text}"
