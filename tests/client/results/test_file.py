"""The result file: rows, what of an unfinished run is kept, and what is read back."""

from __future__ import annotations

import csv
import fcntl
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import ConfigError
from client.results.file import ResultFile, RunIdentity
from client.results.rows import columns_for, read_results
from client.tally import Tally
from serving.protocol.pipeline import Prediction

CODES = ("A", "B")
IDENTITY = RunIdentity("/frames", "snowmode", 7, columns_for(CODES), 0.6)

# Any file name Linux knows, but for the separator.
names_of_files = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def prediction(name: str, p: float | None, error: str = "") -> Prediction:
    return Prediction(name, None if p is None else np.array([p, 1 - p], np.float32), error)


def write(path: Path, predictions: list[Prediction], *, finish: bool = True) -> None:
    with ResultFile(path, CODES, IDENTITY, [p.name for p in predictions]) as results:
        results.write(predictions, [""] * len(predictions))
        if finish:
            results.finish()


def test_rows_say_who_wins_how_surely_and_whether_it_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.75), prediction("b.png", 0.45), prediction("c.png", None, "is empty, alas")])
    codes, rows = read_results(path)
    first, second, third = rows
    assert codes == CODES
    assert (first.label, first.accepted, first.probabilities) == ("A", True, (0.75, 0.25))
    assert first.entropy == pytest.approx(0.5623, abs=1e-4)
    assert (second.label, second.accepted, second.model_version) == ("B", False, 7)
    assert (third.label, third.probabilities, third.entropy, third.error) == ("", (), None, "is empty, alas")


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(names_of_files, min_size=1, max_size=8, unique=True),
    errors=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
def test_whatever_names_and_reasons_hold_rows_come_back(tmp_path_factory, names: list[str], errors: str) -> None:
    path = tmp_path_factory.mktemp("r") / "r.csv"
    predictions = [prediction(name, 0.5) for name in names[1:]] + [prediction(names[0], None, errors)]
    write(path, predictions)
    _, rows = read_results(path)
    assert [row.file for row in rows] == [p.name for p in predictions]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3))
def test_of_a_damaged_partial_file_only_good_rows_are_kept(tmp_path_factory, cut: int, flips) -> None:
    path = tmp_path_factory.mktemp("r") / "r.csv"
    predictions = [prediction(f"pr2hse{n}.png", n / 20) for n in range(20)]
    names = [p.name for p in predictions]
    write(path, predictions, finish=False)
    partial = path.with_name("r.csv.partial")
    data = bytearray(partial.read_bytes())
    for position, value in flips:
        if position < len(data):
            data[position] = value
    partial.write_bytes(data[: max(cut, 1)])
    header_is_whole = bytes(data[: max(cut, 1)]).startswith(",".join(IDENTITY.columns).encode() + b"\n")
    if not header_is_whole:
        with pytest.raises(ConfigError, match="--no-resume"):
            ResultFile(path, CODES, IDENTITY, names)
        return
    with ResultFile(path, CODES, IDENTITY, names) as results:
        results.write(predictions[results.kept :], [""] * (20 - results.kept))
        results.finish()
    _, rows = read_results(path)
    assert [row.file for row in rows] == names


def test_a_partial_file_without_its_identity_is_not_dropped_unasked(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5)], finish=False)
    (tmp_path / "r.csv.partial.json").unlink()
    with pytest.raises(ConfigError, match="--no-resume"):
        ResultFile(path, CODES, IDENTITY, ["a.png"])
    with ResultFile(path, CODES, IDENTITY, ["a.png"], resume=False) as results:
        assert results.kept == 0


def test_a_finished_file_is_continued_only_by_a_run_of_its_own_kind(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5)])
    before = path.read_bytes()
    for other in (
        replace(IDENTITY, folder="/other"),
        replace(IDENTITY, version=8),
        replace(IDENTITY, time_rule="%Y%m%d.png"),
    ):
        with pytest.raises(ConfigError, match="--overwrite"):
            ResultFile(path, CODES, other, ["a.png"])
    with pytest.raises(ConfigError, match="--overwrite"):
        ResultFile(path, CODES, IDENTITY, ["a.png"], resume=False)
    with pytest.raises(ConfigError, match="1 rows of frames that are no longer in the folder"):
        ResultFile(path, CODES, IDENTITY, ["b.png"])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.csv", "r.csv.run.json"]
    with ResultFile(path, CODES, IDENTITY, ["a.png", "b.png"]) as results:
        assert results.kept == 1


