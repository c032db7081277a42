"""The sidecar's store over HTTP: recording, and statistics of many winters, on SQLite and on PostgreSQL.

A real process each time, a real PostgreSQL that waits for the disk as in production. Statistics are asked for as
pages and programs do, over one connection: from a sidecar just started (cold), again and again (warm), and each time
after another frame has come in.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from serving.protocol.records import CONTENT_TYPE, PATH, PredictionRecord
from serving.sidecar.store.database import Database
from serving.sidecar.store.predictions import record
from tests.benchmarks.table import Row, row
from tests.serving.sidecar.postgres import NoPostgres, Postgres, postgres
from tests.serving.sidecar.process import Sidecar, make_records

ROUNDS = 3
ASKED = 40
RECORDED, BATCH = 20_000, 1000  # `client watch` sends a thousand at a time


def run(build: Path) -> Iterator[Row]:
    build.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        server: Postgres | None = None
        try:
            server = stack.enter_context(postgres(durable=True))
        except NoPostgres as reason:
            print(f"sidecar: only SQLite: {reason}")
        for name in ("SQLite", "PostgreSQL") if server else ("SQLite",):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-sidecar-", dir=build)))

            def url_of(what: str, folder: Path = folder, name: str = name) -> str:
                if name == "PostgreSQL" and server is not None:
                    return server.create(what)
                return f"sqlite:///{folder / what}.sqlite"

            yield from _recording(name, url_of("recording"), folder)
            yield from _statistics(name, url_of("ten"), folder, winters=10, frames=22_000, minutes=10, goal=200)
            yield from _statistics(name, url_of("thirty"), folder, winters=30, frames=43_500, minutes=5, goal=1000)


def _recording(name: str, url: str, folder: Path) -> Iterator[Row]:
    with _sidecar(url, folder) as ask:
        seconds = []
        for number in range(ROUNDS):
            records = make_records(RECORDED, season=f"season{number}", seed=number)
            bodies = [_body(records[start : start + BATCH]) for start in range(0, RECORDED, BATCH)]
            begin = time.perf_counter()
            for body in bodies:
                ask("POST", PATH, body)
            seconds.append(time.perf_counter() - begin)
    yield row(f"sidecar, {name}: {RECORDED:,} predictions recorded", seconds, "s", "< 2")


def _statistics(
    name: str, url: str, folder: Path, *, winters: int, frames: int, minutes: int, goal: int
) -> Iterator[Row]:
    begin = time.perf_counter()
    _fill(url, winters, frames, minutes)
    what = f"sidecar, {name}: {winters} winters of {frames:,}"
    yield row(f"{what}, filled", time.perf_counter() - begin, "s")
    path = "/v1/statistics?zone=JST"
    cold = []
    for _ in range(ROUNDS):
        with _sidecar(url, folder) as ask:
            cold.append(_milliseconds(ask, path))
    yield row(f"{what}, cold", cold, "ms")
    with _sidecar(url, folder) as ask:
        answer = json.loads(ask("GET", path))
        if (counted := sum(_frames_in(answer))) != winters * frames:
            raise RuntimeError(f"expected statistics of {winters * frames:,} frames, received {counted:,}")
        ask("GET", path)
        warm = [_milliseconds(ask, path) for _ in range(ASKED)]
        after = []
        cadence = timedelta(minutes=minutes)
        end = _start(winters - 1) + frames * cadence
        for n in range(ASKED):
            new = make_records([f"live{n:04d}.png"], season=_season(winters - 1), start=end + n * cadence)
            ask("POST", PATH, _body(new))
            after.append(_milliseconds(ask, path))
    for state, values in (("warm", warm), ("after a new frame", after)):
        yield row(f"{what}, {state}, p95", float(np.percentile(values, 95)), "ms", f"< {goal}")


def _fill(url: str, winters: int, frames: int, minutes: int) -> None:
    """Records winters as the service does, without sending them."""
    database = Database(url)
    try:
        for n in range(winters):
            cadence = timedelta(minutes=minutes)
            records = make_records(frames, season=_season(n), start=_start(n), cadence=cadence, seed=n)
            for first in range(0, frames, 5000):
                some = [PredictionRecord.model_validate(one) for one in records[first : first + 5000]]
                with database.writing() as connection:
                    record(connection, some)
    finally:
        database.close()


def _start(number: int) -> datetime:
    return datetime(2014 + number, 11, 1, tzinfo=UTC)


def _season(number: int) -> str:
    return f"hse{2014 + number}{2015 + number}"


def _frames_in(answer: Any) -> list[int]:
    seasons = answer["seasons"] if isinstance(answer, dict) else answer
    return [season["classified"] + season["failed"] for season in seasons]


def _milliseconds(ask: Any, path: str) -> float:
    begin = time.perf_counter()
    ask("GET", path)
    return 1000 * (time.perf_counter() - begin)


def _body(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in records).encode()


@contextlib.contextmanager
def _sidecar(url: str, folder: Path) -> Iterator[Any]:
    """Runs a sidecar; gives a function that sends requests over one connection."""
    sidecar = Sidecar(folder, f"--database={url}", "--requests-per-minute=0", "--log-level=warning")
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=120)

    def ask(method: str, path: str, body: bytes | None = None) -> bytes:
        connection.request(method, path, body, {"Content-Type": CONTENT_TYPE} if body else {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return text

    try:
        yield ask
    finally:
        connection.close()
        sidecar.stop()
