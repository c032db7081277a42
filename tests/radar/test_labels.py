"""Tables of labels, as people and spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from radar.errors import LabelsError
from radar.labels import Label, read_labels

CODES = ("SY", "VX", "LT")


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_file_and_label_are_enough(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label\nb.png,LT\nsub/a.png,SY\n")
    assert read_labels(path, CODES) == [Label("b.png", "LT"), Label("sub/a.png", "SY")]


def test_event_and_time_are_taken_where_they_are_known(tmp_path: Path) -> None:
    path = table(tmp_path, "time_utc,event,label,file\n2015-11-11T10:10:00Z,LT-16,LT,a.png\n,,SY,b.png\n")
    assert read_labels(path, CODES) == [Label("a.png", "LT", "LT-16", "2015-11-11T10:10:00Z"), Label("b.png", "SY")]


def test_what_a_spreadsheet_saves_is_read(tmp_path: Path) -> None:
    path = table(tmp_path, b'\xef\xbb\xbffile,label,note\r\n"a, b.png",LT,"two\r\nlines"\r\n\r\nc.png,SY\r\n')
    assert read_labels(path, CODES) == [Label("a, b.png", "LT"), Label("c.png", "SY")]


def test_frames_with_an_ignored_label_are_passed_over(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label\na.png,LT\nb.png,?\nc.png,SY\n")
    assert [label.file for label in read_labels(path, CODES, ignored=("?", "SY"))] == ["a.png"]
    with pytest.raises(LabelsError, match=r"expected the labels SY, VX, LT; received \?$"):
        read_labels(path, CODES)


def test_a_table_without_rows_has_no_labels(tmp_path: Path) -> None:
    assert read_labels(table(tmp_path, "file,label\n"), CODES) == []


@pytest.mark.parametrize(
    ("content", "required", "message"),
    [
        ("file,label\na.png,XX\nb.png,SY\nc.png,??\n", (), r"expected the labels SY, VX, LT; received \?\?, XX$"),
        ("file,mode\na.png,SY\n", (), "expected columns file, label; label missing"),
        ("", (), "expected columns file, label; file, label missing"),
        ("file,label\na.png,SY\n", ("event",), "expected columns file, label, event; event missing"),
        ("file,label\na.png,SY\nb.png\n", (), r"line 3: expected file, label filled in, received \{'file': 'b.png'"),
        ("file,label\n\n\n,SY\n", (), "line 4: expected file, label filled in"),
        ("file,label,event\na.png,SY,\n", ("event",), "line 2: expected file, label, event filled in"),
        ("file,label\na.png,SY\nb.png,LT\na.png,LT\n", (), r"lines 2 and 4: a\.png is labelled twice"),
        (b"file,label\n\xff.png,SY\n", (), "cannot be read as CSV in UTF-8: .*invalid start byte"),
        ("file,label\n" + "x" * 200_000 + ",SY\n", (), "cannot be read as CSV in UTF-8: field larger"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, content: str | bytes, required: tuple[str, ...], message: str
) -> None:
    path = table(tmp_path, content)
    with pytest.raises(LabelsError, match=message) as raised:
        read_labels(path, CODES, required=("file", "label", *required))
    assert str(raised.value).startswith(f"{path}: ")


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"none\.csv: cannot be read: No such file or directory"):
        read_labels(tmp_path / "none.csv", CODES)
    with pytest.raises(LabelsError, match="cannot be read: Is a directory"):
        read_labels(tmp_path, CODES)
