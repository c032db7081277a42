"""The result file: rows, what of an unfinished run is kept, and what is read back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import ConfigError
from client.pipeline import Prediction
from client.results import ResultFile, RunIdentity
from client.rows import columns_for, read_results
from client.tally import Tally

CODES = ("A", "B")
IDENTITY = RunIdentity("/frames", "snowmode", 7, columns_for(CODES), 0.6)

# Any file name Linux knows, but for the separator.
names_of_files = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


def prediction(name: str, p: float | None, error: str = "") -> Prediction:
    return Prediction(name, None if p is None else np.array([p, 1 - p], np.float32), error)


def write(path: Path, predictions: list[Prediction], *, finish: bool = True) -> None:
    with ResultFile(path, CODES, IDENTITY) as results:
        results.keep([p.name for p in predictions])
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
    with ResultFile(path, CODES, IDENTITY) as results:
        if not header_is_whole:
            with pytest.raises(ConfigError, match="--no-resume"):
                results.keep(names)
            return
        kept = results.keep(names)
        results.write(predictions[kept:], [""] * (20 - kept))
        results.finish()
    _, rows = read_results(path)
    assert [row.file for row in rows] == names


def test_a_partial_file_without_its_identity_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    write(path, [prediction("a.png", 0.5)], finish=False)
    (tmp_path / "r.csv.run.json").unlink()
    with ResultFile(path, CODES, IDENTITY) as results:
        assert results.keep(["a.png"]) == 0


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
