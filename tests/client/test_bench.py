"""`client bench`: what it counts, what it leaves out, and what it says of itself."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

from client.bench.frames import supplies
from client.bench.load import Load, Measured, sweep
from client.bench.text import as_dict, remarks
from client.errors import ConfigError
from radar.errors import ArchiveError
from radar.frames import FrameRule
from serving.protocol import contract
from serving.protocol.connection import Connection
from tests.client.command import client
from tests.conftest import write_frames
from tests.serving.stand_in import Refuse, brightness, stand_in

RULE = FrameRule(height=32, width=32)


def load_on(connection: Connection) -> Load:
    return Load(connection, contract.CLASSIFY, (contract.PROBABILITIES,))


def rows(*values: float, **more: object) -> Measured:
    fields = {"concurrency": 1, "batch": 32, "seconds": 2.0, "calls": len(values), "frames": 32 * len(values)}
    return Measured(**{**fields, "latencies": np.array(values), "decode": None, "queue": None, **more})


def test_every_combination_is_measured_on_a_real_server(server: str) -> None:
    words = ("--concurrency", "1,3", "--batch", "1,16", "--seconds", "0.2")
    done = client("bench", "--server", server, *words, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(row["concurrency"], row["batch"]) for row in found["rows"]] == [(1, 1), (3, 1), (1, 16), (3, 16)]
    assert found["frames"] == "synthetic"
    assert found["complete"]
    for row in found["rows"]:
        assert row["errors"] == {}
        assert row["frames"] == row["calls"] * row["batch"] > 0
        assert row["frames_per_second"] == pytest.approx(row["frames"] / row["seconds"], rel=0.01)
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["decode_ms"] is row["queue_ms"] is None


@pytest.mark.parametrize("signature", ["explain", "embed"])
def test_other_signatures_are_measured_too(server: str, signature: str) -> None:
    done = client("bench", "--server", server, "--signature", signature, "--batch", 4, "--concurrency", 1,
                  "--seconds", "0.1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert signature in done.stdout
    assert "frames/s" in done.stdout


def test_real_frames_are_decoded_meanwhile_and_bad_ones_left_out(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 12)
    (folder / "pr2hse00003.png").write_bytes(b"no picture")
    words = ("--frames", folder, "--batch", 4, "--concurrency", 2, "--seconds", "0.2")
    found = json.loads(client("bench", "--server", server, *words, "--json").stdout)
    (row,) = found["rows"]
    assert found["bad_frames"] == 1
    assert row["decode_ms"] > 0
    assert row["queue_ms"] >= 0
    table = client("bench", "--server", server, *words).stdout
    assert "12 frames of" in table
    assert "1 frames could not be decoded and were left out" in table


def test_the_window_is_filled_and_never_overfilled() -> None:
    flying: list[int] = []
    most = 0
    lock, three = threading.Lock(), threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        nonlocal most
        with lock:
            flying.append(1)
            most = max(most, len(flying))
            if len(flying) == 3:
                three.set()
        assert three.wait(timeout=60), "nobody is answered before three calls are there"
        with lock:
            flying.pop()
        return brightness(images)

    with stand_in(slow) as target, Connection(target, retry=False) as connection:
        (supply,) = supplies(RULE, [2], folder=None, threads=1).batches
        with supply:
            measured = load_on(connection).measure(supply, 3, 0.2)
    assert most == 3
    assert measured.calls > 0
    assert not measured.errors


def test_errors_are_counted_by_code_and_do_not_count_as_frames() -> None:
    calls = itertools.count()

    def every_other(images: np.ndarray) -> np.ndarray:
        if next(calls) % 2:
            raise Refuse(grpc.StatusCode.UNAVAILABLE, "too much")
        return brightness(images)

    with stand_in(every_other) as target:
        words = ("--server", target, "--batch", 2, "--concurrency", 1, "--seconds", "0.3")
        done = client("bench", *words, "--json")
        table = client("bench", *words).stdout
    (row,) = json.loads(done.stdout)["rows"]
    assert done.returncode == 3
    assert row["calls"] == pytest.approx(row["errors"]["UNAVAILABLE"], abs=1), "no call is sent again behind our back"
    assert row["frames"] == 2 * row["calls"]
    assert "UNAVAILABLE" in table


def test_a_server_that_only_refuses_is_left_alone() -> None:
    asked = itertools.count()

    def never(_images: np.ndarray) -> np.ndarray:
        next(asked)
        raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    with stand_in(never) as target:
        done = client("bench", "--server", target, "--batch", 1, "--concurrency", 4, "--seconds", 60, "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert done.returncode == 3
    assert row["stopped"] == "20 errors in a row"
    assert row["calls"] == 0
    assert next(asked) <= 24


def test_an_answer_that_is_none_is_an_error() -> None:
    with (
        stand_in(lambda images: brightness(images)[:1]) as target,
        Connection(target, retry=False) as connection,
    ):
        measured = list(sweep(load_on(connection), supplies(RULE, [3], folder=None, threads=1).batches, [1], 60))
    assert measured[0].errors == {"ContractError": 20}


def test_stopping_shows_what_there_is(server: str) -> None:
    command = [sys.executable, "-m", "client", "bench", "--server", server, "--seconds", "0.2", "--batch", "4"]
    command += ["--concurrency", ",".join("1" * 1000)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as bench:
        try:
            assert bench.stderr is not None
            assert "1 x 4: " in bench.stderr.readline()  # the first of a thousand is measured
            bench.send_signal(signal.SIGINT)
            out, errors = bench.communicate(timeout=60)
        finally:
            bench.kill()
    assert bench.returncode == 130
    assert "frames/s" in out
    assert "Stopped on request" in errors


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--batch", "0"), "--batch: expected whole numbers"),
        (("--batch", "a"), "received 'a'"),
        (("--concurrency", "1,,2"), "--concurrency: expected whole numbers"),
        (("--concurrency", "99999"), "received '99999'"),
        (("--threads", "2"), "--threads is of decoding, which needs --frames"),
    ],
)
def test_settings_that_cannot_work_stop_it_first(words: tuple[str, ...], complaint: str) -> None:
    done = client("bench", "--server", "localhost:1", *words)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_no_server() -> None:
    done = client("bench", "--server", "localhost:1")
    assert done.returncode == 3
    assert "No model server answers" in done.stderr


def test_folders_without_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError):
        supplies(RULE, [1], folder=tmp_path / "none", threads=1)
    with pytest.raises(ConfigError):
        supplies(RULE, [1], folder=tmp_path, threads=1)


def test_a_folder_of_bad_frames_alone_is_refused(server: str, tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(b"no picture")
    done = client("bench", "--server", server, "--frames", tmp_path, "--seconds", "0.1")
    assert done.returncode == 2
    assert "not one frame can be decoded" in done.stderr


def test_frames_come_in_batches_of_one_size_over_and_over(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 3)
    (supply,) = supplies(RULE, [4], folder=folder, threads=2).batches
    with supply:
        first, second = supply.take(), supply.take()
    assert first.images.shape == second.images.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(first.images[0], first.images[3], "the fourth is the first of three again")
    np.testing.assert_array_equal(second.images[0], first.images[1])
    assert first.decode_seconds is not None
    assert first.ready <= second.ready


def test_percentiles_of_few_calls_are_left_out() -> None:
    assert rows(*[0.001] * 99).percentile(99) is None
    assert rows(*np.arange(1, 102) / 1000).percentile(99) == pytest.approx(0.1)
    assert rows(*np.arange(1, 102) / 1000).percentile(50) == pytest.approx(0.051)
    assert rows().percentile(50) is None
    assert as_dict(rows(0.25))["p50_ms"] == 250
    assert as_dict(rows(0.25, 0.25))["frames_per_second"] == 32


def test_limits_of_the_client_are_named() -> None:
    def said(row: Measured, cores: int) -> str:
        return " ".join(remarks([row], cores, 0))

    assert "This client was busy itself (1 x 32; 2 cores here)" in said(rows(0.1, client_cores=0.9), 2)
    assert "busy itself" not in said(rows(0.1, client_cores=0.5), 2)
    # With real frames decoding may take every core; only then is the machine the limit.
    assert "busy itself" not in said(rows(0.1, client_cores=0.9, decode=0.01, queue=0.0), 2)
    assert "busy itself" in said(rows(0.1, client_cores=1.8, decode=0.01, queue=0.0), 2)
    assert "p99 is left out" in said(rows(0.1), 2)
    assert "stopped after 20 errors in a row" in said(rows(stopped="20 errors in a row"), 2)
