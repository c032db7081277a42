"""Results as CF NetCDF: read back as others read it, with gaps, strangers and repeated times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from client.errors import ConfigError
from client.results.file import ResultFile
from client.results.formats import check_formats
from client.results.netcdf import write
from client.results.rows import columns_for
from client.results.runs import Record, RunIdentity, record_file
from serving.protocol.pipeline import Prediction
from tests.serving.stand_in import CARD

xarray = pytest.importorskip("xarray")

NAMED = CARD.model_copy(
    update={"modes": tuple(m.model_copy(update={"name_en": f"mode {m.code}, small"}) for m in CARD.modes)}
)
IDENTITY = RunIdentity("/winters/冬2015", "snowmode", 7, columns_for(CARD.codes), 0.6)


def results(folder: Path, rows: dict[str, tuple[str, float | None]], minutes: float | None = 10) -> Path:
    """A finished result file: name -> (time, probability of the first mode)."""
    path = folder / "r.csv"
    predictions = [
        Prediction(name, None if p is None else np.array([p, 1 - p], np.float32), "" if p is not None else "is empty")
        for name, (_, p) in rows.items()
    ]
    record = Record(IDENTITY, NAMED, "client classify x", minutes)
    with ResultFile(path, CARD.codes, IDENTITY, list(rows), record=record) as file:
        file.write(predictions, [time for time, _ in rows.values()])
        file.finish()
    return path


SEASON = {
    "b.png": ("2015-12-01T00:10:00Z", 0.25),
    "a.png": ("2015-12-01T00:00:00Z", 0.75),
    "again.png": ("2015-12-01T00:10:00Z", 0.9),
    "bad.png": ("2015-12-01T00:20:00Z", None),
    "c.png": ("2015-12-01T00:50:00Z", 0.55),
    "legend.png": ("", 0.5),
}


def test_every_moment_has_its_place_and_gaps_are_missing_values(tmp_path: Path) -> None:
    with xarray.open_dataset(write(results(tmp_path, SEASON)), mask_and_scale=False) as data:
        assert data.sizes == {"time": 6, "mode": 2}
        assert data.time.values.tolist() == [
            np.datetime64(f"2015-12-01T00:{minute:02d}", "ns").astype(int) for minute in range(0, 60, 10)
        ]
        assert data.file.values.tolist() == ["a.png", "b.png", "bad.png", "", "", "c.png"]
        assert data.status.values.tolist() == [0, 0, 1, 2, 2, 0]
        assert data.label.values.tolist() == [0, 1, -1, -1, -1, 0]
        assert data.accepted.values.tolist() == [1, 1, -1, -1, -1, 0]
        assert data.comment.startswith("2 frames are left out")
    with xarray.open_dataset(write(tmp_path / "r.csv")) as data:
        expected = [[0.75, 0.25], [0.25, 0.75], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2, [0.55, 0.45]]
        np.testing.assert_allclose(data.probability.values, expected, atol=1e-6)
        assert np.isnan(data.entropy.values[2:5]).all()
        assert data.entropy.values[0] == pytest.approx(0.5623, abs=1e-4)


def test_flags_units_and_attributes_say_what_the_values_are(tmp_path: Path) -> None:
    with xarray.open_dataset(write(results(tmp_path, SEASON)), mask_and_scale=False, decode_times=False) as data:
        assert data.Conventions == "CF-1.8"
        assert data.label.dtype == np.int8
        assert data.label.flag_values.tolist() == [0, 1]
        assert data.label.flag_meanings == "mode_A_small mode_B_small"
        assert data.label._FillValue == -1
        assert data.status.flag_meanings.split() == ["classified", "could_not_be_classified", "frame_missing"]
        assert data.probability.units == data.entropy.units == "1"
        assert data.mode.values.tolist() == ["A", "B"]
        assert (data.time.standard_name, data.time.units) == ("time", "seconds since 1970-01-01 00:00:00")
        assert data.title == "Snowfall modes of 冬2015"
        assert data.source == "model snowmode version 7, recipe stand-in"
        assert data.history.endswith("Z client classify x")
        assert {"lat", "lon", "latitude", "longitude"}.isdisjoint(data.variables)


def test_without_times_frames_stand_in_the_order_of_the_csv(tmp_path: Path) -> None:
    rows = {name: ("", p) for name, (_, p) in SEASON.items()}
    with xarray.open_dataset(write(results(tmp_path, rows))) as data:
        assert data.sizes == {"frame": 6, "mode": 2}
        assert data.file.values.tolist() == list(rows)
        assert "time" not in data.variables


def test_without_a_cadence_there_are_no_gaps(tmp_path: Path) -> None:
    with xarray.open_dataset(write(results(tmp_path, SEASON, minutes=None))) as data:
        assert data.sizes["time"] == 4


def test_a_date_with_a_wrong_century_does_not_cost_a_century(tmp_path: Path) -> None:
    rows = SEASON | {"old.png": ("1015-12-01T00:00:00Z", 0.5)}
    with xarray.open_dataset(write(results(tmp_path, rows)), decode_times=False) as data:
        assert data.sizes["time"] == 7
        assert data.time.values[0] == datetime(1015, 12, 1, tzinfo=UTC).timestamp()


def test_a_result_file_of_an_old_release_has_no_record_and_is_written_all_the_same(tmp_path: Path) -> None:
    path = results(tmp_path, SEASON)
    record_file(path).unlink()
    with xarray.open_dataset(write(path)) as data:
        assert data.label.flag_meanings == "A B"


def test_a_name_that_is_no_text_is_written_as_text(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    with xarray.open_dataset(write(results(tmp_path, {name: ("", 0.5)}))) as data:
        assert data.file.values.tolist() == ["caf\\xe9.png"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = results(tmp_path, SEASON)
    (tmp_path / "r.nc").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"r\.nc"):
        write(path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_format_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("netcdf", "parquet"):
        with pytest.raises(ConfigError, match=rf"pip install 'snowmode\[{name}\]'"):
            check_formats(["csv", name])
    check_formats(["csv", "nakai"])
