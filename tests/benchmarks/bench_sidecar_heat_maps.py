"""Heat maps in the sidecar: a winter summed up, against classifying it; put together again; one frame for a page.

Both sides are processes of their users: `client classify` of a folder, and a job of `serving sidecar` over the same
frames, from the request to the last day in the database. They take turns.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from serving.protocol.connection import Connection
from serving.protocol.embedded import server_at
from serving.protocol.records import MAX_RECORDS
from tests.benchmarks.bench_classify import CLIENT
from tests.benchmarks.material import frames_folder, publish_fresh
from tests.benchmarks.table import Row, row
from tests.serving.sidecar.process import CODES, Sidecar, make_records

FRAMES = 6000  # 42 days
WINTER = 20_000
ROUNDS = 3


def run(build: Path) -> Iterator[Row]:
    publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    folder = frames_folder(build, 400, 400, FRAMES)
    with server_at(f"embedded:{build / 'models-nakai2022'}") as target:
        with Connection(target) as connection:
            version = connection.describe().version
        home = build / "sidecar-heat-maps"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        sidecar = Sidecar(home, f"--archive={build}", "--requests-per-minute=0", server=target)
        try:
            yield from _rates(sidecar, folder, target, home, version)
            yield from _winter(sidecar, frames_folder(build, 400, 400, WINTER), version)
            yield from _one_frame(sidecar, folder)
        finally:
            sidecar.stop()


def _rates(sidecar: Sidecar, folder: Path, target: str, home: Path, version: int) -> Iterator[Row]:
    _record(sidecar, folder, version)
    ours, classify = [], []
    for method in ("hirescam", "gradcam"):  # the second one is warm
        for _ in range(ROUNDS if method == "gradcam" else 1):
            classify.append(_classify(folder, target, home))
            _touch(sidecar, folder, version)
            ours.append(FRAMES / _sum_up(sidecar, folder.name, method))
    ratios = [a / b for a, b in zip(ours[1:], classify[1:], strict=True)]
    yield row("sidecar: classify the frames", classify[1:], "frames/s")
    yield row("sidecar: sum their heat maps up", ours[1:], "frames/s")
    yield row("sidecar: sum up / classify", ratios, "1", ">= 0.5")


def _winter(sidecar: Sidecar, folder: Path, version: int) -> Iterator[Row]:
    _record(sidecar, folder, version)
    yield row(f"sidecar: sum {WINTER:,} frames up", WINTER / _sum_up(sidecar, folder.name, "gradcam"), "frames/s")
    yield row("sidecar: nothing changed, the job again", _sum_up(sidecar, folder.name, "gradcam"), "s")
    for query in ("as=json", "as=json&by=month", "as=png", "as=nc"):
        path = f"/v1/seasons/{folder.name}/heat-maps?{query}"
        seconds = []
        for _ in range(10):
            started = time.perf_counter()
            answer = sidecar.ask(path)
            seconds.append(time.perf_counter() - started)
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer}")
        yield row(f"sidecar: a winter's heat maps, {query}, median", statistics.median(seconds), "s", "< 1")


def _one_frame(sidecar: Sidecar, folder: Path) -> Iterator[Row]:
    listed = sidecar.ask(f"/v1/frames?season={folder.name}&limit=200").json["frames"]
    seconds = []
    for one in listed:
        started = time.perf_counter()
        for code in CODES:
            sidecar.ask(f"/v1/frames/{one['id']}/heat-maps?mode={code}")
        seconds.append(time.perf_counter() - started)
    yield row("sidecar: five overlays of a frame, median", statistics.median(seconds), "s", "< 0.25")
    yield row("sidecar: five overlays of a frame, p95", float(np.percentile(seconds, 95)), "s")


def _classify(folder: Path, target: str, home: Path) -> float:
    """Gives frames a second."""
    command = [*CLIENT, "classify", str(folder), "--server", target, "--out", str(home / "out.csv")]
    done = subprocess.run([*command, "--overwrite", "--json"], capture_output=True, check=True)
    summary = json.loads(done.stdout)
    return float(summary["classified"] / summary["seconds"])


def _record(sidecar: Sidecar, folder: Path, version: int, revision: int = 1) -> None:
    names = sorted(path.name for path in folder.glob("*.png"))
    records = make_records(names, season=folder.name, version=version, revision=revision)
    for start in range(0, len(records), MAX_RECORDS):
        answer = sidecar.record(records[start : start + MAX_RECORDS])
        if answer.status != 200:
            raise RuntimeError(f"recording: {answer}")


_revisions: dict[str, int] = {}


def _touch(sidecar: Sidecar, folder: Path, version: int) -> None:
    """Makes every day worth doing again."""
    _revisions[folder.name] = _revisions.get(folder.name, 1) + 1
    _record(sidecar, folder, version, _revisions[folder.name])


def _sum_up(sidecar: Sidecar, season: str, method: str) -> float:
    """Gives seconds from the request to the end of the job."""
    body = json.dumps({"kind": "heat_maps", "season": season, "method": method}).encode()
    started = time.perf_counter()
    job = sidecar.ask("/v1/jobs", body=body, Content_Type="application/json").json["id"]
    while (found := sidecar.ask(f"/v1/jobs/{job}").json)["state"] != "done":
        if found["state"] not in ("queued", "running"):
            raise RuntimeError(f"the job does not work: {found}")
        time.sleep(0.05)
    return time.perf_counter() - started
