"""Seasons, frames and reviews over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from radar.labels import read_labels
from tests.serving.sidecar.api.conftest import Records
from tests.serving.sidecar.process import CODES, VERSION, Answer, Sidecar, make_records


def send(sidecar: Sidecar, path: str, content: Any, method: str = "POST") -> Answer:
    return sidecar.ask(path, body=json.dumps(content).encode(), method=method, Content_Type="application/json")


def test_a_season_is_made_by_its_records_and_told_more(sidecar: Sidecar) -> None:
    sidecar.record(make_records(3, season="told"))
    said = {"start": "2015-11-01T09:00:00+09:00", "cadence_minutes": 10, "time_rule": "index"}
    assert send(sidecar, "/v1/seasons/told", said, "PUT").status == 200
    assert send(sidecar, "/v1/seasons/told", {"cadence_minutes": 5}, "PUT").status == 200
    assert sidecar.ask("/v1/seasons/told").json == {
        "name": "told",
        "start": "2015-11-01T00:00:00Z",
        "cadence_minutes": 5,
        "time_rule": "index",
        "series": [
            {
                "model": "snowmode",
                "version": VERSION,
                "modes": list(CODES),
                "frames": 3,
                "first": "2015-12-01T00:00:00Z",
                "last": "2015-12-01T00:20:00Z",
            }
        ],
    }
    assert "told" in [one["name"] for one in sidecar.ask("/v1/seasons").json]


def test_the_cadence_said_tells_what_is_missing(sidecar: Sidecar) -> None:
    sidecar.record(make_records(10, season="sparse"))

    def missing() -> int:
        return int(sidecar.ask("/v1/statistics?season=sparse").json["seasons"][0]["missing"])

    assert missing() == 0
    send(sidecar, "/v1/seasons/sparse", {"cadence_minutes": 5}, "PUT")
    assert missing() == 9


def test_frames_are_paged_and_filtered(sidecar: Sidecar, winter: Records) -> None:
    names, after = [], ""
    while True:
        page = sidecar.ask(f"/v1/frames?season=w2015&limit=300{after}").json
        names += [one["frame"] for one in page["frames"]]
        if page["after"] is None:
            break
        after = f"&after={page['after']}"
    assert names == [one["frame"] for one in winter]
    found = sidecar.ask("/v1/frames?season=w2015&mode=LT&min_confidence=0.6&since=2015-11-29T00:00:00Z&limit=1000")
    expected = [
        one["frame"]
        for one in winter
        if one["time"] >= "2015-11-29" and one.get("probabilities", {}).get("LT", 0) >= 0.6
    ]
    assert [one["frame"] for one in found.json["frames"]] == expected


def test_a_frame_tells_all_that_is_known_of_it(sidecar: Sidecar) -> None:
    sidecar.record(make_records(2, season="one", sha256="ab12") + make_records(2, season="one", version=7, seed=2))
    frame = sidecar.ask("/v1/frames?season=one&limit=1").json["frames"][0]
    made = send(sidecar, "/v1/reviews", {"frame_id": frame["id"], "mode": "VX", "reviewer": "中井", "note": "渦"})
    assert made.status == 201
    found = sidecar.ask(f"/v1/frames/{frame['id']}").json
    assert (found["season"], found["frame"], found["time"], found["sha256"]) == (
        "one",
        "pr2hse00000.png",
        "2015-12-01T00:00:00Z",
        "ab12",
    )
    assert [one["version"] for one in found["predictions"]] == [VERSION, 7]
    assert found["reviews"] == [made.json]
    assert (made.json["reviewer"], made.json["note"]) == ("中井", "渦")


def test_reviews_go_out_as_labels_that_training_reads_and_come_in_again(sidecar: Sidecar, tmp_path: Any) -> None:
    for season in ("out", "in"):
        sidecar.record(make_records(12, season=season))
    for frame in sidecar.ask("/v1/frames?season=out&limit=4").json["frames"]:
        send(sidecar, "/v1/reviews", {"frame_id": frame["id"], "mode": "DM", "reviewer": "me"})
    table = sidecar.ask("/v1/seasons/out/labels.csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="labels.csv"'
    (tmp_path / "labels.csv").write_bytes(table.body)
    labels = read_labels(tmp_path / "labels.csv", CODES)
    assert [(one.file, one.mode, one.time_utc) for one in labels] == [
        (f"pr2hse{n:05d}.png", "DM", f"2015-12-01T00:{n}0:00Z") for n in range(4)
    ]
    path = "/v1/seasons/in/labels.csv?reviewer=me"
    assert sidecar.ask(path, body=table.body, Content_Type="text/csv").json == {"added": 4, "unchanged": 0}
    assert sidecar.ask(path, body=table.body, Content_Type="text/csv").json == {"added": 0, "unchanged": 4}
    assert len(sidecar.ask("/v1/reviews?season=in").json) == 4


@pytest.mark.parametrize(
    ("table", "status", "said"),
    [
        ("file,label\npr2hse00000.png,XX\n", 422, "received XX"),
        ("file\npr2hse00000.png\n", 422, "label missing"),
        ("file,label\npr2hse00000.png,LT\nnothing.png,LT\n", 404, "no frame 'nothing.png' (1 of 2 are unknown)"),
        ("file,label\npr2hse00000.png,LT\npr2hse00000.png,SY\n", 422, "labelled twice"),
        ("\x00\x01", 422, "labels.csv"),
    ],
)
def test_a_wrong_table_adds_nothing(sidecar: Sidecar, table: str, status: int, said: str) -> None:
    sidecar.record(make_records(2, season="tables"))
    path = "/v1/seasons/tables/labels.csv?reviewer=me"
    answer = sidecar.ask(path, body=table.encode(), Content_Type="text/csv")
    assert answer.status == status, answer
    assert said in answer.json["detail"]
    assert sidecar.ask("/v1/reviews?season=tables").json == []


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({"frame_id": 10**9, "mode": "LT", "reviewer": "me"}, 404, "no frame with the id 1000000000"),
        ({"frame_id": 1, "mode": "XX", "reviewer": "me"}, 422, "expected one of SY, VX, LT, DM, NO, received XX"),
        ({"frame_id": 1, "mode": "LT", "reviewer": ""}, 422, "reviewer"),
        ({"frame_id": 1, "mode": "LT", "reviewer": "a\x00b"}, 422, "reviewer"),
        ({"frame_id": 1, "mode": "LT"}, 422, "reviewer"),
        ({"frame_id": 2**70, "mode": "LT", "reviewer": "me"}, 422, "frame_id"),
    ],
)
def test_a_wrong_review_is_refused(sidecar: Sidecar, content: Any, status: int, said: str) -> None:
    answer = send(sidecar, "/v1/reviews", content)
    assert answer.status == status, answer
    assert said in answer.json["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probabilities": {"SY": 1.5}}, "from 0 to 1"),
        ({"time": "0001-01-01T00:00:00+09:00"}, "expected a time from 1950"),
        ({"frame": "a\x00b"}, "frame"),
        ({"revision": 2**40}, "revision"),
        ({"model_version": 2**64}, "model_version"),
        ({"season": ""}, "season"),
    ],
)
def test_one_bad_record_refuses_its_request_and_is_named_by_its_line(
    sidecar: Sidecar, change: dict[str, Any], said: str
) -> None:
    records = make_records(3, season="bad records")
    records[1] |= change
    answer = sidecar.record(records)
    assert answer.status == 422, answer
    assert "Line 2" in answer.json["detail"]
    assert said in answer.json["detail"]
    assert sidecar.ask("/v1/seasons/bad%20records").status == 404
