"""The programs under drill, what feeds them, and what looks at them meanwhile."""

from __future__ import annotations

import contextlib
import csv
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np

from serving.protocol.connection import Connection, Timeouts
from serving.protocol.contract import CLASSIFY, PROBABILITIES
from tests.client.watch.watching import drop
from tests.serving.sidecar.process import Sidecar

PATIENCE = 120.0
TICK = 0.02


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> float:
    """Waits for something that must happen; gives how many seconds that took.

    Raises:
        TimeoutError: It does not.
    """
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"never happened within {seconds:g} s: {what}")
        time.sleep(TICK)
    return time.monotonic() - begun


class Classifying:
    """A `client classify` at work, for the time of a block at the most.

    Args:
        season: Folder of frames.
        server: As `--server` takes it.
        out: Result file.
        more: Further words of the command.
        log: Where its output goes, if not beside the results.
    """

    def __init__(self, season: Path, server: str, out: Path, *more: object, log: Path | None = None) -> None:
        self.out = out
        self._partial = out.with_name(f"{out.name}.partial")
        self.log = log or out.with_name(f"{out.name}.log")
        words = ["classify", season, "--server", server, "--out", out, "--patience", PATIENCE, *more]
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "client", *map(str, words)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def done(self) -> int:
        """Counts the rows there are, the finished ones or those of the run."""
        for path in (self._partial, self.out):
            with contextlib.suppress(OSError):
                return max(path.read_bytes().count(b"\n") - 1, 0)
        return 0

    def wait_rows(self, count: int) -> None:
        """Waits until so many rows are there, or it has ended."""
        wait_for(lambda: self.done() >= count or self.process.poll() is not None, f"{count} rows in {self.out.name}")

    def end(self) -> int:
        """Waits for its end; gives its exit code."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait()


def rows_of(*files: Path) -> list[dict[str, str]]:
    """Reads result files."""
    rows: list[dict[str, str]] = []
    for path in files:
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                rows += csv.DictReader(file)
    return rows


class Feeder(threading.Thread):
    """Puts frames into a folder at a steady rate, a minute of radar time each.

    Args:
        folder: Where to.
        pictures: Contents of the frames, taken in turn.
        rate: Frames a second.
        most: So many at most.
    """

    def __init__(self, folder: Path, pictures: Sequence[bytes], *, rate: float, most: int = 20_000) -> None:
        super().__init__(daemon=True)
        self.names: list[str] = []
        self._folder, self._pictures, self._rate, self._most = folder, pictures, rate, most
        self._ended = threading.Event()
        self._failure: OSError | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        try:
            self._feed()
        except OSError as error:
            self._failure = error

    def _feed(self) -> None:
        start, begun = datetime(2026, 1, 1), time.monotonic()
        while not self._ended.is_set() and len(self.names) < self._most:
            n = len(self.names)
            if self._ended.wait(max(0.0, begun + n / self._rate - time.monotonic())):
                return
            name = f"{start + timedelta(minutes=n):%Y%m%d%H%M}.png"
            drop(self._folder / name, self._pictures[n % len(self._pictures)])
            self.names.append(name)

    def stop(self) -> list[str]:
        """Ends it; gives the names of all frames.

        Raises:
            RuntimeError: It could not feed as long as it was to: there was no load, and nothing is proven.
        """
        self._ended.set()
        self.join()
        if self._failure is not None:
            raise RuntimeError(f"no frame came after the first {len(self.names)}: {self._failure}")
        return self.names


@contextlib.contextmanager
def feeding(folder: Path, pictures: Sequence[bytes], *, rate: float) -> Iterator[Feeder]:
    """Feeds for the time of the block at the most."""
    feeder = Feeder(folder, pictures, rate=rate)
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.stop()


class Pace(threading.Thread):
    """Looks at a count again and again, and knows afterwards when it stood still."""

    def __init__(self, count: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._count, self._ended = count, threading.Event()
        self._last, self._changes = -1, [time.monotonic()]
        self.start()

    def run(self) -> None:
        while not self._ended.wait(TICK):
            now = self._count()
            if now != self._last:
                self._last = now
                self._changes.append(time.monotonic())

    def standstill(self, since: float) -> float:
        """Ends it; gives the longest time without a change from a moment on, in seconds."""
        self._ended.set()
        self.join()
        moments = [since, *(moment for moment in self._changes if moment > since)]
        return max((b - a for a, b in pairwise(moments)), default=0.0)


class Visitor(threading.Thread):
    """Somebody who asks again and again while the drill goes on: a forecaster at a page, another program.

    Attributes:
        answers: By what came: how often.
        first_failure: What the first call that failed said.
    """

    def __init__(self, ask: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.first_failure = ""
        self._ask, self._ended = ask, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            try:
                self.answers[self._ask()] += 1
            except Exception as error:  # whatever it is: a thread that ended would count no failures any more
                self.answers[f"failed {getattr(error, 'code', '') or type(error).__name__}"] += 1
                self.first_failure = self.first_failure or (str(error) or type(error).__name__).splitlines()[0]

    @property
    def failed(self) -> int:
        """How many of the calls failed."""
        return sum(count for answer, count in self.answers.items() if answer.startswith("failed"))

    def stop(self) -> None:
        """Ends it."""
        self._ended.set()
        self.join()


@contextlib.contextmanager
def visiting_model(target: str) -> Iterator[Visitor]:
    """Sends one frame at a time to the model; answers are counted by the version that gave them."""
    image = np.zeros((1, 32, 32, 3), np.uint8)
    with Connection(target, timeouts=Timeouts(describe=10.0, predict=10.0)) as connection:

        def ask() -> str:
            connection.call(CLASSIFY, image, outputs=(PROBABILITIES,))
            return str(connection.describe().version)

        with _visiting(ask) as visitor:
            yield visitor


@contextlib.contextmanager
def visiting_page(sidecar: Sidecar) -> Iterator[Visitor]:
    """Opens the first page of a sidecar."""

    def ask() -> str:
        answer = sidecar.ask("/v1/seasons")
        if answer.status != 200:
            raise OSError(f"HTTP {answer.status}")
        return "200"

    with _visiting(ask) as visitor:
        yield visitor


@contextlib.contextmanager
def _visiting(ask: Callable[[], str]) -> Iterator[Visitor]:
    visitor = Visitor(ask)
    visitor.start()
    try:
        yield visitor
    finally:
        visitor.stop()


def recorded(sidecar: Sidecar, season: str) -> list[str]:
    """Lists the frames of a season in a sidecar, by whichever version; nothing while it is away."""
    try:
        answer = sidecar.ask(f"/v1/seasons/{season}")
        versions = [series["version"] for series in answer.json["series"]] if answer.status == 200 else []
        return [name for version in versions for name in _by_version(sidecar, season, version)]
    except OSError:
        return []


def _by_version(sidecar: Sidecar, season: str, version: int) -> Iterator[str]:
    query: dict[str, object] = {"season": season, "version": version, "limit": 1000}
    while True:
        page = sidecar.ask(f"/v1/frames?{urlencode(query)}")
        if page.status != 200:
            raise OSError(f"HTTP {page.status}")
        yield from (one["frame"] for one in page.json["frames"])
        if page.json["after"] is None:
            return
        query["after"] = page.json["after"]
