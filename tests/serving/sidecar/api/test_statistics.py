"""Statistics over HTTP are those of the domain, and never out of date."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from radar.ribbon import draw_ribbon
from radar.season_statistics import SeasonStatistics as Counted
from radar.season_statistics import count_season
from radar.season_tables import TABLES, as_csv, season_dict
from radar.seasons import find_zone
from serving.sidecar.api.statistics_models import Comparison, Drift, SeasonStatistics, Statistics
from tests.serving.sidecar.api.conftest import Records, series_of
from tests.serving.sidecar.process import VERSION, Sidecar, make_records


def counted(records: Records, zone: str = "UTC") -> Counted:
    return count_season(records[0]["season"], series_of(records), versions=(VERSION,), zone=zone)


@pytest.mark.parametrize("zone", ["UTC", "JST", "Europe/Oslo"])
def test_a_season_is_counted_as_the_domain_counts_it(sidecar: Sidecar, winter: Records, zone: str) -> None:
    answer = sidecar.ask(f"/v1/seasons/w2015/statistics?zone={zone}")
    assert answer.status == 200, answer
    assert answer.json == json.loads(json.dumps(season_dict(counted(winter, zone))))
    SeasonStatistics.model_validate(answer.json)
    assert (answer.json["classified"], answer.json["failed"], answer.json["missing"]) == (787, 3, 10)


def test_several_seasons_stand_in_one_answer(sidecar: Sidecar, winter: Records, other_winter: Records) -> None:
    answer = sidecar.ask("/v1/statistics?season=w2015&season=w2016")
    Statistics.model_validate(answer.json)
    assert answer.json["seasons"] == json.loads(
        json.dumps([season_dict(counted(one), whole=False) for one in (winter, other_winter)])
    )
    everything = sidecar.ask("/v1/statistics").json["seasons"]
    assert {"w2015", "w2016"} <= {one["name"] for one in everything}


@pytest.mark.parametrize("table", list(TABLES))
def test_tables_as_csv(sidecar: Sidecar, winter: Records, other_winter: Records, table: str) -> None:
    answer = sidecar.ask(f"/v1/statistics/{table}.csv?season=w2015&season=w2016&zone=JST")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text == as_csv([counted(winter, "JST"), counted(other_winter, "JST")], table)


def test_netcdf_holds_the_same_numbers(sidecar: Sidecar, winter: Records, tmp_path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4", reason="the extra [netcdf] is not installed")
    answer = sidecar.ask("/v1/seasons/w2015/statistics.nc?zone=JST")
    assert answer.headers["Content-Type"] == "application/x-netcdf"
    (tmp_path / "season.nc").write_bytes(answer.body)
    expected = counted(winter, "JST")
    with netcdf.Dataset(tmp_path / "season.nc") as data:
        assert data.Conventions == "CF-1.8"
        assert data.zone == "JST"
        np.testing.assert_array_equal(data["frames_by_month"][:], expected.month.counts)
        np.testing.assert_array_equal(data["event_frames"][:], [one.event.frames for one in expected.events])


def test_the_ribbon_is_the_same_picture(sidecar: Sidecar, winter: Records) -> None:
    answer = sidecar.ask("/v1/seasons/w2015/ribbon.png?zone=JST")
    assert answer.headers["Content-Type"] == "image/png"
    found = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    one = counted(winter, "JST")
    expected = draw_ribbon(
        one.series, one.cadence, one.colors, title=f"w2015, model {VERSION}", zone=find_zone("JST"), zone_name="JST"
    )
    np.testing.assert_array_equal(found, expected)


def test_a_frame_that_comes_in_is_in_the_next_answer(sidecar: Sidecar) -> None:
    records = make_records(40, season="growing")
    counts = []
    for part in (records[:20], records[20:21], records[21:]):
        sidecar.record(part)
        counts.append(sidecar.ask("/v1/statistics?season=growing").json["seasons"][0]["classified"])
    assert counts == [20, 21, 40]


def test_what_people_say_counts_where_it_is_asked_for(sidecar: Sidecar) -> None:
    records = make_records(30, season="reviewed", failed=[2])
    sidecar.record(records)
    frames = sidecar.ask("/v1/frames?season=reviewed").json["frames"]
    wrong = next(one for one in frames if one["mode"] not in (None, "DM"))

    def totals(labels: str) -> dict[str, int]:
        (season,) = sidecar.ask(f"/v1/statistics?season=reviewed&labels={labels}").json["seasons"]
        return {mode["code"]: mode["frames"] for mode in season["modes"]}

    before = totals("model")
    made = []
    for one in (wrong, frames[2]):
        body = json.dumps({"frame_id": one["id"], "mode": "DM", "reviewer": "me"}).encode()
        made.append(sidecar.ask("/v1/reviews", body=body, Content_Type="application/json").json["id"])
    assert totals("model") == before
    changed = totals("reviewed")
    # One frame left its mode, and one that could not be classified has one now.
    assert changed["DM"] == before["DM"] + 2
    assert changed[wrong["mode"]] == before[wrong["mode"]] - 1
    for review in made:
        assert sidecar.ask(f"/v1/reviews/{review}", method="DELETE").status == 200
    assert totals("reviewed") == before


def test_drift_compares_with_what_people_said(sidecar: Sidecar) -> None:
    records = make_records(60, season="drift", seed=5)
    sidecar.record(records)
    frames = sidecar.ask("/v1/frames?season=drift").json["frames"]
    lines = ["file,label"]
    for n, one in enumerate(frames[:20]):
        # A fourth of them is said to be another mode than the model's.
        lines.append(f"{one['frame']},{one['mode'] if n % 4 else 'NO' if one['mode'] != 'NO' else 'SY'}")
    body = "\n".join(lines).encode()
    done = sidecar.ask("/v1/seasons/drift/labels.csv?reviewer=me", body=body, Content_Type="text/csv")
    assert done.json == {"added": 20, "unchanged": 0}
    drift = sidecar.ask("/v1/seasons/drift/drift").json
    Drift.model_validate(drift)
    said = drift["reviewed"]
    assert (said["frames"], said["accuracy"]) == (20, 0.75)
    confidence = np.mean([one["confidence"] for one in frames[:20]])
    assert said["mean_confidence"] == pytest.approx(confidence, abs=1e-5)
    (month,) = drift["months"]
    assert month["mean_confidence"] == pytest.approx(np.mean([one["confidence"] for one in frames]), abs=1e-5)
    assert month["accepted_share"] == pytest.approx(np.mean([one["accepted"] for one in frames]), abs=1e-5)


def test_winters_side_by_side(sidecar: Sidecar, winter: Records, other_winter: Records) -> None:
    found = sidecar.ask("/v1/comparison?season=w2015&season=w2016").json
    Comparison.model_validate(found)
    assert [one["name"] for one in found["winters"]] == ["w2015", "w2016"]
    for one, records in zip(found["winters"], (winter, other_winter), strict=True):
        total = counted(records).total
        for k, mode in enumerate(one["modes"]):
            assert mode["frames"] == total.counts[0, k]
            assert mode["share_low"] < mode["share"] == pytest.approx(total.shares[0, k], abs=1e-6)
            assert mode["share"] < mode["share_high"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/statistics?season=w2051", 404, "no season 'w2051'"),
        ("/v1/statistics?season=w2015&version=5", 404, f"Expected one of: {VERSION}"),
        ("/v1/statistics?season=w2015&zone=Mars", 422, "expected UTC, JST or a name such as Asia/Tokyo"),
        ("/v1/statistics?gap_minutes=-1", 422, "gap_minutes"),
        ("/v1/statistics/weeks.csv", 422, "'modes', 'months'"),
        ("/v1/seasons/w2051/ribbon.png", 404, "no season"),
    ],
)
def test_wrong_questions_are_told(sidecar: Sidecar, winter: Records, path: str, status: int, said: str) -> None:
    answer = sidecar.ask(path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json["detail"]


def test_a_season_without_times_says_so(sidecar: Sidecar) -> None:
    records = make_records(3, season="untimed")
    for one in records:
        del one["time"]
    sidecar.record(records)
    answer = sidecar.ask("/v1/statistics?season=untimed")
    assert answer.status == 422
    assert "not one of 3 frames has a time" in answer.json["detail"]
