"""`client stats` as a process: result files in, tables, pictures and NetCDF out."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from client.results.rows import columns_for
from client.results.runs import Record, RunIdentity, record_file, write_record
from radar.ribbon import FAILED, MISSING, OUTSIDE, ROW, WIDTH, draw_ribbon, grid_of
from radar.seasons import find_zone, format_utc
from tests.client.command import client, rows_of
from tests.radar.test_statistics import TEN, series_of
from tests.serving.stand_in import CARD

CODES = ("LT", "NO")


def write_results(
    path: Path, modes: str, *, start: str = "2015-11-30T23:30Z", codes: tuple[str, ...] = CODES
) -> Path:
    """One frame a letter: L, N; x could not be classified; a dot is missing; ? has no time."""
    begin = datetime.fromisoformat(start)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns_for(codes))
        for n, letter in enumerate(modes):
            time = "" if letter == "?" else format_utc(begin + n * TEN)
            name = f"pr2hse{n:05d}.png"
            if letter == "x":
                writer.writerow([name, time, "", *[""] * (len(codes) + 2), 7, "is empty (0 bytes)"])
            elif letter != ".":
                k = int(letter == "N")
                p = ["0.900000", "0.100000"][:: 1 - 2 * k]
                writer.writerow([name, time, codes[k], *p, "0.3251", "1" if letter == "L" else "0", 7, ""])
    return path


def test_text_tells_counts_shares_events_and_what_is_missing(tmp_path: Path) -> None:
    results = write_results(tmp_path / "hse20152016.csv", "LLLLL..NNxL?")
    done = client("stats", results)
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert "8 frames classified, 2015-11-30 23:30 to 2015-12-01 01:10 UTC" in done.stdout
    assert "2 of 11 frames missing (18.2%), at one every 10 min" in done.stdout
    assert "1 frames could not be classified" in done.stdout
    assert "1 frames left out, as they have no time" in done.stdout
    assert ["LT", "6", "75.0%", "70.0%", "100.0%", "2", "0.7", "0.1", "0.2", "0.3", "0.5", "0.6", "0.7"] in words
    assert ["2015-11", "3", "0", "100.0%", "0.0%"] in words
    assert ["2015-12", "5", "2", "60.0%", "40.0%"] in words
    assert ["LT", "100.0%", "0.0%", "4"] in words


def test_files_hold_what_was_counted(tmp_path: Path) -> None:
    results = write_results(tmp_path / "hse20152016.csv", "LLLLL..NNxL")
    done = client("stats", results, "--out", tmp_path / "out", "--zone", "JST", "--json")
    assert done.returncode == 0, done.stderr
    (season,) = json.loads(done.stdout)["seasons"]
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} >= {
        *(f"{name}.csv" for name in ("modes", "months", "days", "hours", "events", "transitions")),
        "ribbon_hse20152016.png",
    }
    modes = rows_of(out / "modes.csv")
    assert [(row["season"], row["mode"], row["frames"]) for row in modes] == [
        ("hse20152016", "LT", "6"),
        ("hse20152016", "NO", "2"),
    ]
    assert float(modes[0]["mean_p"]) == pytest.approx(0.7)
    (month,) = rows_of(out / "months.csv")  # all of it in December, in Japan
    assert (month["zone"], month["month"], month["LT"], month["failed"]) == ("JST", "2015-12", "6", "1")
    hours = {(row["zone"], row["hour"]): row for row in rows_of(out / "hours.csv")}
    assert len(hours) == 48
    assert hours["UTC", "23"]["LT"] == hours["JST", "08"]["LT"] == "3"
    assert hours["UTC", "12"]["share_LT"] == ""
    events = rows_of(out / "events.csv")
    assert events[0]["start"] == "2015-11-30T23:30:00Z"
    assert (events[0]["frames"], events[0]["peak_p"]) == ("5", "0.9")
    assert season["events"][0]["start"] == events[0]["start"]
    assert season["months"][0]["modes"]["LT"]["frames"] == 6
    assert season["hours_utc"][12]["modes"]["LT"]["share"] is None
    assert season["transitions"]["counts"] == [[4, 0], [0, 1]]
    assert season["missing"] == 2


def test_winters_stand_side_by_side(tmp_path: Path) -> None:
    first = write_results(tmp_path / "hse20142015.csv", "LLNN", start="2014-12-31T23:40Z")
    second = write_results(tmp_path / "hse20152016.csv", "LNNNNN")
    done = client("stats", first, second, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["share", "of", "frames", "hse20142015", "hse20152016"] in words
    assert ["LT", "50.0%", "16.7%"] in words
    assert ["LT", "12", "100.0%", "0.0%"] in words
    assert ["LT", "11", "-", "33.3%"] in words
    assert {row["season"] for row in rows_of(tmp_path / "out" / "days.csv")} == {"hse20142015", "hse20152016"}
    assert (tmp_path / "out" / "ribbon_hse20142015.png").exists()


def test_many_files_of_a_winter_are_one_season(tmp_path: Path) -> None:
    one = write_results(tmp_path / "a.csv", "LLN", start="2015-12-31T23:40Z")
    two = write_results(tmp_path / "b.csv", "NN", start="2016-01-01T00:00Z")  # its first frame is in a.csv too
    three = write_results(tmp_path / "c.csv", "L", start="2016-12-01T00:00Z")
    done = client("stats", one, two, three, "--winters", "--json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    seasons = json.loads(done.stdout)["seasons"]
    assert [(s["name"], s["classified"], s["repeated"]) for s in seasons] == [("2015/16", 4, 1), ("2016/17", 1, 0)]
    assert (tmp_path / "out" / "ribbon_2015-16.png").exists()


def test_the_record_of_the_run_knows_cadence_and_colours(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", "A.B.A".replace("A", "L").replace("B", "N"), codes=("A", "B"))
    card = CARD.model_copy(update={"synthetic": True})
    record = Record(RunIdentity("f", "snowmode", 7, columns_for(("A", "B")), 0.0), card, cadence_minutes=10.0)
    without = json.loads(client("stats", results, "--json").stdout)["seasons"][0]
    assert (without["cadence_minutes"], without["missing"]) == (20, 0)
    write_record(record_file(results), record)
    done = client("stats", results, "--out", tmp_path / "out")
    assert "2 of 5 frames missing" in done.stdout
    assert "synthetic" in done.stdout
    ribbon = cv2.imread(str(tmp_path / "out" / "ribbon_r.png"))[..., ::-1]
    black = (ribbon.reshape(-1, 3) == 0).all(axis=1).sum()  # the card says both modes are black
    assert black >= 3 * ROW * (WIDTH // 144)
    chosen = client("stats", results, "--json", "--cadence", "5").stdout
    assert json.loads(chosen)["seasons"][0]["missing"] == 6


def test_netcdf_follows_the_conventions(tmp_path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    results = write_results(tmp_path / "hse20152016.csv", "LLLLL..NNxL")
    done = client("stats", results, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with netcdf.Dataset(tmp_path / "out" / "season_hse20152016.nc") as data:
        assert data.Conventions == "CF-1.8"
        assert data["mode"][:].tolist() == ["LT", "NO"]
        months = netcdf.num2date(data["month"][:], data["month"].units, data["month"].calendar)
        assert [f"{month:%Y-%m-%d}" for month in months] == ["2015-11-01", "2015-12-01"]
        assert data["month_bounds"][:].tolist()[0][1] == data["month"][1]
        np.testing.assert_array_equal(data["frames_by_month"][:], [[3, 0], [3, 2]])
        assert data["missing_by_day"][:].tolist() == [0, 2]
        assert np.ma.is_masked(data["share_by_hour"][12, 0])
        starts = netcdf.num2date(data["event_start"][:], data["event_start"].units)
        assert f"{starts[0]:%Y-%m-%dT%H:%M}" == "2015-11-30T23:30"
        assert data["event_mode"].flag_meanings == "LT NO"
        assert data["event_mode"][:].tolist() == [0, 1, 0]
        np.testing.assert_allclose(data["duration_longest"][:], [4 / 6, 1 / 6])
        np.testing.assert_array_equal(data["transitions"][:], [[4, 0], [0, 1]])
        for name, variable in data.variables.items():
            assert name.endswith("_bounds") or variable.long_name


# What goes wrong.


def test_results_without_times_say_what_to_do(tmp_path: Path) -> None:
    done = client("stats", write_results(tmp_path / "r.csv", "???"))
    assert done.returncode == 2
    assert "--pattern" in done.stderr
    assert "r:" in done.stderr


def test_models_with_other_modes_cannot_stand_side_by_side(tmp_path: Path) -> None:
    one = write_results(tmp_path / "a.csv", "LL")
    two = write_results(tmp_path / "b.csv", "LL", codes=("LT", "VX"))
    done = client("stats", one, two)
    assert done.returncode == 2
    assert "expected the modes LT, NO" in done.stderr
    assert "received LT, VX" in done.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--zone", "Mars"), "Mars"),
        (("--cadence", "0"), "--cadence"),
        (("--cadence", "-5"), "--cadence"),
    ],
)
def test_wrong_options(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    done = client("stats", write_results(tmp_path / "r.csv", "LL"), *words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_file_twice_and_another_file(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", "LL")
    assert "twice" in client("stats", results, results).stderr
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    done = client("stats", tmp_path / "x.csv")
    assert done.returncode == 2
    assert "expected a result file" in done.stderr


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = client("stats", write_results(tmp_path / "r.csv", "LL"), "--out", tmp_path / "file")
    assert done.returncode == 4
    assert "cannot be written" in done.stderr


# The ribbon.


def test_the_ribbon_has_a_row_a_day_and_a_cell_a_frame() -> None:
    series = series_of("LLx..SN", start="2015-12-31T23:30Z")
    days, grid = grid_of(series, TEN)
    assert days.astype(str).tolist() == ["2015-12-31", "2016-01-01"]
    assert grid.shape == (2, 144)
    assert grid[0, 141:].tolist() == [0, 0, FAILED]
    assert grid[1, :4].tolist() == [MISSING, MISSING, 2, 1]
    assert (grid[0, :141] == OUTSIDE).all()
    assert (grid[1, 4:] == OUTSIDE).all()
    days, grid = grid_of(series, TEN, zone=find_zone("JST"))
    assert days.astype(str).tolist() == ["2016-01-01"]
    assert grid[0, 51:58].tolist() == [0, 0, FAILED, MISSING, MISSING, 2, 1]


def test_the_ribbon_shows_the_colours_of_the_modes() -> None:
    series = series_of("LLx..SN", start="2015-12-31T23:30Z")
    colors = {"LT": "#112233", "NO": "#445566", "SY": "#778899"}
    picture = draw_ribbon(series, TEN, colors, title="t")
    across = WIDTH // 144
    legend = 14 * 20
    for color, cells in (((0x11, 0x22, 0x33), 2), ((0x44, 0x55, 0x66), 1), ((0x77, 0x88, 0x99), 1)):
        assert (picture == color).all(axis=2).sum() == cells * across * ROW + legend


@pytest.mark.parametrize("minutes", [1, 5, 7, 60, 1440])
def test_ribbons_of_any_cadence(minutes: int) -> None:
    series = series_of("LN" * 40)
    cadence = timedelta(minutes=minutes)
    times = series.times[0] + np.arange(len(series.times)) * np.timedelta64(minutes, "m")
    later = type(series)(series.codes, times, series.modes, series.probabilities, series.accepted)
    _, grid = grid_of(later, cadence)
    assert (grid >= 0).sum() == len(times)
    picture = draw_ribbon(later, cadence, {"LT": "#112233", "NO": "#445566", "SY": "#778899"}, title="t")
    assert picture.shape[1] < 2000
