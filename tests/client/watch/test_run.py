"""`client watch` in peace: what comes is recorded, once, with its last content."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.client.command import client, rows_of
from tests.client.watch.watching import PATTERN, drop, png, rows_in, sha256, state_of, watching


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def fill(folder: Path, count: int, start: int = 0) -> None:
    for n in range(start, start + count):
        drop(folder / f"20260101{n // 60:02d}{n % 60:02d}.png", png(n))


def test_once_writes_what_classify_writes(folder: Path, out: Path, server: str, tmp_path: Path) -> None:
    fill(folder, 30)
    (folder / "202601010100.png").write_bytes(png(100)[:200])
    done = client("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    assert done.returncode == 0, done.stderr
    results = tmp_path / "classify.csv"
    client("classify", folder, "--server", server, "--out", results, "--pattern", PATTERN)
    assert (out / "20260101.csv").read_bytes() == results.read_bytes()
    assert "202601010100.png is truncated" in done.stderr


def test_once_with_nothing_to_do_leaves_at_once(folder: Path, out: Path, server: str) -> None:
    done = client("watch", folder, "--server", server, "--out", out, "--once")
    assert done.returncode == 0, done.stderr
    assert not list(out.glob("*.csv"))


def test_frames_are_recorded_as_they_come_once_each_on_their_days(folder: Path, out: Path, server: str) -> None:
    with watching(folder, server, out) as watch:
        drop(folder / "202601012355.png", png(1))
        watch.until_recorded(1)
        drop(folder / "202601020000.png", png(2))
        drop(folder / "202601012350.png", png(3))  # late
        watch.until_recorded(3)
        assert watch.stop() == 0
    assert [row["time_utc"] for row in rows_of(out / "20260101.csv")] == [
        "2026-01-01T23:50:00Z",
        "2026-01-01T23:55:00Z",
    ]
    assert [row["file"] for row in rows_of(out / "20260102.csv")] == ["202601020000.png"]
    assert {name: row["revision"] for name, row in state_of(out).items()} == {
        "202601012350.png": 1,
        "202601012355.png": 1,
        "202601020000.png": 1,
    }
    assert watch.lines[-1].endswith("stopped")


def test_the_next_start_does_nothing_twice(folder: Path, out: Path, server: str) -> None:
    fill(folder, 20)
    command = ("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    assert client(*command).returncode == 0
    first = state_of(out)
    os.utime(folder / "202601010003.png")
    fill(folder, 1, start=20)
    again = client(*command)
    assert "recorded" not in again.stderr
    assert "2026-01-01T00:20:00Z" in again.stderr
    second = state_of(out)
    assert {name: row["revision"] for name, row in second.items()} == dict.fromkeys(second, 1)
    touched = [name for name in first if first[name]["mtime_ns"] != second[name]["mtime_ns"]]
    assert touched == ["202601010003.png"]
    assert len(rows_in(out)) == 21


def test_a_corrected_frame_takes_the_place_of_the_first(folder: Path, out: Path, server: str) -> None:
    path = folder / "202601010000.png"
    with watching(folder, server, out) as watch:
        drop(path, png(1))
        watch.until_recorded(1)
        before = rows_in(out)
        drop(path, png(2))
        watch.until(lambda: rows_in(out) != before, "the correction")
        drop(path, png(2))  # the same content once more
        drop(folder / "202601010005.png", png(3))
        watch.until_recorded(2)
        watch.stop()
    state = state_of(out)
    assert (state[path.name]["revision"], state[path.name]["sha256"]) == (2, sha256(png(2)))
    assert [row["file"] for row in rows_in(out)] == ["202601010000.png", "202601010005.png"]


def test_a_correction_that_keeps_size_and_date_is_seen(folder: Path, out: Path, server: str) -> None:
    path, bad = folder / "202601010000.png", png(1)[:-1] + b"x"
    with watching(folder, server, out, "--give-up", 0) as watch:
        drop(path, png(1))
        watch.until_recorded(1)
        status = path.stat()
        other = folder / ".other"
        other.write_bytes(bad)
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.rename(path)
        watch.until(lambda: state_of(out)[path.name]["revision"] == 2, "the correction")
    assert state_of(out)[path.name]["sha256"] == sha256(bad)


def test_a_copy_that_goes_on_waits_and_is_never_called_bad(folder: Path, out: Path, server: str) -> None:
    data = png(1)
    with watching(folder, server, out) as watch:
        with (folder / "202601010000.png").open("wb", buffering=0) as file:
            file.write(data[:300])
            drop(folder / "202601010005.png", png(2))
            watch.until_recorded(1)  # by then the half has stood still for long enough, too
            file.write(data[300:])
        watch.until_recorded(2)
        watch.stop()
    assert all(row["label"] for row in rows_in(out))
    assert state_of(out)["202601010000.png"]["revision"] == 1
    assert not watch.said("truncated")


def test_a_truncated_frame_is_named_in_the_end_and_replaced_by_the_complete_one(
    folder: Path, out: Path, server: str
) -> None:
    path = folder / "202601010000.png"
    with watching(folder, server, out, "--give-up", 1) as watch:
        path.write_bytes(png(1)[:300])
        watch.until_recorded(1)
        assert "is truncated" in rows_in(out)[0]["error"]
        assert watch.said("202601010000.png is truncated") == 1
        drop(path, png(1))
        watch.until(lambda: rows_in(out)[0]["label"], "the complete one")
        watch.stop()
    assert len(rows_in(out)) == 1
    assert state_of(out)[path.name]["revision"] == 2


def test_sigterm_in_the_middle_of_a_bulk(folder: Path, out: Path, server: str) -> None:
    fill(folder, 10)
    for n in range(3000):
        (folder / f"copy{n:05d}.png").hardlink_to(folder / f"2026010100{n % 10:02d}.png")
    with watching(folder, server, out, pattern="") as watch:
        watch.until(lambda: state_of(out), "the first frames")
        assert watch.stop() == 0
    recorded = {row["file"] for row in rows_in(out)}
    assert recorded == set(state_of(out))
    assert 0 < len(recorded) < 3010
    assert watch.lines[-1].endswith(f"{3010 - len(recorded)} files are waiting for the next start")
    assert client("watch", folder, "--server", server, "--out", out, "--once").returncode == 0
    rows = rows_in(out)
    assert len(rows) == len({row["file"] for row in rows}) == 3010
    assert {row["revision"] for row in state_of(out).values()} == {1}


def test_of_a_backlog_the_newest_frames_go_first(folder: Path, out: Path, server: str) -> None:
    fill(folder, 10)
    for n in range(10, 1400):
        (folder / f"20260101{n // 60:02d}{n % 60:02d}.png").hardlink_to(folder / f"2026010100{n % 10:02d}.png")
    done = client("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    assert done.returncode == 0, done.stderr
    first = next(line for line in done.stderr.splitlines() if "recorded" in line)
    assert first.endswith("recorded 8 frames: 2026-01-01T23:19:00Z ... 2026-01-01T23:12:00Z")
    assert len(rows_in(out)) == 1400


def test_odd_names_and_odd_files_cost_themselves(folder: Path, out: Path, server: str) -> None:
    names = ["ほくしん越.png", "a,b;\"c\" 'd'.png", "line\nbreak.png", "carriage\rreturn.png", "100%.png", "#?&=.PNG"]
    for n, name in enumerate(names):
        drop(folder / name, png(n))
    os.close(os.open(bytes(folder) + b"/latin-\xe9.png", os.O_CREAT))
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "nowhere.png").symlink_to("nothing")
    (folder / "notes.txt").write_text("no frame")
    done = client("watch", folder, "--server", server, "--out", out, "--once")
    assert done.returncode == 0, done.stderr
    assert {row["file"] for row in rows_of(out / "undated.csv")} == set(names)
    assert all(row["label"] for row in rows_of(out / "undated.csv"))
    for name, reason in (
        ("latin-\\udce9.png", "not UTF-8"),
        ("pipe.png", "no ordinary file"),
        ("circle.png", "levels"),
    ):
        (line,) = [line for line in done.stderr.splitlines() if name in line]
        assert reason in line
    assert not any(line.startswith("break.png") for line in done.stderr.splitlines())


def test_a_frame_that_does_not_follow_the_rule_is_undated_and_said_once(folder: Path, out: Path, server: str) -> None:
    fill(folder, 3)
    drop(folder / "x1.png", png(8))
    drop(folder / "x2.png", png(9))
    done = client("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    assert done.stderr.count("does not follow the time rule") == 1
    assert [row["file"] for row in rows_of(out / "undated.csv")] == ["x1.png", "x2.png"]


def test_subfolders(folder: Path, out: Path, server: str) -> None:
    (folder / "a").mkdir()
    drop(folder / "a" / "202601010000.png", png(1))
    drop(folder / "202601010000.png", png(2))
    command = ("watch", folder, "--server", server, "--out", out, "--pattern", PATTERN, "--once")
    assert client(*command).returncode == 0
    assert [row["file"] for row in rows_in(out)] == ["202601010000.png"]
    assert client(*command, "--recursive").returncode == 0
    assert {row["file"] for row in rows_in(out)} == {"202601010000.png", "a/202601010000.png"}


def test_real_composites_are_taken_with_the_time_of_their_message(
    folder: Path, out: Path, server: str, shared_data: Path
) -> None:
    from radar import jma

    files = sorted(path for path in shared_data.rglob("*") if path.is_file() and jma.is_composite(path.name))
    if not files:
        pytest.skip(f"no composites in {shared_data}")
    with watching(folder, server, out, pattern="") as watch:
        for path in files:
            shutil.copy(path, folder / path.name)
        watch.until_recorded(len({path.name for path in files}))
        watch.stop()
    rows = rows_in(out)
    assert {row["file"] for row in rows} == {path.name for path in files}
    for path in files:
        (row,) = [row for row in rows if row["file"] == path.name]
        assert row["label"], row["error"]
        assert row["time_utc"] == jma.picture(path)[1].strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_it_waits(folder: Path, out: Path, server: str, number: signal.Signals) -> None:
    with watching(folder, server, out) as watch:
        watch.until_said("model snowmode version")
        watch.process.send_signal(number)
        assert watch.process.wait(timeout=30) == 0
    assert "Traceback" not in watch.log
