"""Runs `client watch` as its users do, and looks at what it leaves: log, day files, state. And a sidecar."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2

from tests.conftest import picture

PATTERN = "%Y%m%d%H%M.png"


def png(seed: int) -> bytes:
    """A frame as bytes; another seed gives another content."""
    ok, data = cv2.imencode(".png", picture(seed)[..., ::-1])
    assert ok
    return data.tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def drop(path: Path, data: bytes) -> None:
    """Puts a file into a folder as careful programs do: complete from its first moment."""
    temporary = path.with_name(f".{path.name}.incoming")
    temporary.write_bytes(data)
    temporary.rename(path)


def until(condition: Callable[[], Any], what: str = "", seconds: float = 60) -> None:
    """Waits for something that must happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what or condition}"
        time.sleep(0.01)


class Watching:
    """A `client watch` at work."""

    def __init__(self, folder: Path, server: str, out: Path, *more: object, pattern: str = PATTERN) -> None:
        self.folder, self.out = folder, out
        self.log_file = out.with_name(f"{out.name}.log")
        self._seen = len(self.log.splitlines())
        rule = ("--pattern", pattern) if pattern else ()
        words = [folder, "--server", server, "--out", out, "--poll", 0.05, *rule, *more]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "client", "watch", *map(str, words)], stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def lines(self) -> list[str]:
        """What this process logged, without the times."""
        return [line.partition(" ")[2].strip() for line in self.log.splitlines()[self._seen :]]

    def said(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    def until_said(self, text: str, seconds: float = 60) -> None:
        self.until(lambda: self.said(text), text, seconds)

    def until_recorded(self, count: int, seconds: float = 60) -> None:
        """Waits until so many frames stand in the day files."""
        self.until(lambda: len(rows_in(self.out)) >= count, f"{count} frames recorded", seconds)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
        def happened() -> bool:
            if condition():
                return True
            assert self.process.poll() is None, f"{what}: ended with {self.process.returncode}\n{self.log}"
            return False

        try:
            until(happened, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def watching(folder: Path, server: str, out: Path, *more: object, pattern: str = PATTERN) -> Iterator[Watching]:
    watch = Watching(folder, server, out, *more, pattern=pattern)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.process.wait()


def rows_in(out: Path) -> list[dict[str, str]]:
    """All rows of all day files, in the order of the days."""
    rows: list[dict[str, str]] = []
    for path in sorted(out.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def state_of(out: Path) -> dict[str, dict[str, Any]]:
    """What the state holds, by name of the frame; nothing before there is one."""
    if not (out / "state.sqlite").exists():
        return {}
    with contextlib.closing(sqlite3.connect(f"file:{out}/state.sqlite?mode=ro", uri=True, timeout=30)) as database:
        database.row_factory = sqlite3.Row
        if not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            return {}
        return {row["name"]: dict(row) for row in database.execute("SELECT * FROM frames")}


class FakeSidecar:
    """Keeps records as the sidecar does: by season, frame and version, the highest revision wins.

    Attributes:
        records: What it has.
        taken: Every revision it was sent of a frame.
        answer: Status it answers with; 0 hangs up without a word.
        refuses: Names of frames that make it answer 422.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.taken: dict[str, list[int]] = {}
        self.tokens: set[str] = set()
        self.answer = 200
        self.refuses: set[str] = set()
        self.requests = 0
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Comes up, on the port it had before."""
        sidecar = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sidecar.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = sidecar.answer or 0
                records = [json.loads(line) for line in body.splitlines()]
                if status == 200 and any(record["frame"] in sidecar.refuses for record in records):
                    status = 422
                if status == 0:
                    self.close_connection = True
                    return
                if status == 200:
                    sidecar.tokens.add(self.headers.get("Authorization", ""))
                    for record in records:
                        sidecar.take(record)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, record: dict[str, Any]) -> None:
        key = record["season"], record["frame"], record["model_version"]
        self.taken.setdefault(record["frame"], []).append(record["revision"])
        if key not in self.records or self.records[key]["revision"] < record["revision"]:
            self.records[key] = record

    def stop(self) -> None:
        """Goes away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextlib.contextmanager
def sidecar() -> Iterator[FakeSidecar]:
    fake = FakeSidecar()
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
