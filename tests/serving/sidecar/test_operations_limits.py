"""How much, how fast, of which kind; and what every answer carries."""

from __future__ import annotations

import asyncio
import gzip
import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.sidecar import problems
from serving.sidecar.operations.bodies import Bodies
from serving.sidecar.operations.rate import COSTLY, Bucket, RateLimit
from serving.sidecar.settings import read_settings
from tests.serving.sidecar.process import make_records

NDJSON = {"Content-Type": "application/x-ndjson"}


def body_of(count, **more):
    return "".join(json.dumps(one) + "\n" for one in make_records(count, **more)).encode()


def test_a_body_that_says_it_is_too_large_is_not_read(make_client):
    client = make_client(max_body_bytes=2000)
    answer = client.post("/v1/predictions", content=body_of(100), headers=NDJSON)
    assert answer.status_code == 413
    assert "at most 2,000 bytes" in answer.json()["detail"]
    assert client.get("/v1/seasons").json() == []


def test_a_body_that_does_not_say_so_is_stopped_while_it_comes(make_client):
    client = make_client(max_body_bytes=2000)
    taken = []

    def parts():
        for n in range(1000):
            taken.append(n)
            yield body_of(10)

    answer = client.post("/v1/predictions", content=parts(), headers=NDJSON)
    assert answer.status_code == 413
    assert client.get("/v1/seasons").json() == []


def test_a_body_as_large_as_is_taken_is_taken(make_client):
    body = body_of(30)
    client = make_client(max_body_bytes=len(body))
    assert client.post("/v1/predictions", content=body, headers=NDJSON).status_code == 200


def test_pictures_have_a_limit_of_their_own(make_client):
    client = make_client(max_body_bytes=1024, max_upload_bytes=100_000)
    answer = client.post("/v1/heat-maps", content=b"\x89PNG" + bytes(50_000), headers={"Content-Type": "image/png"})
    assert answer.status_code != 413
    answer = client.post("/v1/heat-maps", content=bytes(100_001), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "x"])
def test_another_media_type_is_refused_and_the_right_one_named(make_client, content_type):
    client = make_client()
    answer = client.post("/v1/predictions", content=body_of(1), headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert "expected application/x-ndjson" in answer.json()["detail"]
    assert answer.headers["Accept"] == "application/x-ndjson"


def test_a_media_type_may_have_parameters(make_client):
    client = make_client()
    headers = {"Content-Type": "Application/X-NDJSON; charset=utf-8"}
    assert client.post("/v1/predictions", content=body_of(1), headers=headers).status_code == 200


def test_a_page_that_is_not_there_is_not_there_whatever_is_sent(make_client):
    client = make_client()
    assert client.post("/v1/nothing", json={}).status_code == 404
    assert client.post("/v1/seasons", json={}).status_code == 405


def test_a_body_that_never_ends_is_given_up():
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    inner = Starlette(routes=[Route("/x", endpoint, methods=["POST"])])
    inner.openapi = lambda: {"paths": {"/x": {"post": {}}}}
    problems.install(inner)
    app = Bodies(inner, read_settings(), seconds=0.05)
    sent = []

    async def receive():
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [], "query_string": b"", "app": inner}
    anyio.run(app, scope, receive, send)
    assert sent[0]["status"] == 408


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_content_at_once_and_fills_steadily():
    clock = Clock()
    bucket = Bucket(60, clock)
    assert [bucket.take("a") for _ in range(60)] == [0] * 60
    assert bucket.look("a") == bucket.take("a") == pytest.approx(1)
    assert bucket.take("b") == 0
    clock.now = 0.5
    assert bucket.take("a") == pytest.approx(0.5)
    clock.now = 1.0
    assert bucket.take("a") == 0
    clock.now = 10_000
    assert [bucket.take("a") for _ in range(60)] == [0] * 60
    assert bucket.take("a") > 0


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=200))
def test_nobody_gets_more_than_a_bucket_and_what_fills_it(per_minute, waits):
    clock = Clock()
    bucket = Bucket(per_minute, clock)
    given_ = 0
    for wait in waits:
        clock.now += wait
        given_ += bucket.take("a") == 0
    assert given_ <= per_minute + clock.now * per_minute / 60 + 1e-6


def test_addresses_are_forgotten_before_they_fill_the_memory():
    bucket = Bucket(1, Clock())
    for n in range(25_000):
        bucket.take(str(n))
    assert len(bucket._left) <= 10_000
    assert bucket.take("24999") > 0


async def _answer(app, path, client):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "client": (client, 1), "headers": []}
    await app(scope, None, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_costly_calls_of_one_address_are_limited():
    async def cheap(scope, receive, send):
        await PlainTextResponse("")(scope, receive, send)

    app = RateLimit(cheap, read_settings(requests_per_minute=2), Clock())

    def ask(path, client="10.0.0.1"):
        return anyio.run(_answer, app, path, client)

    assert [ask("/v1/statistics")[0] for _ in range(3)] == [200, 200, 429]
    status, headers = ask("/v1/frames/7/heat-maps")
    assert status == 429
    assert headers[b"retry-after"] == b"30"
    assert ask("/v1/frames")[0] == ask("/v1/predictions")[0] == ask("/healthz")[0] == 200
    assert ask("/v1/statistics", "10.0.0.2")[0] == 200
    assert [ask("/v1/jobs", f"2001:db8::{n}")[0] for n in range(3)] == [200, 200, 429]  # one network


def test_the_pattern_of_costly_calls_knows_calls_that_exist(make_client):
    client = make_client()
    paths = [path.replace("{", "").replace("}", "") for path in client.get("/openapi.json").json()["paths"]]
    costly = [path for path in paths if COSTLY.fullmatch(path)]
    assert {"/v1/statistics", "/v1/comparison", "/v1/seasons/season/ribbon.png"} <= set(costly)
    assert not {"/healthz", "/readyz", "/metrics", "/v1/predictions", "/v1/frames"} & set(costly)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/nothing", "/v1/frames"]
)
def test_every_answer_has_the_headers(make_client, path):
    answer = make_client().get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"]
    assert "Server" not in answer.headers


def test_an_answer_without_the_body_is_asked_for_by_head(make_client):
    client = make_client()
    for path in ("/healthz", "/v1/seasons", "/openapi.json", "/v1/frames/7"):
        whole, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert client.head("/v1/predictions").status_code == 405


def test_long_answers_are_compressed_for_who_understands_it(make_client):
    client = make_client()
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    with client.stream("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 4