def test_a_killed_overwrite_continues_with_the_same_command(tmp_path: Path) -> None:
    path, names = tmp_path / "r.csv", ["a.png", "b.png"]
    write(path, [prediction("a.png", 0.1), prediction("b.png", 0.1)])
    with ResultFile(path, CODES, IDENTITY, names, overwrite=True) as results:
        assert results.kept == 0
        results.write([prediction("a.png", 0.9)], [""])
    with ResultFile(path, CODES, IDENTITY, names, overwrite=True) as results:
        assert results.kept == 1


@pytest.mark.parametrize(("may_work_now", "kept"), [(False, 3), (True, 1)])
def test_a_row_of_a_frame_that_was_repaired_is_not_kept(tmp_path: Path, may_work_now: bool, kept: int) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5), prediction("b.png", None, "is empty"), prediction("c.png", 0.5)])
    asked = []

    def still_bad(name: str, error: str) -> bool:
        asked.append((name, error))
        return not may_work_now

    with ResultFile(path, CODES, IDENTITY, ["a.png", "b.png", "c.png"], still_bad=still_bad) as results:
        assert results.kept == kept
    assert asked == [("b.png", "is empty")]


def test_nothing_but_a_result_file_is_ever_replaced(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\na.png,SY\n")
    for target, complaint in (
        (labels, "never overwritten"),
        (tmp_path, "received a folder"),
        (Path("/dev/full"), "device"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            ResultFile(target, CODES, IDENTITY, ["a.png"], resume=False, overwrite=True)
    assert labels.read_text().startswith("file,label")
    assert list(tmp_path.iterdir()) == [labels]


def test_a_run_that_ends_while_another_waits_keeps_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second opens the partial file, the first renames it to its result, then the second gets the lock."""
    path = tmp_path / "r.csv"
    first = ResultFile(path, CODES, IDENTITY, ["a.png"])
    first.write([prediction("a.png", 0.5)], [""])
    lock = fcntl.flock

    def finish_first(file: object, mode: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        first.finish()
        first.__exit__()
        lock(file, mode)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    with ResultFile(path, CODES, IDENTITY, ["a.png"]) as second:
        assert second.kept == 1
    assert [row.file for row in read_results(path)[1]] == ["a.png"]


@pytest.mark.parametrize(("cell", "value"), [("0.500000,0.500000", "nan,0.5"), (",A,", ",ZZ,")])
def test_impossible_values_are_no_rows(tmp_path: Path, cell: str, value: str) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5)])
    path.write_text(path.read_text().replace(cell, value))
    with pytest.raises(ConfigError, match="line 2"):
        list(read_results(path)[1])


def test_a_foreign_csv_is_no_result_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na.png,SY\n")
    with pytest.raises(ConfigError, match="expected a result file"):
        read_results(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_results(tmp_path / "missing.csv")


def test_a_damaged_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5), prediction("b.png", 0.5)])
    path.write_text(path.read_text().replace("b.png,,A,0.5", "b.png,,A,x"))
    _, rows = read_results(path)
    with pytest.raises(ConfigError, match="line 3"):
        list(rows)


def test_the_tally_of_rows_is_the_tally_of_predictions() -> None:
    tally = Tally(CODES, 0.6)
    tally.add([prediction("a", 0.9), prediction("b", 0.55), prediction("c", 0.2), prediction("d", None, "bad")])
    assert tally.counts.tolist() == [2, 1]
    assert tally.accepted.tolist() == [1, 1]
    assert tally.mass == pytest.approx([1.65, 1.35])
    assert (tally.classified, tally.failed, tally.failures) == (3, 1, [("d", "bad")])


def test_the_csv_is_plain_enough_for_any_reader(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5)])
    with path.open(newline="") as file:
        header, row = list(csv.reader(file))
    assert header == ["file", "time_utc", "label", "p_A", "p_B", "entropy", "accepted", "model_version", "error"]
    assert len(row) == len(header)
    assert b"\r" not in path.read_bytes()
