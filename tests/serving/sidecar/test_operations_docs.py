"""The page of the calls."""

from __future__ import annotations

import re
from html import unescape


def test_every_call_is_shown_with_its_parameters_and_how_to_make_it(make_client):
    client = make_client(tokens=("a-token-of-the-tests",))
    text = client.get("/docs").text
    schema = client.get("/openapi.json").json()
    shown = unescape(re.sub(r"<[^>]+>", "", text))
    calls = 0
    for path, methods in schema["paths"].items():
        for call in methods.values():
            calls += 1
            assert f'<article id="{call["operationId"]}">' in text, (path, "has a tag that the page does not know")
            for parameter in call.get("parameters", ()):
                assert parameter["name"] in shown
    assert shown.count("curl") == calls
    assert "a-token-of-the-tests" not in text
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r'id="([^"]+)"', text))


def test_nothing_on_it_runs_or_comes_from_elsewhere(make_client):
    client = make_client()
    text = client.get("/docs").text
    assert not re.search(r"<script|<style|\bon[a-z]+=|style=|(src|href)=\"(https?:)?//", text)
    style = client.get("/docs.css")
    assert style.headers["Content-Type"].startswith("text/css")
    assert "url(" not in style.text
