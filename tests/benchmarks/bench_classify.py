"""Classification: the original's loop, ours end to end, and the roofline; start-up; memory; explanations.

The original's loop is one `load_img` and one `model.predict` a frame, with the same network that our server hosts.
The roofline is what the machine could do if nothing but decoding and inference cost anything: both use every core,
so their times add up.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from radar import frames
from radar.frames import FrameRule
from serving.protocol import contract
from serving.protocol.connection import Connection
from serving.protocol.embedded import server_at
from tests.benchmarks.material import frames_folder, publish_fresh
from tests.benchmarks.table import Row, row

ROUNDS = 5
CLIENT = [sys.executable, "-m", "client"]


def run(build: Path) -> Iterator[Row]:
    version, model = publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    with server_at(f"embedded:{build / 'models-nakai2022'}") as target:
        for height, width, speedup in ((400, 400, 60), (600, 480, 0)):
            yield from _throughput(build, target, version, model, height, width, speedup)
        yield from _start_up(build, target)
        yield from _memory(build, target)
        yield from _explanations(target, "nakai2022")
    publish_fresh(build / "models-radar", "radar", 64)
    with server_at(f"embedded:{build / 'models-radar'}") as target:
        yield from _explanations(target, "radar")


def _throughput(
    build: Path, target: str, version: Path, model: Any, height: int, width: int, speedup: int
) -> Iterator[Row]:
    from serving.model_server.servable import Servable

    folder = frames_folder(build, height, width, 6000)
    paths = sorted(folder.glob("*.png"))
    rule = FrameRule(height=32, width=32)
    servable = Servable.load(version)
    images = np.stack([frames.load(path, rule) for path in paths[:341]])
    samples: dict[str, list[float]] = {"original": [], "decode": [], "infer": [], "ours": []}
    measures: dict[str, Callable[[], float]] = {
        "original": lambda: _original(paths[:60], model),
        "decode": lambda: _decode(paths[:3000], rule),
        "infer": lambda: _infer(servable, images, 12),
        "ours": lambda: _ours(folder, target, build),
    }
    for measure in measures.values():
        measure()  # the first time is warm-up
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            samples[name].append(measure())
    servable.close()
    rooflines = [1 / (1 / d + 1 / i) for d, i in zip(samples["decode"], samples["infer"], strict=True)]
    name = f"classify {width}x{height}"
    yield row(f"{name}: original's loop", samples["original"], "frames/s")
    yield row(f"{name}: decode alone", samples["decode"], "frames/s")
    yield row(f"{name}: inference alone", samples["infer"], "frames/s")
    yield row(f"{name}: roofline", rooflines, "frames/s")
    yield row(f"{name}: ours end to end", samples["ours"], "frames/s")
    ratios = [ours / original for ours, original in zip(samples["ours"], samples["original"], strict=True)]
    yield row(f"{name}: ours / original's loop", ratios, "1", f">= {speedup}" if speedup else "")
    ratios = [ours / roofline for ours, roofline in zip(samples["ours"], rooflines, strict=True)]
    yield row(f"{name}: ours / roofline", ratios, "1", ">= 0.92")


def _original(paths: list[Path], model: Any) -> float:
    from keras.utils import img_to_array, load_img

    started = time.perf_counter()
    for path in paths:
        picture = img_to_array(load_img(path, target_size=(32, 32)))
        model.predict(picture[np.newaxis], verbose=0)
    return len(paths) / (time.perf_counter() - started)


def _decode(paths: list[Path], rule: FrameRule) -> float:
    chunks = [paths[start : start + 32] for start in range(0, len(paths), 32)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = time.perf_counter()
        list(pool.map(lambda chunk: [frames.load(path, rule) for path in chunk], chunks))
        return len(paths) / (time.perf_counter() - started)


def _infer(servable: Any, images: np.ndarray, batches: int) -> float:
    inputs = {contract.IMAGES: images}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: servable.run(contract.CLASSIFY, inputs, [contract.PROBABILITIES]), range(batches)))
        return batches * len(images) / (time.perf_counter() - started)


def _ours(folder: Path, target: str, build: Path) -> float:
    summary = _classify(folder, target, build)
    return summary["classified"] / summary["seconds"]


def _classify(folder: Path, target: str, build: Path) -> dict[str, Any]:
    command = [*CLIENT, "classify", str(folder), "--server", target, "--out", str(build / "out.csv")]
    done = subprocess.run([*command, "--overwrite", "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)


def _start_up(build: Path, target: str) -> Iterator[Row]:
    helps = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run([*CLIENT, "--help"], stdout=subprocess.DEVNULL, check=True)
        helps.append(time.perf_counter() - started)
    yield row("classify: client --help", helps, "s", "< 0.4")
    folder = frames_folder(build, 400, 400, 2000)
    yield row("classify: first frame answered", [_first_row(folder, target, build) for _ in range(7)], "s", "< 1")


def _first_row(folder: Path, target: str, build: Path) -> float:
    out = build / "first.csv"
    partial = out.with_name(out.name + ".partial")
    for path in (out, partial):
        path.unlink(missing_ok=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        [*CLIENT, "classify", str(folder), "--server", target, "--out", str(out), "--quiet"],
    )
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 1):
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    process.wait()
    return seconds


def _memory(build: Path, target: str) -> Iterator[Row]:
    peaks = {count: _peak(frames_folder(build, 400, 400, count), target, build) for count in (2000, 20000)}
    for count, peak in peaks.items():
        yield row(f"classify: peak memory, {count:,} frames", peak / 2**20, "MB", "< 300")
    yield row("classify: peak memory, 20,000 / 2,000 frames", peaks[20000] / peaks[2000], "1", "<= 1.1")


# Linux counts the memory of the process that forked into a child's peak, and this one holds TensorFlow; so a small
# process stands between.
_PEAK_OF = """
import os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


def _peak(folder: Path, target: str, build: Path) -> int:
    command = [*CLIENT, "classify", str(folder), "--server", target, "--out", str(build / "peak.csv")]
    between = [sys.executable, "-c", _PEAK_OF, *command, "--overwrite", "--quiet"]
    return int(subprocess.run(between, capture_output=True, check=True).stdout)


def _explanations(target: str, architecture: str) -> Iterator[Row]:
    with Connection(target) as connection:
        size = connection.describe().card.input
        images = np.random.default_rng(0).integers(0, 256, (128, size.height, size.width, 3), dtype=np.uint8)
        rates: dict[str, list[float]] = {contract.CLASSIFY: [], contract.EXPLAIN: []}
        for signature in rates:
            connection.call(signature, images)
        for _ in range(9):
            for signature, values in rates.items():
                started = time.perf_counter()
                for _ in range(4):
                    connection.call(signature, images)
                values.append(4 * len(images) / (time.perf_counter() - started))
    for signature, values in rates.items():
        yield row(f"classify {architecture}: {signature} through the server", values, "frames/s")
    ratios = [e / c for e, c in zip(rates[contract.EXPLAIN], rates[contract.CLASSIFY], strict=True)]
    yield row(f"classify {architecture}: explain / serving_default", statistics.median(ratios), "1", ">= 0.6")
