"""The sidecar as its users run it: a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 60.0
CODES = ("SY", "VX", "LT", "DM", "NO")
VERSION = 202611211200


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Polls a state; the deadline is only there so that a broken sidecar ends the test."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)
    return result


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:500]!r}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def ask(url: str, *, body: bytes | None = None, method: str | None = None, **headers: str) -> Answer:
    """Sends a request; every status is an answer, redirects too. `Content_Type=` becomes `Content-Type`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)
    try:
        with _OPENER.open(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Sidecar:
    """A process of `serving sidecar`.

    Args:
        folder: Of its log, its port file, and of its database unless one is named among the words.
        words: Options.
        server: Of the model.
        env: Variables besides.
    """

    def __init__(
        self,
        folder: Path,
        *words: object,
        server: str = "127.0.0.1:1",
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        self.log, self._port_file = folder / "sidecar.log", folder / "sidecar.port"
        self._port_file.unlink(missing_ok=True)
        options = [str(word) for word in words]
        if not any(word.startswith("--database") for word in options):
            options.append(f"--database=sqlite:///{folder / 'winter.sqlite'}")
        if not any(word.startswith("--port") for word in options):
            options.append("--port=0")
        command = [
            *(sys.executable, "-c", "from serving.cli import main; main()", "sidecar", f"--server={server}"),
            *(f"--port-file={self._port_file}", "--log=json", *options),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        if wait:
            try:
                self.wait()
            except BaseException:  # Ctrl-C, too: nobody else has it in hand yet
                self.process.kill()
                self.process.wait()
                raise

    @classmethod
    def attach(cls, port_file: Path) -> Sidecar:
        """Talks to one that somebody else has started."""
        one = cls.__new__(cls)
        one._port_file = port_file
        return one

    def wait(self) -> None:
        """Waits until it answers."""

        def ready() -> bool:
            assert self.process.poll() is None, f"ended with code {self.process.poll()}:\n{self.log.read_text()}"
            return self._port_file.exists()

        wait_until(ready, "sidecar listens")

    @property
    def port(self) -> int:
        return int(self._port_file.read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **more: Any) -> Answer:
        """Sends a request; see `ask`."""
        return ask(self.url + path, **more)

    def record(self, records: Iterable[Mapping[str, Any]], **headers: str) -> Answer:
        """Records predictions."""
        body = "".join(json.dumps(one) + "\n" for one in records).encode()
        return self.ask("/v1/predictions", body=body, Content_Type="application/x-ndjson", **headers)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it, and gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def make_records(
    frames: Sequence[str] | int,
    *,
    season: str = "hse20152016",
    version: int = VERSION,
    start: datetime = datetime(2015, 12, 1, tzinfo=UTC),
    cadence: timedelta = timedelta(minutes=10),
    seed: int = 0,
    codes: Sequence[str] = CODES,
    failed: Sequence[int] = (),
    **more: Any,
) -> list[dict[str, Any]]:
    """Makes records of frames, one a cadence; modes come in runs, as weather does.

    Args:
        frames: Names, or how many named like the original's.
        season: Of all.
        version: Of the model.
        start: Time of the first.
        cadence: Between two.
        seed: Of the probabilities.
        codes: Of the modes.
        failed: Places of frames that could not be classified.
        more: Further fields of every record.
    """
    names = [f"pr2hse{n:05d}.png" for n in range(frames)] if isinstance(frames, int) else list(frames)
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.7, (len(names), len(codes)))
    runs = np.repeat(rng.integers(0, len(codes), len(names) // 12 + 1), 12)[: len(names)]
    logits[np.arange(len(names)), runs] += 2.5
    table = np.exp(logits)
    table /= table.sum(axis=1, keepdims=True)
    records = []
    for n, name in enumerate(names):
        moment = (start + n * cadence).strftime("%Y-%m-%dT%H:%M:%SZ")
        one: dict[str, Any] = {"season": season, "frame": name, "time": moment}
        one |= {"model": "snowmode", "model_version": version, **more}
        if n in failed:
            one["error"] = "is truncated"
        else:
            one["probabilities"] = {code: round(float(p), 6) for code, p in zip(codes, table[n], strict=True)}
            one["accepted"] = bool(table[n].max() >= 0.5)
        records.append(one)
    return records
