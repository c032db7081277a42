"""Writes a synthetic winter into a folder: frames, labels, season file."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radar import durable
from radar.errors import SnowmodeError
from radar.palette import COLORS, rate_to_class
from radar.seasons import SEASON_FILE, TimeRule, format_utc, is_synthetic
from training.synth.climate import MODES, Event, Winter, plan_winter
from training.synth.echoes import WinterEchoes
from training.synth.geography import make_geography
from training.synth.stretches import choose_slots
from training.synth.trouble import Trouble

VERSION = 1
"""Version of the drawing; a change of the pictures for a given seed raises it."""

NOTE = "These frames are synthetic: drawn by a program, they say nothing about skill on real snow."
LABEL_FILE = "labels.csv"
UNFINISHED_FILE = ".synthetic"
"""Lies in the folder while a winter is made there, so that what a killed run left is not taken for real data."""

_PATTERN = "pr2hse{index:05d}.png"
_FRAME_NAME = re.compile(r"pr2hse\d{5}\.png")
_PALETTE = COLORS.tobytes()
_JOB_FRAMES = 72


class SynthError(SnowmodeError):
    """A synthetic winter cannot be written."""


@dataclass(frozen=True, slots=True)
class WinterSummary:
    """What was written.

    Attributes:
        folder: The folder.
        frames: Number of frames.
        modes: Number of frames of each mode, in the order of the modes.
        events: Number of events with at least one frame.
    """

    folder: Path
    frames: int
    modes: dict[str, int]
    events: int


@dataclass(frozen=True, slots=True)
class _Job:
    """Some frames of one event, drawn by one process."""

    folder: Path
    seed: int
    year: int
    cadence_minutes: int
    size: tuple[int, int]
    event: int
    slots: tuple[int, ...]


def make_winter(
    folder: str | os.PathLike[str],
    *,
    frames: int,
    seed: int,
    year: int,
    size: tuple[int, int] = (400, 400),
    workers: int | None = None,
    cadence_minutes: int = 10,
    layout: str = "flat",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> WinterSummary:
    """Makes a labelled synthetic winter of radar composites.

    Frames are palette PNGs in JMA's colours, named ``pr2hse00000.png`` onwards by their index in the season.
    If fewer frames are wanted than the winter has, stretches of one to three days are drawn from all of it,
    and the index jumps between them. A frame's bytes follow from seed, year, cadence and size alone, not from
    the number of frames or workers.

    Beside the frames are ``labels.csv`` (``file,label,time_utc,event``) and ``season.toml``. They are written
    last: a folder without them is not finished.

    Args:
        folder: Folder to write into, made if need be; its name becomes the season's, such as ``hse20152016``.
        frames: Number of frames, 1 to the length of the winter (21,744 or 21,888 at 10 minutes).
        seed: Seed, 0 or more.
        year: Year in which the winter starts.
        size: Height and width in pixels. The shorter side always stands for 400 km.
        workers: Processes; by default one a core. With 1, all is drawn in this process.
        cadence_minutes: Minutes between frames, a divisor of 60.
        layout: ``"flat"``: all frames in one folder.
        overwrite: Whether the frames of an earlier synthetic winter may be removed; others never are.
        progress: Called now and then with frames written and frames in all.

    Returns:
        What was written.

    Raises:
        ValueError: An argument is out of range.
        SynthError: The folder already holds frames, and `overwrite` is false or they are not synthetic; or it
            cannot be written.
    """
    _check(seed, year, size, workers, cadence_minutes, layout)
    winter = plan_winter(seed, year, cadence_minutes)
    if not 1 <= frames <= winter.slots:
        raise ValueError(f"Argument `frames`: expected 1 to {winter.slots}, received: frames={frames}")
    root = Path(folder)
    slots = choose_slots(winter, frames)
    rule = TimeRule(_PATTERN, start=winter.start, cadence_minutes=cadence_minutes)
    shown: list[tuple[Event, tuple[int, ...]]] = []
    for event in winter.events:
        mine = tuple(slots[bisect_left(slots, event.start) : bisect_left(slots, event.end)])
        if mine:
            shown.append((event, mine))
    jobs = [
        _Job(root, seed, year, cadence_minutes, size, event.number, mine[first : first + _JOB_FRAMES])
        for event, mine in shown
        for first in range(0, len(mine), _JOB_FRAMES)
    ]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "label", "time_utc", "event"])
    for event, mine in shown:
        for slot in mine:
            time = winter.start + slot * timedelta(minutes=cadence_minutes)
            writer.writerow([rule.name_of(time), event.mode, format_utc(time), event.name])
    done = 0
    try:
        _clear(root, overwrite)
        with closing(_run(jobs, workers or os.cpu_count() or 1)) as drawn:
            for written in drawn:
                done += written
                if progress is not None:
                    progress(done, frames)
        durable.write_text(root / LABEL_FILE, table.getvalue())
        durable.write_text(root / SEASON_FILE, _season_text(root.resolve().name, winter, cadence_minutes))
        (root / UNFINISHED_FILE).unlink()
    except OSError as error:
        raise SynthError(
            f"{root}: expected a folder that can be made and written to, received: {error.strerror or error}; "
            "choose another folder"
        ) from error
    counts = Counter(dict.fromkeys(MODES, 0))
    for event, mine in shown:
        counts[event.mode] += len(mine)
    return WinterSummary(root, done, dict(counts), len(shown))


def render(winter: Winter, slots: list[int], size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Draws frames without writing them.

    Args:
        winter: The winter, from `plan_winter`.
        slots: Slots to draw; neighbours are drawn faster than distant ones.
        size: Height and width in pixels.

    Returns:
        Palette classes 0 to 8, shape ``size``, one array a slot.
    """
    return map(_Painter(winter, size).paint, slots)


