"""`client watch` on bad days: whatever goes away and comes back, nothing is lost, and a trouble costs two lines."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.client.command import client
from tests.client.forwarder import forwarder
from tests.client.watch.watching import PATTERN, Watching, drop, png, rows_in, sidecar, state_of, until, watching
from tests.conftest import write_frames
from tests.limits import files_up_to
from tests.serving.stand_in import Refuse, brightness, stand_in

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def drop_frames(folder: Path, start: int, count: int) -> None:
    for n in range(start, start + count):
        drop(folder / f"20260101{n // 60:02d}{n % 60:02d}.png", png(n))


def assert_all_recorded_once(watch: Watching, count: int) -> None:
    rows = rows_in(watch.out)
    assert len(rows) == len({row["file"] for row in rows}) == count
    assert all(row["label"] for row in rows), [row["error"] for row in rows if row["error"]]
    assert {row["revision"] for row in state_of(watch.out).values()} == {1}


def troubles(watch: Watching) -> list[str]:
    return [line for line in watch.lines if not line.startswith("INFO")]


def test_the_server_is_away_at_the_start_and_later(folder: Path, out: Path, server: str) -> None:
    with forwarder(server) as way:
        way.cut()
        drop_frames(folder, 0, 5)
        with watching(folder, way.address, out) as watch:
            watch.until_said("the model server is of no use")
            way.mend()
            watch.until_recorded(5)
            way.cut()
            drop_frames(folder, 5, 5)
            watch.until(lambda: watch.said("trying again") == 2, "the second outage")
            drop_frames(folder, 10, 5)
            way.mend()
            watch.until_recorded(15)
            assert watch.stop() == 0
        assert_all_recorded_once(watch, 15)
    first, over, second, over_again = troubles(watch)
    assert first.startswith("ERROR   the model server is of no use: No model server answers")
    assert over.startswith("WARNING over after")
    assert second.startswith("ERROR   the model server is of no use")
    assert over_again.startswith("WARNING over after")


def test_the_sidecar_is_away(folder: Path, out: Path, server: str) -> None:
    with sidecar() as fake:
        fake.stop()
        with watching(folder, server, out, "--sidecar", fake.url) as watch:
            drop_frames(folder, 0, 5)
            watch.until_recorded(5)  # it holds nothing up
            watch.until_said("records cannot be sent")
            fake.answer = 503
            fake.start()
            drop_frames(folder, 5, 5)
            watch.until(lambda: fake.requests, "an attempt")
            fake.answer = 0
            requests = fake.requests
            watch.until(lambda: fake.requests > requests, "another attempt")
            fake.answer = 200
            watch.until(lambda: len(fake.records) == 10, "all records")
            watch.until_said("over after")
            watch.stop()
        assert_all_recorded_once(watch, 10)
        assert {row["sent"] for row in state_of(out).values()} == {1}
    assert len(troubles(watch)) == 2, watch.log


def test_what_the_sidecar_missed_is_sent_by_the_next_start(folder: Path, out: Path, server: str) -> None:
    drop_frames(folder, 0, 5)
    command = ("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once", "--season", "w26")
    with sidecar() as fake:
        fake.stop()
        away = client(*command, "--sidecar", fake.url)
        assert away.returncode == 4
        assert f"Error: records cannot be sent to the sidecar at {fake.url}: " in away.stderr
        assert "Traceback" not in away.stderr
        assert len(rows_in(out)) == 5
        fake.start()
        assert client(*command, "--sidecar", fake.url).returncode == 0
        assert {season for season, _, _ in fake.records} == {"w26"}
        assert sorted(fake.taken.values()) == [[1]] * 5


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (401, 4, "it may want a token: SNOWMODE_TOKEN.\nThey are kept; the next run sends them"),
        (403, 4, "403 Forbidden"),
        (500, 4, "500 Internal Server Error"),
        (400, 1, "the sidecar refuses the record of '202601010000.png': 400 Bad Request"),
        (422, 1, "the sidecar refuses the record of '202601010000.png': 422 Unprocessable Entity"),
    ],
)
def test_once_tells_by_its_exit_code_what_the_sidecar_did_not_take(
    folder: Path, out: Path, server: str, answer: int, code: int, reason: str
) -> None:
    drop_frames(folder, 0, 3)
    command = ("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once", "--quiet")
    with sidecar() as fake:
        fake.answer = answer
        for _ in range(2):  # nothing new in the folder the second time, and still not recorded
            refused = client(*command, "--sidecar", fake.url)
            assert (refused.returncode, len(rows_in(out))) == (code, 3), refused.stderr
            assert reason in refused.stderr
        fake.answer = 200
        assert client(*command, "--sidecar", fake.url).returncode == 0
        assert sorted(fake.taken.values()) == [[1]] * 3


def test_a_token_out_of_a_file_may_end_its_line_and_one_for_no_header_stops_the_start(
    folder: Path, out: Path, server: str
) -> None:
    drop_frames(folder, 0, 2)
    command = ("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    with sidecar() as fake:
        bad = client(*command, "--sidecar", fake.url, env=os.environ | {"SNOWMODE_TOKEN": "sesam-öffne"})
        assert bad.returncode == 2
        assert "SNOWMODE_TOKEN: expected" in bad.stderr
        assert "sesam" not in bad.stderr
        assert not out.exists()
        done = client(*command, "--sidecar", fake.url, env=os.environ | {"SNOWMODE_TOKEN": "secret\n"})
        assert done.returncode == 0, done.stderr
        assert fake.tokens == {"Bearer secret"}
        assert len(fake.records) == 2


def test_once_tells_that_it_was_stopped(folder: Path, out: Path) -> None:
    drop_frames(folder, 0, 3)
    asked, go_on = threading.Event(), threading.Event()

    def answer(images: np.ndarray) -> np.ndarray:
        asked.set()
        go_on.wait(60)
        return brightness(images)

    with stand_in(answer) as server, watching(folder, server, out, "--once") as watch:
        watch.until(asked.is_set, "a call in flight")
        watch.process.send_signal(signal.SIGTERM)
        go_on.set()
        assert watch.process.wait(60) == 130, watch.log
    assert "\nStopped on request; the same command goes on where it was\n" in watch.log


def test_the_disk_is_full(folder: Path, out: Path, server: str) -> None:
    with watching(folder, server, out) as watch:
        drop_frames(folder, 0, 2)
        watch.until_recorded(2)
        # Of the size of a file: a small one for the log, and no room in the journal of the state.
        full = (out / "state.sqlite-wal").stat().st_size
        assert len(watch.log) < full / 2
        resource.prlimit(watch.process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        drop_frames(folder, 2, 20)
        watch.until_said("cannot be written")
        drop_frames(folder, 22, 8)
        resource.prlimit(watch.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        watch.until_recorded(30)
        watch.until_said("over after")
        assert watch.stop() == 0
    assert_all_recorded_once(watch, 30)
    assert len(troubles(watch)) == 2, watch.log


def test_the_results_cannot_be_written_for_a_while(folder: Path, out: Path, server: str) -> None:
    with watching(folder, server, out) as watch:
        watch.until_said("model snowmode")
        (out / "20260101.csv").mkdir()
        drop_frames(folder, 0, 5)
        drop(folder / "202601020000.png", png(7))
        watch.until_said("cannot be written")
        until(lambda: (out / "20260102.csv").exists(), "the other day")
        (out / "20260101.csv").rmdir()
        watch.until_recorded(6)
        watch.stop()
    assert_all_recorded_once(watch, 6)
    assert len(troubles(watch)) == 2, watch.log


def test_the_folder_is_unmounted(folder: Path, out: Path, server: str) -> None:
    away = folder.with_name("away")
    with watching(folder, server, out) as watch:
        drop_frames(folder, 0, 5)
        watch.until_recorded(5)
        folder.rename(away)
        watch.until_said("incoming cannot be read")
        drop_frames(away, 5, 5)
        folder.mkdir()  # the empty place where it was mounted
        watch.until_said("over after")
        folder.rmdir()
        away.rename(folder)
        watch.until_recorded(10)
        assert watch.stop() == 0
    assert_all_recorded_once(watch, 10)


def test_files_that_cannot_be_read_are_named_and_recorded_in_the_end(folder: Path, out: Path, server: str) -> None:
    drop_frames(folder, 0, 2)
    target = folder.with_name("target")
    target.mkdir()
    (folder / "202601010100.png").symlink_to(target / "frame.png")
    with watching(folder, server, out, "--give-up", 0.5) as watch:
        watch.until_recorded(2)
        (target / "frame.png").write_bytes(png(60)[:100])
        watch.until_recorded(3)
        (target / "frame.png").write_bytes(png(60))
        watch.until(lambda: all(row["label"] for row in rows_in(out)), "the frame")
        watch.stop()


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT])
def test_what_the_server_refuses_is_named_and_tried_again(folder: Path, out: Path, code: grpc.StatusCode) -> None:
    sick = True

    def answer(images: np.ndarray) -> np.ndarray:
        if sick:
            raise Refuse(code, "no memory")
        return brightness(images)

    with stand_in(answer) as target, watching(folder, target, out, "--give-up", 0.5) as watch:
        drop_frames(folder, 0, 3)
        watch.until_recorded(3)
        assert all("was refused by the server" in row["error"] for row in rows_in(out))
        sick = False
        watch.until(lambda: all(row["label"] for row in rows_in(out)), "better answers")
        watch.stop()
    assert watch.said("was refused") == 3
    assert {row["revision"] for row in state_of(out).values()} == {2}


def test_the_server_gets_a_new_version(folder: Path, out: Path, models: Path, tmp_path: Path) -> None:
    mine = tmp_path / "models"
    shutil.copytree(models, mine)
    first = next((mine / "snowmode").iterdir())
    second = first.with_name(str(int(first.name) + 1))
    port = tmp_path / "port"
    command = [sys.executable, "-m", "serving.model_server", f"--model_base_path={first.parent}", "--port=0"]
    options = [
        "--model_name=snowmode",
        f"--port_file={port}",
        "--file_system_poll_wait_seconds=1",
        "--host=127.0.0.1",
    ]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            until(port.exists, "the server")
            with watching(folder, f"127.0.0.1:{port.read_text().strip()}", out) as watch:
                drop_frames(folder, 0, 3)
                watch.until_recorded(3)
                shutil.copytree(first, tmp_path / "copy")
                (tmp_path / "copy").rename(second)
                shutil.rmtree(first)
                drop_frames(folder, 3, 1)
                watch.until_recorded(4)
                n = 4
                while not watch.said(f"version {second.name}"):
                    drop_frames(folder, n, 1)
                    n += 1
                    watch.until_recorded(n)
                watch.stop()
            assert_all_recorded_once(watch, n)
        finally:
            process.kill()
    versions = [row["model_version"] for row in rows_in(out)]
    assert versions == sorted(versions)
    assert set(versions) == {first.name, second.name}
    assert not troubles(watch), watch.log


def test_silence_is_said_once(folder: Path, out: Path, server: str) -> None:
    with watching(folder, server, out, "--cadence", 0.005) as watch:
        watch.until_said("no new frame for 0.015 min, expected one every 0.005 min")
        drop_frames(folder, 0, 1)
        watch.until_said("over after")
        watch.stop()


def test_a_server_of_our_own_that_died_is_started_once_more(folder: Path, out: Path, models: Path) -> None:
    import psutil

    with watching(folder, f"embedded:{models}", out) as watch:
        drop_frames(folder, 0, 1)
        watch.until_recorded(1)
        (child,) = psutil.Process(watch.process.pid).children()
        child.kill()
        drop_frames(folder, 1, 1)
        watch.until_recorded(2, seconds=120)
        assert watch.stop() == 0
    assert_all_recorded_once(watch, 2)


def test_once_tells_by_its_exit_code(folder: Path, out: Path, server: str, tmp_path: Path) -> None:
    drop_frames(folder, 0, 2)
    away = client("watch", folder, "--server", "127.0.0.1:9", "--out", out, "--once")
    assert away.returncode == 3
    assert "No model server answers at 127.0.0.1:9" in away.stderr
    (tmp_path / "file").write_text("")
    unwritable = client("watch", folder, "--server", server, "--out", tmp_path / "file" / "out", "--once")
    assert unwritable.returncode == 4
    assert "cannot be written: Not a directory" in unwritable.stderr
    (out / "undated.csv").mkdir()
    results = client("watch", folder, "--server", server, "--out", out, "--once")
    assert results.returncode == 4
    assert "the results in" in results.stderr
    missing = client("watch", tmp_path / "nowhere", "--server", server, "--out", out, "--once")
    assert missing.returncode == 2
    assert "no such folder" in missing.stderr
    (out / "undated.csv").rmdir()
    assert client("watch", folder, "--server", server, "--out", out, "--once").returncode == 0
    assert len(rows_in(out)) == 2
    for done in (away, unwritable, results, missing):
        assert "Traceback" not in done.stderr


def test_once_on_a_full_disk(folder: Path, out: Path, server: str) -> None:
    drop_frames(folder, 0, 30)

    done = client("watch", folder, "--server", server, "--out", out, "--once", limits=files_up_to(20_000))
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert client("watch", folder, "--server", server, "--out", out, "--once").returncode == 0
    assert len(rows_in(out)) == 30


def test_two_at_work_with_the_same_files(folder: Path, out: Path, server: str, tmp_path: Path) -> None:
    with watching(folder, server, out) as watch:
        watch.until_said("watching")
        for more in (
            (),
            ("--state", tmp_path / "other.sqlite"),
            ("--out", tmp_path / "x", "--state", out / "state.sqlite"),
        ):
            second = client("watch", folder, "--server", server, "--out", out, "--once", *more)
            assert second.returncode == 2, more
            assert "another `client watch` is at work" in second.stderr
        watch.process.kill()
        watch.process.wait()
    assert client("watch", folder, "--server", server, "--out", out, "--once").returncode == 0


def test_a_state_that_is_none_is_left_alone(folder: Path, out: Path, server: str, tmp_path: Path) -> None:
    write_frames(folder, 1)
    command = ("watch", folder, "--server", server, "--out", out, "--once")
    assert client(*command).returncode == 0
    other = client(*command, "--season", "another")
    assert other.returncode == 2
    assert "is the state of season 'incoming'" in other.stderr
    state = out / "state.sqlite"
    state.write_bytes(b"no database at all " * 100)
    damaged = client(*command)
    assert damaged.returncode == 2
    assert "is damaged" in damaged.stderr
    assert state.read_bytes() == b"no database at all " * 100
    state.replace(tmp_path / "moved")
    assert client(*command).returncode == 0
