"""Health, metrics and logs."""

from __future__ import annotations

import io
import json
import logging
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.sidecar.operations import logs
from serving.sidecar.operations.health import Health
from serving.sidecar.operations.logs import FIELDS, JsonLines, TextLines, request_id
from tests.serving.sidecar.process import make_records


class Part:
    """A part that is well, away, or hangs."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        self.go_on.wait()
        if self.error:
            raise self.error


@pytest.fixture
def part():
    part = Part()
    yield part
    part.go_on.set()


def test_a_part_that_is_away_is_told_with_its_reason(part):
    health = Health({"database": part, "archive": Part()}, kept=0)
    assert health.check_parts() == {"database": None, "archive": None}
    part.error = ValueError("no such\n  file")
    assert health.check_parts() == {"database": "no such file", "archive": None}
    part.error = ValueError()
    assert health.check_parts()["database"] == "ValueError"
    part.error = None
    assert health.check_parts()["database"] is None


def test_what_was_found_holds_for_a_while(part):
    health = Health({"database": part}, kept=3600)
    for _ in range(10):
        health.check_parts()
    assert part.asked == 1


def test_a_part_that_hangs_costs_a_probe_its_patience_and_one_thread(part):
    part.go_on.clear()
    health = Health({"database": part}, patience=0.02, kept=0)
    for _ in range(20):
        assert health.check_parts() == {"database": "does not answer within 0.02 s"}
    assert part.asked == 1
    part.go_on.set()
    deadline = time.monotonic() + 30
    while health.check_parts()["database"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_part_that_hangs_does_not_hide_another(part):
    part.go_on.clear()
    other = Part()
    other.error = ValueError("away")
    found = Health({"database": part, "archive": other}, patience=0.2, kept=0).check_parts()
    assert found["archive"] == "away"


def test_readiness_names_each_part(make_client, tmp_path):
    (tmp_path / "archive").mkdir()
    client = make_client(archive=tmp_path / "archive")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    told = answer.json()
    assert told["ready"] is False
    assert told["parts"]["database"] == told["parts"]["archive"] == {"ready": True}
    assert "127.0.0.1:1" in told["parts"]["model server"]["reason"]
    assert client.get("/healthz").json() == {"alive": True}


def test_readiness_with_everything_there_and_an_archive_that_goes(make_client, server, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.sidecar.operations.health.KEPT", 0.0)
    archive = tmp_path / "archive"
    archive.mkdir()
    client = make_client(server=server, archive=archive)
    health = client.app.state.services.health
    health._kept = 0.0
    assert client.get("/readyz").json()["ready"] is True
    archive.rename(tmp_path / "elsewhere")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "No such file" in answer.json()["parts"]["archive"]["reason"]
    (tmp_path / "elsewhere").rename(archive)
    assert client.get("/readyz").status_code == 200


def test_a_server_that_does_not_have_the_model_is_not_ready(make_client, server):
    answer = make_client(server=server, model="another").get("/readyz")
    assert answer.status_code == 503
    assert "another" in answer.json()["parts"]["model server"]["reason"] or "NOT_FOUND" in answer.text


def samples(client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for one in family.samples:
            found[f"{one.name}{{{','.join(f'{k}={v}' for k, v in sorted(one.labels.items()))}}}"] = one.value
    return found


def test_metrics_count_requests_by_route_and_frames_by_outcome(make_client):
    client = make_client()
    body = "".join(json.dumps(one) + "\n" for one in make_records(7))
    for _ in range(2):
        client.post("/v1/predictions", content=body, headers={"Content-Type": "application/x-ndjson"})
    for n in range(5):
        client.get(f"/v1/frames/{1000 + n}")
    client.get("/nothing/at/all")
    client.request("BREW", "/v1/seasons")
    found = samples(client)
    prefix = "snowmode_sidecar_"
    assert found[f"{prefix}requests_total{{method=POST,route=/v1/predictions,status=200}}"] == 2
    assert found[f"{prefix}requests_total{{method=GET,route=/v1/frames/{{frame_id}},status=404}}"] == 5
    assert found[f"{prefix}requests_total{{method=GET,route=(none),status=404}}"] == 1
    assert any("method=other" in name for name in found)
    assert not any("BREW" in name or "nothing" in name or "1000" in name for name in found)
    assert found[f"{prefix}recorded_frames_total{{outcome=new}}"] == 7
    assert found[f"{prefix}recorded_frames_total{{outcome=unchanged}}"] == 7
    assert found[f"{prefix}request_seconds_count{{route=/v1/predictions}}"] == 2
    assert found[f"{prefix}up{{part=database}}"] == 1
    assert found[f"{prefix}up{{part=model server}}"] == 0
    newest = found[f"{prefix}newest_frame_timestamp_seconds{{season=hse20152016}}"]
    assert newest == 1448928000 + 6 * 600
    assert found[f"{prefix}newest_frame_age_seconds{{season=hse20152016}}"] == pytest.approx(
        time.time() - newest, abs=60
    )
    assert found[f"{prefix}database_connections{{}}"] >= 0


def test_an_id_is_made_or_taken_over_if_it_is_sane(make_client):
    client = make_client()
    made = {client.get("/healthz").headers["X-Request-ID"] for _ in range(20)}
    assert len(made) == 20
    assert (
        client.get("/healthz", headers={"X-Request-ID": "from-the-proxy.7"}).headers["X-Request-ID"]
        == "from-the-proxy.7"
    )
    for strange in ("", "a b", "x" * 65, "<script>", 'a"b', "a\tb"):
        assert client.get("/healthz", headers={"X-Request-ID": strange}).headers["X-Request-ID"] != strange


def test_something_unforeseen_is_an_answer_with_the_id_and_a_line_with_the_traceback(
    make_client, caplog, monkeypatch
):
    client = make_client()
    monkeypatch.setattr("serving.sidecar.store.seasons.list_seasons", lambda _: 1 / 0, raising=True)
    with caplog.at_level(logging.INFO):
        answer = client.get("/v1/seasons", headers={"X-Request-ID": "night-7"})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "night-7" in answer.json()["detail"]
    assert "ZeroDivisionError" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


def logged(formatter: logging.Formatter, text: str, *words: object, **more: object) -> str:
    stream = io.StringIO()
    logger = logging.Logger("snowmode.test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.warning(text, *words, **more)
    return stream.getvalue()


def test_a_json_line_is_one_line_whatever_it_says():
    token = request_id.set("abc")
    try:
        text = logged(JsonLines(), 'a "b"\nc %s', "雪", extra={FIELDS: {"status": 200, "path": "/x\n"}})
    finally:
        request_id.reset(token)
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["message"] == 'a "b"\nc 雪'
    assert (line["request_id"], line["status"], line["level"]) == ("abc", 200, "warning")
    assert line["time"].endswith("Z")


def test_a_text_line_cannot_be_forged():
    text = logged(TextLines(), "path %s", "/x\n2026-01-01T00:00:00Z ERROR forged")
    assert text.count("\n") == 1


def test_a_traceback_comes_along():
    try:
        raise ValueError("why")
    except ValueError:
        assert "ValueError: why" in json.loads(logged(JsonLines(), "x", exc_info=True))["traceback"]
        assert "ValueError: why" in logged(TextLines(), "x", exc_info=True)


def test_libraries_do_not_talk(monkeypatch):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("json", "info")
        assert not logging.getLogger("alembic.runtime").isEnabledFor(logging.INFO)
        assert logging.getLogger("serving.sidecar").isEnabledFor(logging.INFO)
    finally:
        root.handlers[:], root.level = before
        logging.captureWarnings(False)
