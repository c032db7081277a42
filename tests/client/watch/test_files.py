"""Day files: whole, one row a frame, and nothing left of what is no more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from client.results.rows import read_results
from client.watch.files import tidy, write_day
from client.watch.records import Recorded
from tests.client.watch.test_state import frame


def with_codes(name: str, codes: tuple[str, ...]) -> Recorded:
    return dataclasses.replace(frame(name), codes=codes)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_day_file_is_a_result_file(tmp_path: Path) -> None:
    bad = dataclasses.replace(
        frame("b").row, label="", probabilities=(), entropy=None, accepted=False, error="is bad"
    )
    odd = frame('c\r\n,"')
    (path,) = write_day(tmp_path / "new", "20260101", [frame("a"), dataclasses.replace(frame("b"), row=bad), odd])
    codes, rows = read_results(path)
    assert codes == ("A", "B")
    assert list(rows) == [frame("a").row, bad, odd.row]


def test_other_modes_have_a_file_of_their_own_as_long_as_there_are_frames_of_them(tmp_path: Path) -> None:
    write_day(tmp_path, "20260101", [with_codes("a", ("A", "B")), with_codes("b", ("C", "D"))])
    assert files(tmp_path) == ["20260101-A-B.csv", "20260101.csv"]
    write_day(tmp_path, "20260101", [with_codes("a", ("C", "D")), with_codes("b", ("C", "D"))])
    assert files(tmp_path) == ["20260101.csv"]


def test_a_day_without_frames_has_no_file(tmp_path: Path) -> None:
    write_day(tmp_path, "20260101", [frame("a")])
    write_day(tmp_path, "20260102", [frame("b")])
    assert write_day(tmp_path, "20260101", []) == []
    assert files(tmp_path) == ["20260102.csv"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write_day(tmp_path, "20260101", [frame("a")])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radar.durable.sync", full)
    with pytest.raises(OSError, match="No space"):
        write_day(tmp_path, "20260101", [frame("a"), frame("b")])
    assert path.read_bytes() == before
    assert files(tmp_path) == ["20260101.csv"]


def test_halves_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    write_day(tmp_path, "20260101", [frame("a")])
    (tmp_path / ".20260101.csv.4711.tmp").write_text("half")
    (tmp_path / "notes.tmp").write_text("mine")
    tidy(tmp_path)
    assert files(tmp_path) == ["20260101.csv", "notes.tmp"]
    tidy(tmp_path / "not there yet")
