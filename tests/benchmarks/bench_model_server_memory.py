"""What the model server's way with memory costs in speed: beside TensorFlow's pool, and malloc at its defaults.

One server process each, loaded in turn, one at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.bench_model_server import BATCHING, Load, random_images, ratios_of, serving
from tests.benchmarks.material import publish_fresh
from tests.benchmarks.table import Row, row

ROUNDS = 9
OURS, POOL, MALLOC = "ours", "TensorFlow's pool", "malloc as it is"
WAYS = {OURS: {}, POOL: {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "0"}, MALLOC: {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}}
# batching, rows of a request, requests, callers
LOADS = (("off", 1, 400, 2), ("on", 1, 1500, 64), ("off", 64, 64, 4), ("off", 256, 24, 4), ("off", 512, 12, 4))


def run(build: Path) -> Iterator[Row]:
    version, _ = publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    parameters = build / "batching.config"
    parameters.write_text(BATCHING)
    flags = {"off": (), "on": ("--enable_batching", f"--batching_parameters_file={parameters}")}
    with contextlib.ExitStack() as servers:
        targets = {
            (batching, way): servers.enter_context(serving(version.parent, *given, env=env))
            for batching, given in flags.items()
            for way, env in WAYS.items()
        }
        for batching, rows, count, callers in LOADS:
            what = f"model_server_memory {callers} callers of {rows}, batching {batching}"
            samples: dict[str, list[float]] = {way: [] for way in WAYS}
            with contextlib.ExitStack() as loads:
                ready = {way: loads.enter_context(Load(targets[batching, way], random_images(rows))) for way in WAYS}
                for number in range(ROUNDS + 1):
                    for way, load in ready.items():
                        rate = rows * count / load.run(count, callers).seconds
                        if number:  # the first time is warm-up
                            samples[way].append(rate)
            yield row(f"{what}: {OURS}", samples[OURS], "images/s")
            yield row(f"{what}: / pool", ratios_of(samples[OURS], samples[POOL]), "1", ">= 0.97")
            yield row(f"{what}: / malloc", ratios_of(samples[OURS], samples[MALLOC]), "1")
