"""Composites to frames: how many a minute, and what of it takes how long.

A day of composites in JMA's format, drawn by the synthetic winter, about as large as real ones; written by the tests'
writer, which writes real ones byte for byte. Files are in the page cache; frames are synced to the disk.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from client.render.plan import Settings, make_plan
from client.render.run import render
from radar import frames, jma
from radar.jma import drawing, files, second_reader
from radar.jma.message import parse
from tests.benchmarks.table import Row, row
from tests.radar.jma.messages import CLASS_LEVELS, national, write_message

ROUNDS = 3
COMPOSITES = 144
START = datetime(2016, 1, 24, tzinfo=UTC)


def run(build: Path) -> Iterator[Row]:
    folder = composites(build / "composites")
    sizes = [path.stat().st_size for path in folder.iterdir()]
    yield row("render: size of a composite", sizes, "B")
    for name, window, goal in (("default window", jma.HOKUSHINETSU, ">= 600"), ("whole grid", jma.JAPAN, "")):
        rates = [60 * COMPOSITES / _seconds_of_a_run(build, folder, window) for _ in range(ROUNDS)]
        yield row(f"render: composites a minute, {name}", rates, "1/min", goal)
    data = next(folder.iterdir()).read_bytes()
    path = next(folder.iterdir())
    composite = parse(data)
    png = drawing.draw(composite, jma.HOKUSHINETSU)
    yield row("render: decode", _milliseconds(lambda: parse(data)), "ms")
    if importlib.util.find_spec("eccodes"):
        yield row(
            "render: decode twice, of it once with eccodes", _milliseconds(lambda: second_reader.rate(data)), "ms"
        )
    yield row("render: rain rate of the whole grid", _milliseconds(composite.rate), "ms")
    yield row("render: draw the window", _milliseconds(lambda: drawing.draw(composite, jma.HOKUSHINETSU)), "ms")
    yield row("render: draw the whole grid", _milliseconds(lambda: drawing.draw(composite, jma.JAPAN)), "ms")
    yield row("render: composite to a model's pixels", _milliseconds(lambda: jma.picture(path)), "ms")
    yield row("render: its frame to a model's pixels", _milliseconds(lambda: frames.decode(png)), "ms")


def composites(folder: Path) -> Path:
    """Makes the day, once."""
    last = START + timedelta(minutes=10 * (COMPOSITES - 1))
    if (folder / Path(files.EXAMPLE.replace("20160306190000", f"{last:%Y%m%d%H%M%S}"))).exists():
        return folder
    from training.synth.climate import plan_winter
    from training.synth.winter import render as draw

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    distinct = 12
    pictures = draw(plan_winter(5, 2015, 10), [9000 + 12 * n for n in range(distinct)], (600, 480))
    rng = np.random.default_rng(1)
    bodies = []
    for classes in pictures:
        field = national(np.full((600, 480), 1, np.uint8))
        for top in (360, 960, 1560):
            for left in (880, 1360):
                # Levels vary inside a class, as real ones do; that is what fills the bytes.
                noise = np.kron(rng.integers(0, 7, (150, 120)), np.ones((4, 4), int)) * (classes > 0)
                field[top : top + 600, left : left + 480] = CLASS_LEVELS[classes] + noise.astype(np.uint8)
        bodies.append(field)
    for n in range(COMPOSITES):
        write_message(folder, bodies[n % distinct], START + timedelta(minutes=10 * n))
    return folder


def _seconds_of_a_run(build: Path, folder: Path, window: jma.Window) -> float:
    out = build / "rendered"
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    outcome = render(make_plan(Settings((folder,), out, window=window)))
    seconds = time.perf_counter() - begin
    shutil.rmtree(out)
    if outcome.rendered != COMPOSITES:
        raise RuntimeError(f"expected {COMPOSITES} frames, received {outcome}")
    return seconds


def _milliseconds(action: Callable[[], Any]) -> list[float]:
    action()
    found = []
    for _ in range(10 * ROUNDS):
        begin = time.perf_counter()
        action()
        found.append(1000 * (time.perf_counter() - begin))
    return found
