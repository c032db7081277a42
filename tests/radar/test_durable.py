"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from radar import durable


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    with durable.replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    durable.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), durable.replacing(path) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_written_in_utf_8(tmp_path: Path) -> None:
    durable.write_text(tmp_path / "雪", "筋状")
    assert (tmp_path / "雪").read_bytes() == "筋状".encode()
