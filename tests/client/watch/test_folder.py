"""What comes into a folder: when a file is complete, what a change is, and what clocks have to do with it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from client.watch import folder as module
from client.watch.folder import SETTLE_SECONDS, Incoming, Stamp


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def incoming(
    folder: Path, clock: Clock, known: dict[str, Stamp] | None = None, *, recursive: bool = False
) -> Incoming:
    def is_frame(name: str) -> bool:
        return name.endswith(".png")

    return Incoming(folder, {} if known is None else known, is_frame=is_frame, recursive=recursive, clock=clock)


def names(look: list[module.Arrival]) -> list[str]:
    return sorted(arrival.name for arrival in look)


def settle_all(frames: Incoming, clock: Clock) -> list[str]:
    frames.scan()
    clock.now += 1
    arrivals = frames.scan()
    for arrival in arrivals:
        frames.settle(arrival.name, arrival.stamp)
    return names(arrivals)


def test_a_file_that_stands_still_arrives_and_comes_again_until_it_is_done(tmp_path: Path, clock: Clock) -> None:
    frames = incoming(tmp_path, clock)
    (tmp_path / "a.png").write_bytes(b"1")
    assert frames.scan() == []
    assert frames.restless
    clock.now += SETTLE_SECONDS - 0.01
    assert frames.scan() == []
    clock.now += 0.02
    (arrival,) = frames.scan()
    assert not frames.restless
    assert frames.scan() == [arrival]
    frames.settle(arrival.name, arrival.stamp)
    assert frames.scan() == []
    assert (frames.waiting, frames.done) == (0, 1)


def test_a_file_that_grows_does_not_arrive(tmp_path: Path, clock: Clock) -> None:
    frames = incoming(tmp_path, clock)
    with (tmp_path / "a.png").open("wb", buffering=0) as file:
        for _ in range(5):
            file.write(b"1")
            assert frames.scan() == []
            clock.now += 1
    assert frames.scan() != []


def test_a_change_under_our_hands_is_not_taken_for_done(tmp_path: Path, clock: Clock) -> None:
    frames = incoming(tmp_path, clock)
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    frames.scan()
    clock.now += 1
    (arrival,) = frames.scan()
    path.write_bytes(b"22")
    assert frames.scan() == []
    frames.settle("a.png", arrival.stamp)
    assert frames.waiting == 1
    clock.now += 1
    (second,) = frames.scan()
    assert second.stamp.size == 2


@pytest.mark.parametrize("time", [0, 1, 2**33])
def test_dates_of_files_do_not_matter(tmp_path: Path, clock: Clock, time: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    os.utime(path, (time, time))
    frames = incoming(tmp_path, clock)
    assert settle_all(frames, clock) == ["a.png"]
    os.utime(path, (time + 5, time + 5))  # a clock that was stepped: looked at again, and no more
    assert settle_all(frames, clock) == ["a.png"]


def test_a_new_file_under_an_old_name_is_seen_whatever_its_size_and_date(tmp_path: Path, clock: Clock) -> None:
    path, other = tmp_path / "a.png", tmp_path / "other"
    path.write_bytes(b"1")
    frames = incoming(tmp_path, clock)
    settle_all(frames, clock)
    other.write_bytes(b"2")
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    assert settle_all(frames, clock) == ["a.png"]


def test_a_folder_that_is_away_makes_nothing_forgotten(tmp_path: Path, clock: Clock) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    frames = incoming(folder, clock)
    frames.scan()
    clock.now += 1
    folder.rename(away)
    with pytest.raises(FileNotFoundError):
        frames.scan()
    away.rename(folder)
    assert names(frames.scan()) == ["a.png"]
    assert frames.stamp_of("a.png") is not None
    assert frames.stamp_of("gone.png") is None


def test_a_file_that_is_gone_waits_no_more(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    frames = incoming(tmp_path, clock)
    frames.scan()
    (tmp_path / "a.png").unlink()
    frames.scan()
    assert frames.waiting == 0


def test_hidden_files_folders_and_other_files_are_left_out(tmp_path: Path, clock: Clock) -> None:
    for name in ("a.png", ".a.png.Xy1", ".b.png", "c.txt"):
        (tmp_path / name).write_bytes(b"1")
    for name in ("sub", ".hidden", "d.png"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "e.png").write_bytes(b"1")
    (tmp_path / "linked").symlink_to("sub")
    assert settle_all(incoming(tmp_path, clock), clock) == ["a.png"]
    assert settle_all(incoming(tmp_path, clock, recursive=True), clock) == ["a.png", "d.png/e.png", "sub/e.png"]


def test_what_cannot_be_read_costs_itself_and_is_named_once(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path: Path) -> object:  # as root, a folder without permissions opens all the same
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(module.os, "scandir", scandir)
    frames = incoming(tmp_path, clock, recursive=True)
    assert settle_all(frames, clock) == ["a.png"]
    assert [record.getMessage() for record in caplog.records] == [
        "'closed/' is left alone: it cannot be read: Permission denied"
    ]


def test_a_thousand_odd_files_make_no_thousand_lines(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(300):
        (tmp_path / f"{n}.png").symlink_to(f"{n}.png")
    frames = incoming(tmp_path, clock)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            frames.scan()
    assert len(caplog.records) == module.NAMED + 1


def test_of_very_many_files_each_is_looked_at_again_in_turn_and_new_ones_at_once(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECHECKED", 20)
    for n in range(200):
        (tmp_path / f"{n}.png").write_bytes(b"1")
    first = incoming(tmp_path, clock)
    assert len(settle_all(first, clock)) == 200
    known = {f"{n}.png": first.stamp_of(f"{n}.png") for n in range(200)}
    frames = incoming(tmp_path, clock, known)
    looked: list[str] = []
    look_at = frames._look_at
    monkeypatch.setattr(frames, "_look_at", lambda name, entry: (looked.append(name), look_at(name, entry))[1])
    frames.scan()  # the first look tells how many there are
    for n in range(200):
        (tmp_path / f"{n}.png").write_bytes(b"22")
    (tmp_path / "new.png").write_bytes(b"1")
    found: set[str] = set()
    for look in range(10):
        looked.clear()
        found |= set(names(frames.scan()))
        assert look == 0 or "new.png" in found
        if look == 0:
            assert "new.png" in looked
            assert len(looked) < 60
        clock.now += 1
    found |= set(names(frames.scan()))
    assert len(found) == 201


def test_when_something_new_was_last_seen(tmp_path: Path, clock: Clock) -> None:
    frames = incoming(tmp_path, clock)
    clock.now += 100
    frames.scan()
    assert frames.last_arrival == 1000
    (tmp_path / "a.png").write_bytes(b"1")
    frames.scan()
    clock.now += 100
    frames.scan()
    assert frames.last_arrival == 1100
