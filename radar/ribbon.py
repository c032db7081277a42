"""The season ribbon: a row a day, a cell a frame, coloured by mode. A winter at one glance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from radar.errors import SeasonError
from radar.events import Times
from radar.lettering import BLACK, GREY, Canvas, Color, blank, rgb, width_of, write
from radar.statistics import ModeSeries, missing_times, to_local

DAY = 86_400
WIDTH = 1152  # of the cells, about: eight pixels a frame at a 10-minute cadence
LONGEST_DAYS = 1500  # four years are a picture of 9,000 rows; a date with a wrong century would be gigabytes
ROW = 6  # pixels a day: 150 days are a picture of 900 rows
LEFT, RIGHT, TOP, BOTTOM = 104, 24, 74, 86
OUTSIDE, MISSING, FAILED = -3, -2, -1

_HATCH = (200, 200, 200)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def grid_of(series: ModeSeries, cadence: timedelta, *, zone: tzinfo = UTC) -> tuple[Times, NDArray[np.int8]]:
    """Lays frames out by day and time of day.

    Args:
        series: In the order of time, each time once.
        cadence: Between frames; a day has 24 h / cadence cells. Frames between two cells' times go to the earlier.
        zone: Whose days they are.

    Returns:
        The days, datetime64[D], shape (D,); and by day and cell the index of the mode, `FAILED`, `MISSING`, or
        `OUTSIDE` before the first and after the last frame of the season; int8, shape (D, cells).

    Raises:
        SeasonError: There are no frames, or the cadence is longer than a day or shorter than 10 s.
    """
    step = round(cadence.total_seconds())
    span = int((series.times[-1] - series.times[0]) / np.timedelta64(1, "D")) if len(series.times) else 0
    if span > LONGEST_DAYS:
        raise SeasonError(
            f"A ribbon has a row a day, {LONGEST_DAYS} at the most; received: frames from {series.times[0]} to "
            f"{series.times[-1]}. Is one of these times wrong?"
        )
    if not len(series.times) or not 10 <= step <= DAY:
        raise SeasonError(
            f"A ribbon needs frames with times, and 10 s to 24 h between them; received: {len(series.times)} "
            f"frames, {step} s"
        )
    days, cells = places(series.times, step, zone)
    first, count = days.min(), int(np.ptp(days)) + 1
    grid = np.full((count, -(-DAY // step)), OUTSIDE, np.int8)
    days_missing, cells_missing = places(missing_times(series.times, cadence), step, zone)
    grid[days_missing - first, cells_missing] = MISSING
    grid[days - first, cells] = series.modes
    return np.arange(first, first + count).astype("datetime64[D]"), grid


def draw_ribbon(
    series: ModeSeries,
    cadence: timedelta,
    colors: Mapping[str, str],
    *,
    title: str,
    zone: tzinfo = UTC,
    zone_name: str = "UTC",
) -> Canvas:
    """Draws the ribbon with its axes and a legend.

    Args:
        series: See `grid_of`.
        cadence: See `grid_of`.
        colors: ``#RRGGBB`` by code of mode.
        title: Stands above it.
        zone: Whose days and hours the axis shows.
        zone_name: How the axis calls it.

    Returns:
        uint8 RGB.

    Raises:
        SeasonError: See `grid_of`.
    """
    days, grid = grid_of(series, cadence, zone=zone)
    across = max(1, WIDTH // grid.shape[1])
    height, width = len(days) * ROW, grid.shape[1] * across
    canvas = blank(TOP + max(height, 4 * ROW) + BOTTOM, LEFT + width + RIGHT)
    canvas[TOP : TOP + height, LEFT : LEFT + width] = _cells(grid, series.codes, colors, across)
    _frame(canvas, height, width)
    ahead = np.unique(to_local(series.times, zone) - series.times)
    _hours(canvas, width, height, zone_name, ahead[0].item() if len(ahead) == 1 else None)
    _dates(canvas, days)
    write(canvas, title, LEFT, 24, height=12, bold=True)
    classified = max(int((series.modes >= 0).sum()), 1)
    entries: list[tuple[str, Color | None]] = [
        (f"{code} {np.sum(series.modes == k) / classified:.1%}", rgb(colors[code]))
        for k, code in enumerate(series.codes)
    ]
    if (grid == FAILED).any():
        entries.append((f"not classified {np.sum(grid == FAILED):,}", BLACK))
    entries.append((f"missing {np.sum(grid == MISSING):,}", None))
    _legend(canvas, entries, TOP + max(height, 4 * ROW) + 50)
    note = f"A row is a day, a cell a frame ({cadence / timedelta(minutes=1):g} min); shares of classified frames."
    write(canvas, note, LEFT, len(canvas) - 10, height=8, color=GREY)
    return canvas


def places(times: Times, step: int, zone: tzinfo) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gives the day, counted from 1970, and the cell of its day for each time.

    Args:
        times: UTC, none of them NaT.
        step: Seconds a cell stands for.
        zone: Whose days they are.
    """
    seconds = to_local(times, zone).astype("datetime64[s]").astype(np.int64)
    return seconds // DAY, seconds % DAY // step


