"""`client watch`: how long a composite takes from the folder into the day file, and how fast a backlog is worked off.

The rates of watch and classify are measured alike, from outside: from the moment when the first frames are safe to
the moment when all stand in the result files. What passes before is not the classifying: waiting for the next look,
and for the files to stand still.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from serving.protocol.embedded import server_at
from tests.benchmarks.material import frames_folder, publish_fresh
from tests.benchmarks.table import Row, row

DROPS = 60
AT_ONCE = 1000
ROUNDS = 7
CLIENT = [sys.executable, "-m", "client"]


def run(build: Path) -> Iterator[Row]:
    publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    frames = sorted(frames_folder(build, 400, 400, 6000).glob("*.png"))
    with server_at(f"embedded:{build / 'models-nakai2022'}") as target:
        yield from _latency(build, target, frames)
        yield from _backlog(build, target, frames)
        yield from _cost(build, target, frames)


def _latency(build: Path, target: str, frames: list[Path]) -> Iterator[Row]:
    phases = random.Random(1)
    seconds = []
    with _watch(build, target, "--poll", 1) as (folder, out):
        for n, frame in enumerate(frames[:DROPS]):
            time.sleep(phases.uniform(0, 1))
            name = f"2026010100{n:02d}.png"
            shutil.copyfile(frame, folder / f".{name}")
            (folder / f".{name}").rename(folder / name)
            dropped = time.perf_counter()
            _until(lambda name=name: name in _text(out / "20260101.csv"))
            seconds.append(time.perf_counter() - dropped)
    seconds.sort()
    yield row("watch: frame recorded after, p50, 1 s poll", statistics.median(seconds), "s")
    yield row("watch: frame recorded after, p95, 1 s poll", seconds[int(0.95 * (DROPS - 1))], "s", "< 2")


def _backlog(build: Path, target: str, frames: list[Path]) -> Iterator[Row]:
    source = build / f"frames-400x400-{AT_ONCE}"
    frames_folder(build, 400, 400, AT_ONCE)
    rates: dict[str, list[float]] = {"classify": [], "watch": []}
    whole = []
    for _ in range(ROUNDS):
        rates["classify"].append(_classify(build, target, source))
        rate, seconds = _at_once(build, target, source)
        rates["watch"].append(rate)
        whole.append(seconds)
    name = f"watch: {AT_ONCE:,} frames at once"
    yield row(f"{name}: all recorded after, 1 s poll", whole, "s")
    for command, values in rates.items():
        yield row(f"{name}: {command}", values, "frames/s")
    ratios = [w / c for w, c in zip(rates["watch"], rates["classify"], strict=True)]
    yield row(f"{name}: watch / classify", ratios, "1", ">= 0.8")


def _classify(build: Path, target: str, source: Path) -> float:
    out = build / "watch-classify.csv"
    partial = out.with_name(f"{out.name}.partial")
    for path in (out, partial):
        path.unlink(missing_ok=True)
    command = [*CLIENT, "classify", str(source), "--server", target, "--out", str(out), "--quiet"]
    with subprocess.Popen(command):
        return _rate(lambda: max(_text(partial).count("\n") - 1, 0), lambda: _text(out).count("\n") - 1)


def _at_once(build: Path, target: str, source: Path) -> tuple[float, float]:
    with _watch(build, target, "--poll", 1) as (folder, out):
        started = time.perf_counter()
        for path in source.glob("*.png"):
            (folder / path.name).hardlink_to(path)
        with contextlib.closing(sqlite3.connect(f"file:{out}/state.sqlite?mode=ro", uri=True)) as state:
            rate = _rate(
                lambda: state.execute("SELECT COUNT(*) FROM frames").fetchone()[0],
                lambda: _text(out / "undated.csv").count("\n") - 1,
            )
        return rate, time.perf_counter() - started


def _cost(build: Path, target: str, frames: list[Path]) -> Iterator[Row]:
    """What watching a whole winter costs while nothing comes."""
    with _watch(build, target, "--poll", 1) as (folder, out):
        process = psutil.Process(int((out / "pid").read_text()))
        for path in frames:
            (folder / path.name).hardlink_to(path)
        _until(lambda: _text(out / "undated.csv").count("\n") == len(frames) + 1)
        before, started = process.cpu_times(), time.perf_counter()
        time.sleep(20)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        yield row(f"watch: processor while idle, {len(frames):,} frames", used / (time.perf_counter() - started), "1")
        yield row(f"watch: memory, {len(frames):,} frames", process.memory_info().rss / 2**20, "MB")


@contextlib.contextmanager
def _watch(build: Path, target: str, *more: object) -> Iterator[tuple[Path, Path]]:
    """A `client watch` that has looked at its empty folder, and knows the model."""
    folder, out = build / "watch-incoming", build / "watch-out"
    for path in (folder, out):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    words = [folder, "--server", target, "--out", out, "--pattern", "%Y%m%d%H%M.png", *more]
    with (out / "log").open("wb") as log:
        process = subprocess.Popen([*CLIENT, "watch", *map(str, words)], stderr=log)
    try:
        (out / "pid").write_text(str(process.pid))
        _until(lambda: "model snowmode" in _text(out / "log"))
        yield folder, out
        process.terminate()
        if process.wait():
            raise RuntimeError(_text(out / "log"))
    finally:
        process.kill()
        process.wait()


def _rate(safe: Callable[[], int], finished: Callable[[], int]) -> float:
    _until(safe)
    first, started = safe(), time.perf_counter()
    _until(lambda: finished() == AT_ONCE)
    return (AT_ONCE - first) / (time.perf_counter() - started)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _until(condition: Callable[[], object]) -> None:
    deadline = time.perf_counter() + 120
    while not condition():
        if time.perf_counter() > deadline:
            raise RuntimeError("what is measured never happened")
        time.sleep(0.003)
