"""Records of predictions, as they go to the sidecar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from serving.protocol.records import MAX_ERROR, PredictionRecord

GOOD = {
    "season": "w26",
    "frame": "sub/202601010000.png",
    "time": "2026-01-01T00:00:00Z",
    "model": "snowmode",
    "model_version": 202611211200,
    "probabilities": {"SY": 0.75, "NO": 0.25},
    "accepted": True,
}


def test_a_record_comes_back_as_it_was_with_its_modes_in_order() -> None:
    record = PredictionRecord.model_validate(GOOD)
    assert PredictionRecord.model_validate_json(record.model_dump_json()) == record
    assert list(record.probabilities) == ["SY", "NO"]
    assert record.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert (record.revision, record.error) == (1, "")


def test_a_later_release_may_say_more() -> None:
    assert PredictionRecord.model_validate({**GOOD, "entropy": 0.5}) == PredictionRecord.model_validate(GOOD)


def test_a_frame_that_could_not_be_classified() -> None:
    record = PredictionRecord.model_validate({**GOOD, "probabilities": {}, "error": "is truncated", "time": None})
    assert record.time is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"probabilities": {}}, "probabilities, or an error"),
        ({"error": "is truncated"}, "probabilities, or an error"),
        ({"probabilities": {"SY": 1.5}}, "from 0 to 1"),
        ({"probabilities": {"SY": float("nan")}}, "from 0 to 1"),
        ({"season": ""}, "season"),
        ({"season": "2015/16"}, "season"),
        ({"frame": "x" * 1001}, "frame"),
        ({"frame": "a\x00b"}, "frame"),
        ({"time": "2216-01-01T00:00:00Z"}, "from 1950 to 2199"),
        ({"revision": 0}, "revision"),
        ({"model_version": -1}, "model_version"),
        ({"probabilities": {}, "error": "x" * (MAX_ERROR + 1)}, "error"),
    ],
)
def test_what_is_no_record(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        PredictionRecord.model_validate({**GOOD, **change})
