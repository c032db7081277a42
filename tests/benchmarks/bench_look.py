"""A look inside: every technique and its checks for 200 frames, as its user runs it, from start to page.

The network has weights as training leaves them in number and size, but drawn at random: speed does not depend on what
they are, except for integrated gradients, which take more steps where a network is rough, as a random one is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.material import card_for, frames_folder
from tests.benchmarks.table import Row, row

FRAMES = 200


def run(build: Path) -> Iterator[Row]:
    frames_folder(build, 400, 400, 77)  # made of a labelled winter beside it
    winter = build / "frames-400x400"
    version = _published(build / "look-model" / "202401010000")
    out = build / "look"
    words = [str(version), "--frames", str(winter), "--count", str(FRAMES), "--out", str(out)]
    code = "from training.commands.look import look; look()"
    command = [sys.executable, "-c", code, "all", *words]
    before = os.times()
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    seconds = time.perf_counter() - started
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    page = out / "report.html"
    if not page.is_file():
        raise RuntimeError(f"expected {page}")
    yield row("look: whole report, 200 frames of 64x64", seconds, "s", "< 120")
    # Of a busy machine this is the number to believe.
    yield row("look: the same, processor time over 2 cores", processor / 2, "s", "< 120")
    yield row("look: size of the page", page.stat().st_size / 1e6, "MB", "< 30")


def _published(folder: Path) -> Path:
    """Publishes a network of the recipe `radar` with fresh weights, once."""
    import keras

    from training import architectures
    from training.publishing import export
    from training.recipe import load_recipe

    if not (folder / "saved_model.pb").is_file():
        recipe = load_recipe("radar")
        keras.utils.set_random_seed(1)
        size = recipe.input.height
        network = architectures.build(recipe.architecture, height=size, width=recipe.input.width, modes=5)
        card = card_for(network, recipe.architecture, size)
        settings = {**recipe.model_dump(mode="json"), "seed": 1}
        folder.parent.mkdir(parents=True, exist_ok=True)
        export.write(folder, network, card.model_copy(update={"settings": settings}))
    return folder