def _check(
    seed: int, year: int, size: tuple[int, int], workers: int | None, cadence_minutes: int, layout: str
) -> None:
    if seed < 0:
        raise ValueError(f"Argument `seed`: expected 0 or more, received: seed={seed}")
    if not 1900 <= year <= 9000:
        raise ValueError(f"Argument `year`: expected 1900 to 9000, received: year={year}")
    if len(size) != 2 or min(size) < 32 or max(size) > 4096:
        raise ValueError(f"Argument `size`: expected height and width of 32 to 4096 pixels, received: size={size}")
    if workers is not None and workers < 1:
        raise ValueError(f"Argument `workers`: expected 1 or more, received: workers={workers}")
    if cadence_minutes not in (5, 10, 15, 20, 30, 60):
        raise ValueError(
            "Argument `cadence_minutes`: expected 5, 10, 15, 20, 30 or 60, received: "
            f"cadence_minutes={cadence_minutes}"
        )
    if layout != "flat":
        raise ValueError(f"Argument `layout`: expected 'flat', received: layout={layout!r}")


def _clear(root: Path, overwrite: bool) -> None:
    root.mkdir(parents=True, exist_ok=True)
    old = [path for path in root.iterdir() if _FRAME_NAME.fullmatch(path.name)]
    notes = [path for path in (root / LABEL_FILE, root / SEASON_FILE) if path.exists()]
    if old or notes:
        found = f"{len(old)} frames and {len(notes)} of {LABEL_FILE} and {SEASON_FILE}"
        # Real frames of JMA have the same names; nobody shall lose an archive to a slip in a path.
        if not _is_ours(root):
            raise SynthError(
                f"{root}: expected an empty folder or an earlier synthetic winter, received one with {found}, and "
                f"no [synthetic] table in {SEASON_FILE}, so they may be real data; choose another folder, or move "
                "them away"
            )
        if not overwrite:
            raise SynthError(
                f"{root}: expected a folder without frames, received one with {found}; give overwrite "
                "(--overwrite) to replace them"
            )
    (root / UNFINISHED_FILE).touch()
    # The labels go first: a run killed in the middle must not leave labels beside other frames.
    for path in [*notes, *old]:
        path.unlink()


def _is_ours(root: Path) -> bool:
    """Tells whether the frames in a folder were drawn by this program, by a finished run or an interrupted one."""
    unfinished = (root / UNFINISHED_FILE).exists() and not (root / SEASON_FILE).exists()
    return unfinished or is_synthetic(root)


def _run(jobs: list[_Job], workers: int) -> Generator[int, None, None]:
    """Draws all jobs; yields the number of frames written after each."""
    if workers == 1 or len(jobs) == 1:
        yield from map(_draw, jobs)
        return
    # Not "fork": a process forked beside TensorFlow's threads can hang.
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_start_worker)
    # Not `with pool`: its end calls shutdown() again, which takes the cancelling back.
    try:
        for future in as_completed([pool.submit(_draw, job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches the whole group of processes; only the first of them should answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _draw(job: _Job) -> int:
    painter = _painter(job.seed, job.year, job.cadence_minutes, job.size)
    for slot in job.slots:
        picture = painter.paint(slot)
        image = Image.frombytes("P", (job.size[1], job.size[0]), picture.tobytes())
        image.putpalette(_PALETTE)
        image.save(job.folder / _PATTERN.format(index=slot), "PNG", bits=4, transparency=0, compress_level=3)
    return len(job.slots)


class _Painter:
    """Draws frames of one winter."""

    def __init__(self, winter: Winter, size: tuple[int, int]) -> None:
        land = make_geography(*size)
        self._events = winter.events
        self._starts = [event.start for event in winter.events]
        self._echoes = WinterEchoes(winter, land)
        self._trouble = Trouble(winter, land)

    def paint(self, slot: int) -> NDArray[np.uint8]:
        event = self._events[bisect_right(self._starts, slot) - 1]
        return rate_to_class(self._trouble.apply(self._echoes.rate(event, slot), slot))


@lru_cache(maxsize=1)
def _painter(seed: int, year: int, cadence_minutes: int, size: tuple[int, int]) -> _Painter:
    return _Painter(plan_winter(seed, year, cadence_minutes), size)


def _season_text(name: str, winter: Winter, cadence_minutes: int) -> str:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        f"name = {quoted}\n"
        f'pattern = "{_PATTERN}"\n'
        f"start = {format_utc(winter.start)}\n"
        f"cadence_minutes = {cadence_minutes}\n"
        "\n[synthetic]\n"
        f"seed = {winter.seed}\n"
        f"year = {winter.year}\n"
        f"version = {VERSION}\n"
        f'note = "{NOTE}"\n'
    )
