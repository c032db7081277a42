"""A strip of frames along the hours, each a link to its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, pairwise

from serving.sidecar.pages.language import Words
from serving.sidecar.pages.modes import Face
from serving.sidecar.pages.times import Clock
from serving.sidecar.store.frames import Prediction

HOUR = 3600
WIDTH, TOP, HEIGHT = 960, 4, 48
LOWEST = 0.35  # of the height, so that letters have a ground
_LETTER = 9  # width of one


@dataclass(frozen=True, slots=True)
class Cell:
    """One frame of a strip.

    Attributes:
        frame_id: Where it links to.
        x: Where it begins.
        width: How broad it is.
        top: Where it begins; the higher it is the surer the model was.
        height: How high it is.
        face: Of its mode; None if it could not be classified.
        title: Told on hovering and to screen readers.
        here: Whether it is the frame that the page shows.
    """

    frame_id: int
    x: float
    width: float
    top: float
    height: float
    face: Face | None
    title: str
    here: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring cells of one mode, long enough for its letters.

    Attributes:
        x: Its middle.
        face: Of the mode.
    """

    x: float
    face: Face


@dataclass(frozen=True, slots=True)
class Strip:
    """Frames along the hours.

    Attributes:
        cells: In the order of time.
        runs: Where letters are written.
        ticks: Where a full hour is, and how it is called.
        width: Of the drawing.
        top: Of the full height of a cell.
        height: Of a cell of certainty.
    """

    cells: list[Cell]
    runs: list[Run]
    ticks: list[tuple[float, str]]
    width: int = WIDTH
    top: int = TOP
    height: int = HEIGHT


def lay_out(
    predictions: Sequence[Prediction],
    span: tuple[int, int],
    faces: dict[str, Face],
    clock: Clock,
    words: Words,
    *,
    here: int | None = None,
) -> Strip:
    """Lays frames out along a span of time.

    Args:
        predictions: In the order of time, all with one.
        span: Seconds since 1970 where the strip begins and ends.
        faces: By code of mode.
        clock: Of the hours.
        words: Of the titles.
        here: Id of the frame that the page shows.
    """
    start, end = span
    scale = WIDTH / max(end - start, 1)
    times = [prediction.time or start for prediction in predictions]
    step = _cadence(times)
    cells = []
    for prediction, time in zip(predictions, times, strict=True):
        width = step * scale
        face = faces.get(prediction.mode or "")
        high = HEIGHT if prediction.confidence is None else HEIGHT * max(prediction.confidence, LOWEST)
        cells.append(
            Cell(
                frame_id=prediction.frame_id,
                x=round((time - start) * scale, 2),
                width=round(max(width - 0.4, 0.5), 2),
                top=round(TOP + HEIGHT - high, 2),
                height=round(high, 2),
                face=face,
                title=_title(prediction, time, face, clock, words),
                here=prediction.frame_id == here,
            )
        )
    return Strip(cells, _runs(cells), _ticks(start, end, scale, clock))


def _runs(cells: Sequence[Cell]) -> list[Run]:
    runs = []
    for face, group in groupby(cells, lambda cell: cell.face):
        run = list(group)
        start, end = run[0].x, run[-1].x + run[-1].width
        if face is not None and end - start >= _LETTER * len(face.code) + 6:
            runs.append(Run(round((start + end) / 2, 1), face))
    return runs


def _title(prediction: Prediction, time: int, face: Face | None, clock: Clock, words: Words) -> str:
    if face is None or prediction.confidence is None:
        return f"{clock.minute(time)}: {words('frame.failed')}"
    return f"{clock.minute(time)}: {face.code} {face.name}, {prediction.confidence:.0%}"


def _cadence(times: Sequence[int]) -> int:
    distances = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return min(max(set(distances), key=distances.count), HOUR) if distances else 600


def _ticks(start: int, end: int, scale: float, clock: Clock) -> list[tuple[float, str]]:
    ticks = []
    every = 3 if end - start > 13 * HOUR else 1
    offset = clock.local(start).utcoffset() or timedelta()
    first = start + (-(start + round(offset.total_seconds()))) % HOUR
    for time in range(first, end, HOUR):
        local = clock.local(time)
        if local.hour % every == 0:
            name = f"{local:%H}" if local.hour else f"{local.month}/{local.day}"
            ticks.append((round((time - start) * scale, 1), name))
    return ticks
