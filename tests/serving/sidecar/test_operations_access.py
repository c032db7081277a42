"""Who may write: tokens, sign-in, other sites, read-only."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sidecar.operations.access import COOKIE, COOKIE_SECONDS, is_cookie, make_cookie
from serving.sidecar.settings import read_settings
from tests.serving.sidecar.process import make_records

TOKEN, OTHER = "a-token-of-the-tests", "another-token-of-the-tests"
BODY = "".join(json.dumps(one) + "\n" for one in make_records(3))
NDJSON = {"Content-Type": "application/x-ndjson"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_each_token_may_write(make_client, token):
    client = make_client(tokens=(TOKEN, OTHER))
    answer = client.post("/v1/predictions", content=BODY, headers=NDJSON | bearer(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["new"] == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(TOKEN.upper()),
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}=9999999999.{'0' * 64}"},
    ],
)
def test_nobody_else_may(make_client, headers):
    client = make_client(tokens=(TOKEN,))
    answer = client.post("/v1/predictions", content=BODY, headers=NDJSON | headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer TOKEN" in answer.json()["detail"]
    assert TOKEN not in answer.text
    assert client.get("/v1/seasons").json() == []


def test_every_call_that_is_not_for_reading_wants_a_token(make_client):
    client = make_client(tokens=(TOKEN,))
    asked = 0
    for path, calls in client.get("/openapi.json").json()["paths"].items():
        for method in calls:
            address = path.replace("{", "").replace("}", "")
            status = client.request(method, address).status_code
            if method in ("get", "head") or path == "/v1/heat-maps":
                assert status != 401, (method, path)
            else:
                asked += 1
                assert status == 401, (method, path)
                assert {"token": []} in calls[method]["security"]
    assert asked >= 5


def test_reading_needs_no_token_and_a_wrong_one_does_no_harm(make_client):
    client = make_client(tokens=(TOKEN,))
    assert client.get("/v1/seasons").status_code == 200
    assert client.get("/v1/seasons", headers=bearer("wrong")).status_code == 200


def test_signing_in_brings_a_cookie_that_may_write_and_out_takes_it_back(make_client):
    client = make_client(tokens=(TOKEN,))
    answer = client.post("/sign-in", data={"token": f" {TOKEN} ", "next": "/review?season=a"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/review?season=a")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={COOKIE_SECONDS}"))
    assert TOKEN not in cookie
    assert client.post("/v1/predictions", content=BODY, headers=NDJSON).status_code == 200
    assert client.post("/sign-out").headers["Location"] == "/"
    assert client.post("/v1/predictions", content=BODY, headers=NDJSON).status_code == 401


def test_over_tls_the_cookie_stays_there(make_client):
    client = make_client(tokens=(TOKEN,))
    client.base_url = "https://testserver"
    assert "Secure" in client.post("/sign-in", data={"token": TOKEN}).headers["Set-Cookie"]


def test_a_wrong_token_brings_no_cookie_but_the_form_again(make_client):
    client = make_client(tokens=(TOKEN,))
    answer = client.post("/sign-in", data={"token": "wrong", "next": "/review"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?wrong=1&next=/review")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "then", ["//evil.example", "https://evil.example", "/\\evil.example", "\\", "", "/a\r\nb: c"]
)
def test_the_form_sends_nobody_to_another_site(make_client, then):
    client = make_client(tokens=(TOKEN,))
    assert client.post("/sign-in", data={"token": TOKEN, "next": then}).headers["Location"] == "/"


def test_guessing_is_slow(make_client):
    client = make_client(tokens=(TOKEN,))
    statuses = [client.post("/sign-in", data={"token": "wrong"}).status_code for _ in range(40)]
    assert statuses[0] == 303
    assert statuses[-1] == 429


def test_guessing_is_as_slow_without_the_form(make_client):
    client = make_client(tokens=(TOKEN,))

    def send(token, path="/v1/predictions"):
        return client.post(path, content=BODY, headers=NDJSON | bearer(token))

    statuses = [send(f"wrong-{n}").status_code for n in range(40)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    # Nobody learns by the answer that this one is right.
    answer = send(TOKEN)
    assert answer.status_code == 429
    assert answer.json()["detail"].startswith("Too many tries with a token that is none")
    assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/sign-in", data={"token": TOKEN}).status_code == 429
    assert client.get("/v1/seasons", headers=bearer("wrong")).status_code == 200


def test_what_needs_no_token_is_no_guess(make_client):
    client = make_client(tokens=(TOKEN,))
    for headers in ({"Authorization": "Basic YTpi"}, bearer("wrong")):  # such as the sign-in of a proxy before it
        assert {client.post("/v1/heat-maps", headers=headers).status_code for _ in range(30)} == {415}
    assert {
        client.delete("/v1/reviews/1", headers={"Authorization": "Basic YTpi"}).status_code for _ in range(30)
    } == {401}


def test_who_has_a_token_may_write_as_often_as_he_likes(make_client):
    client = make_client(tokens=(TOKEN,))
    assert {client.delete("/v1/reviews/1", headers=bearer(TOKEN)).status_code for _ in range(50)} == {404}


def test_a_page_sends_who_has_not_signed_in_to_the_form(make_client):
    client = make_client(tokens=(TOKEN,))
    headers = {"Accept": "text/html,*/*", "Referer": "http://testserver/review?season=a"}
    answer = client.post("/review", data={"mode": "SY"}, headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/review")
    headers["Referer"] = "http://[evil//x"
    assert client.post("/review", headers=headers).headers["Location"] == "/sign-in?next=/"


@pytest.mark.parametrize("tokens", [(), (TOKEN,)])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
    ],
)
def test_what_another_site_makes_a_browser_send_is_not_taken(make_client, headers, tokens):
    client = make_client(tokens=tokens)
    if tokens:
        client.post("/sign-in", data={"token": TOKEN})
    for path in ("/v1/predictions", "/sign-in", "/sign-out", "/v1/heat-maps"):
        answer = client.post(path, content=BODY, headers=NDJSON | headers)
        assert answer.status_code == 403, path
        assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://testserver"}, {}]
)
def test_what_a_page_of_ours_sends_is(make_client, headers):
    client = make_client()
    assert client.post("/v1/predictions", content=BODY, headers=NDJSON | headers).status_code == 200


def test_read_only_takes_nothing_from_anybody(make_client):
    client = make_client(tokens=(TOKEN,), read_only=True)
    answer = client.post("/v1/predictions", content=BODY, headers=NDJSON | bearer(TOKEN))
    assert answer.status_code == 403
    assert "read-only" in answer.json()["detail"]
    assert client.get("/v1/seasons").status_code == 200
    assert client.post("/v1/heat-maps", content=b"").status_code not in (401, 403)


def settings(*tokens, tmp="/tmp"):
    return read_settings(tokens=tokens, database=f"sqlite:///{tmp}/none.sqlite")


def test_a_cookie_ends():
    value = make_cookie(settings(TOKEN), TOKEN, now=1000)
    assert is_cookie(settings(TOKEN), value, now=1000 + COOKIE_SECONDS - 1)
    assert not is_cookie(settings(TOKEN), value, now=1000 + COOKIE_SECONDS + 1)


def test_a_cookie_is_worth_as_much_as_its_token():
    value = make_cookie(settings(TOKEN, OTHER), TOKEN)
    assert is_cookie(settings(OTHER, TOKEN), value)  # another sidecar with the same tokens
    assert not is_cookie(settings(OTHER), value)
    assert not is_cookie(settings(), value)


@given(st.text(max_size=100) | st.from_regex(r"[0-9]{1,30}\.[0-9a-f]{0,64}", fullmatch=True))
def test_no_made_up_cookie_is_taken(value):
    assert not is_cookie(settings(TOKEN), value)
