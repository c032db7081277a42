"""Runs that are cut off: killed clients, lost servers, full disks. Rows are never lost or half-written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.protocol.embedded import server_at
from tests.benchmarks.material import publish_fresh
from tests.client.command import client, rows_of
from tests.conftest import write_frames
from tests.limits import files_up_to

pytestmark = pytest.mark.slow

FRAMES = 4000  # more than the pipeline holds at a time, so that a stop comes in the middle


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_frames(tmp_path_factory.mktemp("seasons") / "source", 100)
    season = folder.with_name("season")
    season.mkdir()
    for n in range(FRAMES):
        (season / f"pr2hse{n:05d}.png").hardlink_to(folder / f"pr2hse{n % 100:05d}.png")
    return season


@pytest.fixture(scope="module")
def undisturbed(season: Path, server: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("undisturbed") / "r.csv"
    assert client("classify", season, "--server", server, "--out", out).returncode == 0
    return rows_of(out)


@contextlib.contextmanager
def started(season: Path, server: str, out: Path, *more: str, rows: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A running client that has written some rows."""
    command = [sys.executable, "-m", "client", "classify", str(season), "--server", server, "--out", str(out), *more]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_rows(out.with_name(out.name + ".partial"), rows, process)
            yield process
        finally:
            process.kill()


def wait_for_rows(partial: Path, rows: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not partial.exists() or partial.read_bytes().count(b"\n") <= rows:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.002)


