"""Backup and restore of the sidecar's database, as commands: one winter and ten, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from radar.heat_map_means import HeatMapMeans
from radar.heat_maps import EchoShare
from serving.sidecar.store import heat_sums
from serving.sidecar.store.database import Database
from serving.sidecar.store.seasons import find_series
from tests.benchmarks.bench_sidecar import _fill, _season
from tests.benchmarks.memory import peak_of
from tests.benchmarks.table import Row, row
from tests.serving.sidecar.postgres import NoPostgres, Postgres, postgres

DAYS = 150


def run(build: Path) -> Iterator[Row]:
    build.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        server: Postgres | None = None
        try:
            server = stack.enter_context(postgres(durable=True))
        except NoPostgres as reason:
            print(f"backup: only SQLite: {reason}")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-backup-", dir=build)))
        for winters in (1, 10):
            for name in ("SQLite", "PostgreSQL") if server else ("SQLite",):

                def new(what: str, name: str = name, winters: int = winters) -> str:
                    if name == "PostgreSQL" and server is not None:
                        return server.create(f"{what}{winters}")
                    return f"sqlite:///{folder / what}{winters}.sqlite"

                yield from _both_ways(
                    f"{name}, {winters} x 20,000 frames", new("full"), new("empty"), folder, winters
                )


def _both_ways(what: str, full: str, empty: str, folder: Path, winters: int) -> Iterator[Row]:
    _fill(full, winters, 20_000, 10)
    _add_heat_maps(full, winters)
    file = folder / "backup.zip"
    file.unlink(missing_ok=True)
    for verb, words in (
        ("backup", ["backup", "--database", full, "--out", str(file)]),
        ("restore", ["restore", str(file), "--database", empty]),
    ):
        command = [sys.executable, "-c", "from serving.cli import main; main()", *words]
        begin = time.perf_counter()
        peak = peak_of(["sh", "-c", f"exec {shlex.join(command)} >&2"])
        yield row(f"backup: {what}, {verb}", time.perf_counter() - begin, "s")
        yield row(f"backup: {what}, {verb}, peak memory", peak / 1e6, "MB", "< 250")
    yield row(f"backup: {what}, file", file.stat().st_size / 1e6, "MB")


def _add_heat_maps(url: str, winters: int) -> None:
    """Adds daily sums of heat maps, of the sizes that the recipe `radar` and pictures of 400 x 400 give."""
    rng = np.random.default_rng(0)
    means = HeatMapMeans((5, 16, 16))
    for composite in means.conditions.values():
        for moments in (composite.raw, composite.unit_peak):
            moments.mean[:] = rng.random(moments.mean.shape)
            moments.m2[:] = rng.random(moments.m2.shape)
    means.echo = EchoShare((5, 400, 400))
    for hits in means.echo.hits:  # smooth, with wide parts that never see any, as echo is
        hits[:] = np.clip(np.round(cv2.GaussianBlur(rng.standard_normal(hits.shape), (0, 0), 30) * 900), 0, 20)
    with contextlib.closing(Database(url)) as database, database.writing() as connection:
        for n in range(winters):
            series = find_series(connection, _season(n))
            for day in range(DAYS):
                heat_sums.keep_day(connection, series, "gradcam", day, means, failed=0, fingerprint="")
