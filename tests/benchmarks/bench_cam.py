"""Heat maps: the original's job of 77 frames and 385 pictures as one command, a season in numbers, memory.

The command is timed as its user sees it, from the start of Python to the last file, means included. The start of the
model server is not in it: it runs already, as it does in operation. The original's way is what its paper and code
describe, with the same network: a gradient of the probability for each frame and each mode, one at a time, scaled,
coloured and laid over the frame. The original itself reported 720 s for this job, on another machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serving.protocol.embedded import server_at
from tests.benchmarks.bench_classify import CLIENT, ROUNDS
from tests.benchmarks.material import frames_folder, publish_fresh
from tests.benchmarks.memory import peak_of
from tests.benchmarks.table import Row, row

FRAMES, MODES = 77, 5
MAPS_OF_ORIGINAL = 20  # measured one by one; the job has 385


def run(build: Path) -> Iterator[Row]:
    _, model = publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    folder = frames_folder(build, 400, 400, FRAMES)
    original = _original(sorted(folder.glob("*.png")), model, build / "cam-original") * FRAMES * MODES
    yield row("cam: the original's way, 385 pictures (from 20)", original, "s")
    with server_at(f"embedded:{build / 'models-nakai2022'}") as target:
        out = build / "cam"
        seconds = [_cam(folder, target, out, "--pictures", "each") for _ in range(ROUNDS)]
        pictures = len(list(out.glob("each/*/*.png")))
        if pictures != FRAMES * MODES:
            raise RuntimeError(f"expected {FRAMES * MODES} pictures, found {pictures}")
        yield row("cam: 385 pictures and means, whole command", seconds, "s", "< 4")
        yield row("cam: panels of 77 frames, whole command", _cam(folder, target, out, "--pictures", "panel"), "s")
        numbers = ("--pictures", "none", "--no-means", "--numbers")
        season = frames_folder(build, 400, 400, 6000)
        rates = [6000 / _cam(season, target, out, *numbers, inside=True) for _ in range(ROUNDS)]
        yield row("cam: heat maps of a season in numbers", rates, "frames/s")
        peaks = []
        for count in (6000, 20000):  # fewer end before the pipeline is full
            command = _command(frames_folder(build, 400, 400, count), target, out, *numbers)
            peaks.append(peak_of([*command, "--quiet"]))
        yield row("cam: peak memory, 20,000 frames", peaks[1] / 2**20, "MB", "< 300")
        yield row("cam: peak memory, 20,000 / 6,000 frames", peaks[1] / peaks[0], "1", "<= 1.1")


def _command(folder: Path, target: str, out: Path, *options: str) -> list[str]:
    return [*CLIENT, "cam", str(folder), "--server", target, "--out", str(out), "--overwrite", *options]


def _cam(folder: Path, target: str, out: Path, *options: str, inside: bool = False) -> float:
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    done = subprocess.run([*_command(folder, target, out, *options), "--json"], capture_output=True, check=True)
    seconds = time.perf_counter() - started
    return float(json.loads(done.stdout)["seconds"]) if inside else seconds


def _original(paths: list[Path], model: Any, out: Path) -> float:
    """Gives seconds a picture."""
    import cv2
    import keras
    import tensorflow as tf
    from keras.utils import img_to_array, load_img

    out.mkdir(parents=True, exist_ok=True)
    last = [layer for layer in model.layers if len(layer.output.shape) == 4 and "conv" in layer.name][-1]
    both = keras.Model(model.inputs, [last.output, keras.ops.softmax(model.output)])

    def picture(path: Path, mode: int) -> None:
        image = img_to_array(load_img(path, target_size=(32, 32)))[np.newaxis]
        with tf.GradientTape() as tape:
            features, p = both([image])
            score = p[:, mode]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(0, 1, 2))
        heat = np.maximum(tf.reduce_mean(features * weights, axis=-1)[0].numpy(), 0)
        heat = np.uint8(255 * heat / max(heat.max(), 1e-20))
        frame = cv2.imread(str(path))
        colors = cv2.applyColorMap(cv2.resize(heat, frame.shape[1::-1]), cv2.COLORMAP_JET)
        mixed = np.clip(0.4 * colors + frame, 0, 255).astype(np.uint8)
        cv2.imwrite(str(out / f"{path.stem}_{mode}.png"), mixed)

    picture(paths[0], 0)
    started = time.perf_counter()
    for n in range(MAPS_OF_ORIGINAL):
        picture(paths[n // MODES], n % MODES)
    return (time.perf_counter() - started) / MAPS_OF_ORIGINAL
