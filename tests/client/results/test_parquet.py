"""Results as Parquet hold what the CSV holds, with types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.results.rows import read_results
from tests.client.results.test_netcdf import SEASON, results

parquet = pytest.importorskip("pyarrow.parquet")


def test_every_row_of_the_csv_is_there_with_types(tmp_path: Path) -> None:
    from client.results.parquet import write

    path = results(tmp_path, SEASON)
    table = parquet.read_table(write(path))
    assert [field.name for field in table.schema] == path.read_text().splitlines()[0].split(",")
    rows = table.to_pylist()
    for row, expected in zip(rows, read_results(path)[1], strict=True):
        assert row["file"] == expected.file
        assert row["label"] == (expected.label or None)
        assert [row["p_A"], row["p_B"]] == pytest.approx(list(expected.probabilities) or [None, None])
        assert row["entropy"] == (None if expected.entropy is None else pytest.approx(expected.entropy))
        assert row["accepted"] == (expected.accepted if expected.label else None)
        assert row["error"] == (expected.error or None)
        assert row["model_version"] == 7
    assert rows[0]["time_utc"] == datetime(2015, 12, 1, 0, 10, tzinfo=UTC)
    assert rows[-1]["time_utc"] is None
    metadata = table.schema.metadata
    assert json.loads(metadata[b"snowmode.run"])["folder"] == "/winters/冬2015"
    assert json.loads(metadata[b"snowmode.model_card"])["recipe"] == "stand-in"


def test_row_groups_keep_memory_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from client.results import parquet as ours

    monkeypatch.setattr(ours, "_ROWS", 2)
    path = ours.write(results(tmp_path, SEASON))
    assert parquet.ParquetFile(path).num_row_groups == 3
    assert parquet.read_table(path)["file"].to_pylist() == list(SEASON)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    from client.results.parquet import write

    path = results(tmp_path, SEASON)
    (tmp_path / "r.parquet").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"r\.parquet"):
        write(path)
    assert sorted(tmp_path.iterdir()) == before