def _cells(grid: NDArray[np.int8], codes: tuple[str, ...], colors: Mapping[str, str], across: int) -> Canvas:
    # Indices -3, -2 and -1 count from the end of this table.
    table = np.array([*(rgb(colors[code]) for code in codes), (255, 255, 255), (255, 255, 255), BLACK], np.uint8)
    cells = np.repeat(np.repeat(table[grid], ROW, axis=0), across, axis=1)
    rows, columns = np.indices(cells.shape[:2])
    missing = np.repeat(np.repeat(grid == MISSING, ROW, axis=0), across, axis=1)
    cells[missing & ((rows + columns) % 4 == 0)] = _HATCH
    return cells


def _frame(canvas: Canvas, height: int, width: int) -> None:
    top, bottom, left, right = TOP - 1, TOP + height, LEFT - 1, LEFT + width
    canvas[[top, bottom], left : right + 1] = GREY
    canvas[top : bottom + 1, [left, right]] = GREY


def _hours(canvas: Canvas, width: int, height: int, zone_name: str, ahead: timedelta | None) -> None:
    """Writes the hours of the zone above, and below those of UTC if they keep a fixed distance."""
    below = timedelta(0) if ahead is None else ahead
    for hour in range(0, 25, 3):
        x = LEFT + round(width * hour / 24)
        canvas[TOP - 6 : TOP, x] = GREY
        canvas[TOP + height : TOP + height + 6, x] = GREY
        write(canvas, f"{hour:02d}", x, TOP - 12, align="center")
        minutes = round((timedelta(hours=hour) - below) / timedelta(minutes=1)) % 1440
        text = f"{minutes // 60:02d}:{minutes % 60:02d}" if minutes % 60 else f"{minutes // 60:02d}"
        write(canvas, "24" if hour == 24 and not below else text, x, TOP + height + 20, align="center")
    write(canvas, zone_name, LEFT - 14, TOP - 12, align="right", color=GREY)
    write(canvas, zone_name if ahead is None else "UTC", LEFT - 14, TOP + height + 20, align="right", color=GREY)


def _dates(canvas: Canvas, days: Times) -> None:
    for n, day in enumerate(days.tolist()):
        y = TOP + n * ROW
        if day.day == 1 or n == 0:
            year = f" {day.year}" if n == 0 or day.month == 1 else ""
            write(canvas, _MONTHS[day.month - 1] + year, LEFT - 34, y + 9, align="right")
        if day.day in (1, 11, 21):
            canvas[y, LEFT - 6 : LEFT] = GREY
            write(canvas, f"{day.day}", LEFT - 9, y + 9, height=8, align="right", color=GREY)


def _legend(canvas: Canvas, entries: list[tuple[str, Color | None]], y: int) -> None:
    x = LEFT
    for text, color in entries:
        box = canvas[y - 11 : y + 3, x : x + 20]
        rows, columns = np.indices(box.shape[:2])
        if color is None:
            box[(rows + columns) % 4 == 0] = _HATCH
            box[[0, -1]] = box[:, [0, -1]] = _HATCH
        else:
            box[:] = color
        write(canvas, text, x + 26, y, height=9)
        x += 26 + width_of(text, height=9) + 26
