"""`client watch` killed at random moments, while frames keep coming and some of them are corrected."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from tests.client.command import client, rows_of
from tests.client.watch.watching import PATTERN, drop, png, rows_in, sha256, sidecar, state_of, watching

pytestmark = pytest.mark.slow

KILLS = 50


class Feeder(threading.Thread):
    """Puts frames into a folder, as fast as several radars.

    Attributes:
        contents: What every frame has held, the last at the end.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.contents: dict[str, list[bytes]] = {}
        self.ended = threading.Event()
        self._folder = folder
        self._random = random.Random(seed)

    def run(self) -> None:
        while not self.ended.wait(self._random.uniform(0, 0.06)):
            self._put()

    def _put(self) -> None:
        minutes = len(self.contents)
        name = f"2026010{1 + minutes // 600}{minutes % 600 // 60:02d}{minutes % 60:02d}.png"
        if self.contents and self._random.random() < 0.2:
            name = self._random.choice(list(self.contents)[-60:])
        data = png(self._random.randrange(1 << 30))
        self.contents.setdefault(name, []).append(data)
        if self._random.random() < 0.1:
            with (self._folder / name).open("wb", buffering=0) as file:  # as careless programs do
                file.write(data[: len(data) // 2])
                time.sleep(0.05)
                file.write(data[len(data) // 2 :])
        else:
            drop(self._folder / name, data)


def test_every_frame_is_recorded_exactly_once_in_the_end(tmp_path: Path, server: str) -> None:
    folder, out = tmp_path / "incoming", tmp_path / "out"
    folder.mkdir()
    moments = random.Random(50)
    feeder = Feeder(folder, 50)
    feeder.start()
    at_work = 0
    with sidecar() as fake:
        more = ("--sidecar", fake.url, "--season", "w")
        for _ in range(KILLS):
            before = {name: row["revision"] for name, row in state_of(out).items()}
            with watching(folder, server, out, *more) as watch:
                if moments.random() < 0.7:
                    watch.until_said("model snowmode")
                time.sleep(moments.uniform(0, 1.0))  # the moment, wherever the process is then
                watch.process.kill()
                watch.process.wait()
            at_work += {name: row["revision"] for name, row in state_of(out).items()} != before
        feeder.ended.set()
        feeder.join()
        done = client("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once", *more)
        assert done.returncode == 0, done.stderr
    print(f"{at_work} of {KILLS} processes recorded something, {len(feeder.contents)} frames")
    assert at_work >= KILLS / 5, "too few of the processes came to do anything"

    contents, state = feeder.contents, state_of(out)
    assert {name: row["sha256"] for name, row in state.items()} == {
        name: sha256(versions[-1]) for name, versions in contents.items()
    }
    for name, row in state.items():
        assert 1 <= row["revision"] <= len(contents[name]), f"{name} was recorded twice"
        assert row["sent"] == row["revision"]
        record = fake.records["w", name, row["model_version"]]
        assert (record["revision"], record["sha256"]) == (row["revision"], row["sha256"])
    assert len(fake.records) == len(contents)

    rows = rows_in(out)
    assert len(rows) == len(contents)
    assert all(row["label"] for row in rows)
    results = tmp_path / "classify.csv"
    client("classify", folder, "--server", server, "--out", results, "--pattern", PATTERN)
    expected = {row["file"]: row for row in rows_of(results)}
    for row in rows:
        # A frame in another batch may differ in the last digit.
        assert {**row, **_numbers(row)} == {**expected[row["file"]], **_numbers(expected[row["file"]])}
    assert sorted(path.name for path in out.iterdir() if path.suffix == ".tmp") == []


def _numbers(row: dict[str, str]) -> dict[str, object]:
    return {
        name: pytest.approx(float(value), abs=2e-4)
        for name, value in row.items()
        if name.startswith("p_") or name == "entropy"
    }
