"""The state of `client watch`: what a record is, and what a failing disk does to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from client.errors import ConfigError, OutputError
from client.results.rows import Row
from client.watch.folder import Stamp
from client.watch.records import Recorded
from client.watch.state import Before, WatchState


def frame(name: str, sha256: str = "1", day: str = "20260101", **more: Any) -> Recorded:
    time = f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z" if day.isdigit() else ""
    values: dict[str, Any] = {"label": "A", "probabilities": (0.75, 0.25), "entropy": 0.5, "accepted": True}
    row = Row(file=name, time_utc=time, model_version=7, error=more.get("error", ""), **values)
    return Recorded(row, ("A", "B"), Stamp(1, 2, 2**62), sha256, day, more.get("final", True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "state #1?.sqlite"


def test_what_is_recorded_is_there_at_the_next_start(path: Path) -> None:
    with WatchState(path, "w") as state:
        assert state.record([frame("a"), frame("ほ\n'\"", day="undated")]) == 0
    with WatchState(path, "w") as state:
        assert state.stamps() == {"a": Stamp(1, 2, 2**62), "ほ\n'\"": Stamp(1, 2, 2**62)}
        (found,) = state.frames_of("20260101")
        assert (found.row, found.codes, found.revision) == (frame("a").row, ("A", "B"), 1)
        assert state.days_to_write() == ["20260101", "undated"]
        state.day_written("20260101")
        assert state.days_to_write() == ["undated"]
        assert state.newest() == ["2026-01-01T00:00:00Z"]


def test_a_correction_that_moves_a_frame_to_another_day_concerns_both(path: Path) -> None:
    with WatchState(path, "w") as state:
        state.record([frame("a")])
        state.day_written("20260101")
        assert state.record([frame("a", "2", day="20260102")]) == 1
        assert state.days_to_write() == ["20260101", "20260102"]
        assert state.frames_of("20260101") == []
        assert [found.revision for found in state.frames_of("20260102")] == [2]


def test_what_may_get_better_is_no_frame_that_is_done(path: Path) -> None:
    with WatchState(path, "w") as state:
        state.record([frame("a", error="was refused", final=False), frame("b")])
        assert set(state.stamps()) == {"b"}
        assert state.before(["a", "b", "c"]) == {
            "a": Before("1", "was refused", final=False),
            "b": Before("1", "", final=True),
        }


def test_what_the_sidecar_has(path: Path) -> None:
    with WatchState(path, "w") as state, state.another() as other:
        state.record([frame("a"), frame("b"), frame("c")])
        batch = other.to_send(2)
        assert [found.row.file for found in batch] == ["a", "b"]
        state.record([frame("b", "2")])  # corrected while it is being sent
        other.sent(batch)
        assert state.unsent() == 2
        assert {(found.row.file, found.revision) for found in other.to_send(9)} == {("b", 2), ("c", 1)}
        assert [found.row.file for found in other.to_send(1, {"c": 1})] == ["b"]
        assert [found.row.file for found in other.to_send(9, {"b": 1})] == ["c", "b"]


def test_touched_files(path: Path) -> None:
    with WatchState(path, "w") as state:
        state.record([frame("a")])
        state.day_written("20260101")
        state.touch([("a", Stamp(9, 9, 9))])
        assert state.stamps() == {"a": Stamp(9, 9, 9)}
        assert state.days_to_write() == []


def test_all_or_none(path: Path) -> None:
    with WatchState(path, "w") as state:
        with pytest.raises(sqlite3.Error):
            state.record([frame("a"), frame(None)])  # type: ignore[arg-type]
        assert state.stamps() == {}
        state.record([frame("a")])
        assert set(state.stamps()) == {"a"}


def test_after_a_full_disk_it_goes_on(path: Path) -> None:
    with WatchState(path, "w") as state:
        state._database.execute("PRAGMA max_page_count = 20")
        with pytest.raises(sqlite3.Error, match="full"):
            state.record([frame(f"{n:0500d}") for n in range(1000)])
        assert state.stamps() == {}
        state.reopen()
        state.record([frame(f"{n:0500d}") for n in range(1000)])
        assert len(state.stamps()) == 1000


def test_a_state_that_is_away_is_not_made_anew(path: Path) -> None:
    with WatchState(path, "w") as state:
        state.record([frame("a")])
        away = path.parent.rename(path.parent.with_name("away"))
        with pytest.raises(sqlite3.Error):
            state.reopen()
        with pytest.raises(sqlite3.Error), state.another():
            pass
        assert not path.parent.exists()
        away.rename(path.parent)
        state.reopen()
        assert set(state.stamps()) == {"a"}


def test_the_newest_times_leave_out_what_has_none(path: Path) -> None:
    with WatchState(path, "w") as state:
        state.record([frame("u", day="undated"), frame("b", day="20260102"), frame("a"), frame("c")])
        assert state.newest(5) == ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]


def test_other_files_are_refused_and_left_as_they_are(path: Path, tmp_path: Path) -> None:
    with WatchState(path, "w"):
        pass
    with pytest.raises(ConfigError, match="of season 'w'"):
        WatchState(path, "x")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE things (x)")
    database.close()
    before = other.read_bytes()
    with pytest.raises(ConfigError, match="received another database"):
        WatchState(other, "w")
    assert other.read_bytes() == before
    text = tmp_path / "notes.txt"
    text.write_text("no database" * 1000)
    with pytest.raises(ConfigError, match="Choose another file with --state, or move it away"):
        WatchState(text, "w")
    with pytest.raises(OutputError, match="cannot be opened"):
        WatchState(text / "state.sqlite", "w")
