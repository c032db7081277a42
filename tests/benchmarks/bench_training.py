"""Training: what the input pipeline costs over the same `model.fit` on arrays in memory, and what the cache saves.

Both sides train the same network on the same frames in turns, some epochs at a time; the ratio is that of the best
turns, since what else a machine does only ever adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.table import Row, row

ROUNDS, EPOCHS = 6, 1
FRAMES, MODES = 1920, 5


def run(build: Path) -> Iterator[Row]:
    import keras

    from training import architectures
    from training.fitting import pipeline, schedule
    from training.recipe import load_recipe

    recipe = load_recipe("radar", [f"fit.epochs={EPOCHS}"])
    size = recipe.input.height
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (FRAMES, size, size, 3), np.uint8)
    classes = (np.arange(FRAMES) % MODES).astype(np.int64)
    pixels, targets = images.astype(np.float32), np.eye(MODES, dtype=np.float32)[classes]
    steps = pipeline.steps_per_epoch(FRAMES, recipe.fit.batch_size, pipeline.Share())
    network = architectures.build("radar", height=size, width=size, modes=MODES)
    network.model.compile(
        optimizer=schedule.optimizer(recipe, schedule.stages(recipe)[0], steps),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
    )

    def arrays() -> None:
        network.model.fit(pixels, targets, batch_size=recipe.fit.batch_size, epochs=EPOCHS, verbose=0)

    def piped(*overrides: str) -> Callable[[], None]:
        changed = load_recipe("radar", [f"fit.epochs={EPOCHS}", *overrides])

        def fit() -> None:
            batches = pipeline.batches(
                images, classes, changed, modes=MODES, no_echo=(255, 255, 255), seed=1, epochs=range(EPOCHS)
            )
            network.model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, shuffle=False, verbose=0)

        return fit

    sides: dict[str, Callable[[], Any]] = {
        "no augmentation": piped("augment.kind=none"),
        "the recipe's augmentation": piped(),
        "augmentation, intensity and mixup": piped("augment.intensity_db=1", "augment.mixup=0.2"),
    }
    goals = {"the recipe's augmentation": "<= 1.05"}
    yield row("training: epoch on arrays", _best(arrays) / EPOCHS, "s")
    for name, fit in sides.items():
        yield row(f"training: input pipeline, {name}", _ratio(fit, arrays), "1", goals.get(name, ""))
    yield from _loading(build)


def _loading(build: Path) -> Iterator[Row]:
    """Frames of 400x400 pixels, decoded and found decoded."""
    from radar.frames import FrameRule
    from tests.benchmarks.material import frames_folder
    from training.data.labelled import Label
    from training.data.loading import load_frames

    folder = frames_folder(build, 400, 400, 2000)
    labels = [Label(path, "hse", "LT", "hse/e") for path in sorted(folder.glob("*.png"))]
    rule, cache = FrameRule(64, 64), build / "decoded"

    def cold() -> None:
        load_frames(labels, ("LT",), rule, print)

    def warm() -> None:
        load_frames(labels, ("LT",), rule, print, cache=cache)

    warm()
    yield row("training: frames decoded", len(labels) / _best(cold), "frames/s")
    yield row("training: found decoded, times as fast", 1 / _ratio(warm, cold), "1", ">= 5")


def _best(action: Callable[[], Any]) -> float:
    action()
    return min(_seconds(action) for _ in range(3))


def _ratio(action: Callable[[], Any], baseline: Callable[[], Any]) -> float:
    action()
    turns = [(_seconds(action), _seconds(baseline)) for _ in range(ROUNDS)]
    return min(mine for mine, _ in turns) / min(theirs for _, theirs in turns)


def _seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
