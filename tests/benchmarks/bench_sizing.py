"""What a frame costs, part by part: the numbers `docs/sizing.md` is made of.

Costs are processor time, in milliseconds of one core, as the system counts it for the processes of each part. Unlike
rates they hardly change with what else the machine does. `python -m tests.benchmarks.sizing_page --write` puts the
newest rows into the page.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from radar import frames, jma
from radar.frames import FrameRule
from serving.protocol import contract
from serving.protocol.connection import Connection
from serving.sidecar.store.database import Database
from tests.benchmarks.bench_classify import CLIENT
from tests.benchmarks.bench_render import composites
from tests.benchmarks.bench_sidecar import _fill, _season
from tests.benchmarks.material import frames_folder, publish_fresh
from tests.benchmarks.table import Row, row
from tests.serving.sidecar.postgres import NoPostgres, postgres
from tests.serving.sidecar.process import Sidecar, make_records, wait_until

FEW, MANY = 1000, 6000
WINTER = 20_000
MIB = 2**20

NAMES = (
    "sizing: frame, 400x400 palette PNG",
    "sizing: composite, GRIB2 of 2560x3360",
    "sizing: client, decode a frame",
    "sizing: client, classify a frame",
    "sizing: client, a window of a composite",
    "sizing: client, the whole grid of a composite",
    "sizing: client, peak memory",
    "sizing: result, CSV",
    "sizing: result, heat maps of every frame",
    "sizing: model server, classify a frame",
    "sizing: model server, explain a frame",
    "sizing: model server, memory after load",
    "sizing: model server, peak memory while a version changes",
    "sizing: sidecar, record a frame",
    "sizing: sidecar, count a winter",
    "sizing: sidecar, heat maps of a frame",
    "sizing: sidecar, memory, one winter",
    "sizing: sidecar, memory, ten winters",
    "sizing: database, SQLite",
    "sizing: database, PostgreSQL",
    "sizing: database, heat maps of a day",
)
"""Of every row, for the page that quotes them."""


def run(build: Path) -> Iterator[Row]:
    for name, value, unit in _values(build):
        if name not in NAMES:
            raise RuntimeError(f"expected one of NAMES, received {name!r}")
        yield row(name, value, unit)


def _values(build: Path) -> Iterator[tuple[str, float, str]]:
    home = build / "sizing"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    winters = {count: frames_folder(build, 400, 400, count) for count in (FEW, MANY)}
    yield from _files(build, winters[FEW])
    publish_fresh(build / "models-radar", "radar", 64)
    with _server(build / "models-radar", home) as (target, process):
        yield from _client(target, process, winters, home)
        yield from _model_server(target, process)
        yield from _heat_maps(target, build, winters[FEW], home)
    yield from _change_of_version(build / "models-radar", home)
    yield from _winters(home)
    yield from _postgres()


def _files(build: Path, folder: Path) -> Iterator[tuple[str, float, str]]:
    pictures = sorted(folder.glob("*.png"))[:500]
    yield "sizing: frame, 400x400 palette PNG", float(np.mean([path.stat().st_size for path in pictures])), "B"
    bodies = sorted(composites(build / "composites").iterdir())
    yield "sizing: composite, GRIB2 of 2560x3360", float(np.mean([path.stat().st_size for path in bodies])), "B"
    rule = FrameRule(height=64, width=64)
    yield "sizing: client, decode a frame", _core_ms([lambda p=path: frames.load(p, rule) for path in pictures]), "ms"
    for name, window in (("a window", jma.HOKUSHINETSU), ("the whole grid", jma.JAPAN)):
        calls = [lambda p=path, w=window: jma.picture(p, w) for path in bodies[:36]]
        yield f"sizing: client, {name} of a composite", _core_ms(calls), "ms"


def _client(
    target: str, process: psutil.Process, winters: dict[int, Path], home: Path
) -> Iterator[tuple[str, float, str]]:
    out = home / "out.csv"
    seconds, peaks = {}, {}
    for count, folder in winters.items():
        command = [*CLIENT, "classify", str(folder), "--server", target, "--out", str(out), "--overwrite", "--quiet"]
        seconds[count], peaks[count] = _cost_of(command)
    # The difference: starting costs the same for one frame and a whole winter.
    yield "sizing: client, classify a frame", 1000 * (seconds[MANY] - seconds[FEW]) / (MANY - FEW), "ms"
    yield "sizing: client, peak memory", peaks[MANY] / MIB, "MiB"
    yield "sizing: result, CSV", out.stat().st_size / MANY, "B"
    maps = home / "maps.csv"
    command = [*CLIENT, "classify", str(winters[FEW]), "--server", target, "--out", str(maps), "--quiet"]
    subprocess.run([*command, "--explain", "gradcam"], check=True, capture_output=True)
    written = sum(path.stat().st_size for path in home.glob("maps*") if path.suffix == ".npz")
    yield "sizing: result, heat maps of every frame", written / FEW, "B"


def _model_server(target: str, process: psutil.Process) -> Iterator[tuple[str, float, str]]:
    with Connection(target) as connection:
        size = connection.describe().card.input
        images = np.random.default_rng(0).integers(0, 256, (64, size.height, size.width, 3), dtype=np.uint8)
        for name, signature in (("classify", contract.CLASSIFY), ("explain", contract.EXPLAIN)):
            connection.call(signature, images)
            before = _used(process)
            for _ in range(32):
                connection.call(signature, images)
            yield f"sizing: model server, {name} a frame", 1000 * (_used(process) - before) / (32 * 64), "ms"
    yield "sizing: model server, memory after load", process.memory_info().rss / MIB, "MiB"


def _change_of_version(published: Path, home: Path) -> Iterator[tuple[str, float, str]]:
    models = home / "models"
    shutil.copytree(published, models)
    (version,) = (int(path.name) for path in (models / contract.MODEL_NAME).iterdir() if path.name.isdecimal())
    with _server(models, home) as (target, process), Connection(target) as connection:
        next_one = models / "next"
        shutil.copytree(models / contract.MODEL_NAME / str(version), next_one)
        next_one.rename(models / contract.MODEL_NAME / str(version + 1))
        peak = 0
        while connection.describe().version == version:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.05)
        # The one before is let go of a little later.
        peak = max(peak, process.memory_info().rss)
    yield "sizing: model server, peak memory while a version changes", peak / MIB, "MiB"


def _heat_maps(target: str, build: Path, folder: Path, home: Path) -> Iterator[tuple[str, float, str]]:
    with Connection(target) as connection:
        version = connection.describe().version
    with _sidecar(home / "maps", f"--archive={build}", server=target) as (sidecar, process):
        names = sorted(path.name for path in folder.glob("*.png"))
        sidecar.record(make_records(names, season=folder.name, version=version))
        size, before = _size(home / "maps"), _used(process)
        body = f'{{"kind": "heat_maps", "season": "{folder.name}", "method": "gradcam"}}'.encode()
        job = sidecar.ask("/v1/jobs", body=body, Content_Type="application/json").json["id"]
        wait_until(lambda: sidecar.ask(f"/v1/jobs/{job}").json["state"] == "done", "the job is done")
        yield "sizing: sidecar, heat maps of a frame", 1000 * (_used(process) - before) / len(names), "ms"
        days = -(-len(names) // 144)
        yield "sizing: database, heat maps of a day", (_size(home / "maps") - size) / days, "B"


def _winters(home: Path) -> Iterator[tuple[str, float, str]]:
    with _sidecar(home / "record") as (sidecar, process):
        lots = [make_records(1000, season=f"s{n}", seed=n) for n in range(6)]
        sidecar.record(lots[0])
        before = _used(process)
        for records in lots[1:]:
            sidecar.record(records)
        yield "sizing: sidecar, record a frame", 1000 * (_used(process) - before) / 5000, "ms"
    folder = home / "winters"
    folder.mkdir()
    url = f"sqlite:///{folder / 'winter.sqlite'}"
    _fill(url, 1, WINTER, 10)
    Database(url).close()
    yield "sizing: database, SQLite", _size(folder) / WINTER, "B"
    with _sidecar(folder) as (sidecar, process):
        before = _used(process)
        sidecar.ask(f"/v1/statistics?season={_season(0)}")
        yield "sizing: sidecar, count a winter", 1000 * (_used(process) - before), "ms"
        yield "sizing: sidecar, memory, one winter", process.memory_info().rss / MIB, "MiB"
    _fill(url, 10, WINTER, 10)  # the first of them is there already
    with _sidecar(folder) as (sidecar, process):
        sidecar.ask("/v1/statistics")
        yield "sizing: sidecar, memory, ten winters", process.memory_info().rss / MIB, "MiB"


def _postgres() -> Iterator[tuple[str, float, str]]:
    from sqlalchemy import text

    try:
        with postgres() as server:
            url = server.create("sizing")
            _fill(url, 1, WINTER, 10)
            database = Database(url)
            with database.reading() as connection:
                size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
            database.close()
            empty = Database(server.create("empty"))
            empty.upgrade()
            with empty.reading() as connection:
                size -= connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
            empty.close()
    except NoPostgres as reason:
        print(f"sizing: nothing of PostgreSQL: {reason}")
        return
    yield "sizing: database, PostgreSQL", size / WINTER, "B"


def _core_ms(calls: list[Callable[[], object]]) -> float:
    """Gives the processor time of one call in milliseconds, of this thread alone."""
    calls[0]()
    before = time.thread_time()
    for call in calls:
        call()
    return 1000 * (time.thread_time() - before) / len(calls)


_COST_OF = """
import os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


def _cost_of(command: list[str]) -> tuple[float, int]:
    """Runs a command that prints nothing; gives its processor seconds and its peak memory in bytes.

    A small process stands between: what this one holds would count as the command's peak.
    """
    done = subprocess.run([sys.executable, "-c", _COST_OF, *command], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("winter.sqlite*"))


@contextlib.contextmanager
def _server(models: Path, home: Path) -> Iterator[tuple[str, psutil.Process]]:
    port_file = home / "model-server.port"
    port_file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "serving.model_server", f"--model_base_path={models / contract.MODEL_NAME}"),
        *(f"--model_name={contract.MODEL_NAME}", "--port=0", f"--port_file={port_file}", "--exit_with_parent"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or port_file.exists(), "the model server answers")
        yield f"127.0.0.1:{port_file.read_text().strip()}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _sidecar(folder: Path, *words: str, server: str = "127.0.0.1:1") -> Iterator[tuple[Sidecar, psutil.Process]]:
    folder.mkdir(exist_ok=True)
    sidecar = Sidecar(folder, "--requests-per-minute=0", "--log-level=warning", *words, server=server)
    try:
        yield sidecar, psutil.Process(sidecar.process.pid)
    finally:
        sidecar.stop()