def assert_same(rows: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    assert [(r["file"], r["label"], r["error"]) for r in rows] == [
        (r["file"], r["label"], r["error"]) for r in expected
    ]
    for row, other in zip(rows, expected, strict=True):
        for name, value in other.items():
            if name.startswith("p_"):
                assert float(row[name]) == pytest.approx(float(value), abs=1e-5)


def test_a_killed_client_continues(
    season: Path, server: str, tmp_path: Path, undisturbed: list[dict[str, str]]
) -> None:
    out = tmp_path / "r.csv"
    with started(season, server, out, rows=20) as process:
        process.kill()
    assert not out.exists()
    done = client("classify", season, "--server", server, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "were done before" in done.stdout
    assert_same(rows_of(out), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_client_drains_says_so_and_continues(
    season: Path, server: str, tmp_path: Path, undisturbed: list[dict[str, str]], number: signal.Signals
) -> None:
    out = tmp_path / "r.csv"
    with started(season, server, out) as process:
        process.send_signal(number)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"are safe in" in message
    assert b"Traceback" not in message
    assert not out.exists()
    assert client("classify", season, "--server", server, "--out", out).returncode == 0
    assert_same(rows_of(out), undisturbed)


def test_a_server_killed_half_way(
    season: Path, models: Path, tmp_path: Path, undisturbed: list[dict[str, str]]
) -> None:
    out = tmp_path / "r.csv"
    with server_at(f"embedded:{models}") as target, started(season, target, out, "--patience", "0") as process:
        _kill_listener(target.rpartition(":")[2])
        _, message = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"No model server answers" in message
    assert b"are safe in" in message
    assert not out.exists()
    done = client("classify", season, "--server", f"embedded:{models}", "--out", out)
    assert done.returncode == 0, done.stderr
    assert_same(rows_of(out), undisturbed)


def _kill_listener(port: str) -> None:
    import psutil

    for connection in psutil.net_connections("tcp"):
        if connection.laddr and str(connection.laddr.port) == port and connection.status == psutil.CONN_LISTEN:
            os.kill(connection.pid, signal.SIGKILL)


def test_a_half_written_line_is_dropped(
    season: Path, server: str, tmp_path: Path, undisturbed: list[dict[str, str]]
) -> None:
    out = tmp_path / "r.csv"
    with started(season, server, out, rows=5) as process:
        process.kill()
    partial = tmp_path / "r.csv.partial"
    partial.write_bytes(partial.read_bytes()[:-7])
    assert client("classify", season, "--server", server, "--out", out).returncode == 0
    assert_same(rows_of(out), undisturbed)


def test_a_full_disk_stops_with_a_clear_message_and_continues(
    season: Path, server: str, tmp_path: Path, undisturbed: list[dict[str, str]]
) -> None:
    out = tmp_path / "r.csv"

    done = client("classify", season, "--server", server, "--out", out, limits=files_up_to(20_000))
    assert done.returncode == 4
    assert "cannot be written: File too large" in done.stderr
    assert "same command again" in done.stderr
    assert not out.exists()
    assert client("classify", season, "--server", server, "--out", out).returncode == 0
    assert_same(rows_of(out), undisturbed)


def test_a_grown_folder_costs_only_its_new_frames(server: str, tmp_path: Path) -> None:
    folder, out = write_frames(tmp_path / "season", 30), tmp_path / "r.csv"
    assert client("classify", folder, "--server", server, "--out", out).returncode == 0
    first = rows_of(out)
    write_frames(folder, 40)
    done = client("classify", folder, "--server", server, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "10 frames in" in done.stdout
    assert "30 were done before" in done.stdout
    assert rows_of(out)[:30] == first
    assert len(rows_of(out)) == 40
    again = client("classify", folder, "--server", server, "--out", out)
    assert "0 frames in" in again.stdout
    assert len(rows_of(out)) == 40


def test_results_of_another_version_are_not_mixed_or_replaced_unasked(tmp_path: Path) -> None:
    models, folder, out = tmp_path / "models", write_frames(tmp_path / "season", 20), tmp_path / "r.csv"
    publish_fresh(models, "nakai2022", 32)
    assert client("classify", folder, "--server", f"embedded:{models}", "--out", out).returncode == 0
    first = out.read_bytes()
    version = next((models / "snowmode").iterdir())
    version.rename(version.with_name(str(int(version.name) + 1)))
    with server_at(f"embedded:{models}") as target:
        refused = client("classify", folder, "--server", target, "--out", out)
        assert refused.returncode == 2
        assert "--overwrite" in refused.stderr
        assert out.read_bytes() == first
        assert client("classify", folder, "--server", target, "--out", out, "--overwrite").returncode == 0
    assert {row["model_version"] for row in rows_of(out)} == {str(int(version.name) + 1)}


def test_an_unfinished_run_of_another_folder_is_not_continued(season: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    with started(season, server, out, rows=1) as process:
        process.kill()
    other = write_frames(tmp_path / "other", 5)
    refused = client("classify", other, "--server", server, "--out", out)
    assert refused.returncode == 2
    assert "r.csv.partial is of another run" in refused.stderr
    assert "--no-resume" in refused.stderr
    assert client("classify", other, "--server", server, "--out", out, "--no-resume").returncode == 0
    assert len(rows_of(out)) == 5


def test_two_winters_with_the_same_names_do_not_share_results(server: str, tmp_path: Path) -> None:
    first, second = write_frames(tmp_path / "2014" / "png", 8), write_frames(tmp_path / "2015" / "png", 8)
    out = tmp_path / "png.csv"
    assert client("classify", first, "--server", server, "--out", out).returncode == 0
    refused = client("classify", second, "--server", server, "--out", out)
    assert refused.returncode == 2
    assert "2014" in refused.stderr
    assert "--overwrite" in refused.stderr


def test_a_repaired_frame_is_classified_by_the_next_run(server: str, tmp_path: Path) -> None:
    folder, out = write_frames(tmp_path / "season", 8), tmp_path / "r.csv"
    good = (folder / "pr2hse00003.png").read_bytes()
    (folder / "pr2hse00003.png").write_bytes(good[:100])
    assert client("classify", folder, "--server", server, "--out", out, "--strict").returncode == 1
    (folder / "pr2hse00003.png").write_bytes(good)
    assert client("classify", folder, "--server", server, "--out", out, "--strict").returncode == 0
    assert all(row["label"] for row in rows_of(out))


def test_two_runs_cannot_write_one_file(season: Path, server: str, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    with started(season, server, out) as process:
        process.send_signal(signal.SIGSTOP)
        second = client("classify", season, "--server", server, "--out", out)
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)
    assert second.returncode == 2
    assert "another run is writing" in second.stderr
    assert process.returncode == 0
    assert len(rows_of(out)) == FRAMES
