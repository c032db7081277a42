"""Records on their way to the sidecar: none is lost, and one that it does not want costs itself."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.errors import ConfigError, OutputError
from client.sidecar import Sidecar, check_token, check_url
from client.watch import spool as module
from client.watch.records import Recorded
from client.watch.spool import REFUSED_LIMIT, Spool
from client.watch.state import WatchState
from serving.protocol.records import PredictionRecord
from tests.client.watch.test_state import frame
from tests.client.watch.watching import FakeSidecar, sidecar, until


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT", 0.02)
    monkeypatch.setattr(module, "_LAST_WAIT", 0.1)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WatchState]:
    with WatchState(tmp_path / "state.sqlite", "w") as state:
        yield state


@pytest.fixture
def fake() -> Iterator[FakeSidecar]:
    with sidecar() as fake:
        yield fake


@contextlib.contextmanager
def sending(state: WatchState, fake: FakeSidecar, token: str = "", path: str = "") -> Iterator[Spool]:
    spool = Spool(state, Sidecar(fake.url + path, "w", "snowmode", token))
    spool.start()
    try:
        yield spool
    finally:
        spool.stop()


def test_everything_is_sent_as_the_protocol_says(state: WatchState, fake: FakeSidecar) -> None:
    hair = dataclasses.replace(frame("b").row, probabilities=(1.0000001192, 0.0))
    bad = dataclasses.replace(frame("c").row, label="", probabilities=(), entropy=None, error="x" * 3000)
    odd = [
        dataclasses.replace(frame("b"), row=hair),
        dataclasses.replace(frame("c"), row=bad),
        frame("ほ", day="undated"),
    ]
    with sending(state, fake, token="secret") as spool:
        state.record([frame("a"), *odd])
        spool.wake()
        until(lambda: state.unsent() == 0)
        assert spool.up
    assert fake.tokens == {"Bearer secret"}
    assert fake.records["w", "a", 7] == {
        "season": "w",
        "frame": "a",
        "time": "2026-01-01T00:00:00Z",
        "model": "snowmode",
        "model_version": 7,
        "revision": 1,
        "sha256": "1",
        "probabilities": {"A": 0.75, "B": 0.25},
        "accepted": True,
        "error": "",
    }
    assert fake.records["w", "b", 7]["probabilities"]["A"] == 1.0
    assert len(fake.records["w", "c", 7]["error"]) == 2000
    assert "time" not in fake.records["w", "ほ", 7]


def test_an_outage_is_over_though_there_is_always_more_to_send(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    behind = iter(range(1000))
    take = fake.take

    def take_and_add(record: dict[str, object]) -> None:
        take(record)
        if not spool.up:
            with state.another() as other:
                other.record([frame(f"behind-{next(behind)}")])

    fake.answer = 503
    state.record([frame("a"), frame("b")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up, "the outage is noticed")
        monkeypatch.setattr(fake, "take", take_and_add)
        fake.answer = 200
        until(lambda: spool.up, "it is over")


def test_a_backlog_of_several_requests_and_a_correction_in_between(state: WatchState, fake: FakeSidecar) -> None:
    state.record([frame(str(n)) for n in range(2500)])
    with sending(state, fake) as spool:
        state.record([frame("7", "2")])
        spool.wake()
        until(lambda: state.unsent() == 0)
    assert len(fake.records) == 2500
    assert fake.records["w", "7", 7]["revision"] == 2
    assert fake.requests <= 4


@pytest.mark.parametrize("answer", [0, 301, 302, 401, 404, 500, 503])
def test_what_is_no_yes_is_asked_again_and_said_once(
    state: WatchState, fake: FakeSidecar, caplog: pytest.LogCaptureFixture, answer: int
) -> None:
    caplog.set_level(logging.INFO)
    fake.answer = answer
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: fake.requests >= 3)
        assert not spool.up
        assert state.unsent() == 1
        fake.answer = 200
        until(lambda: state.unsent() == 0)
        until(lambda: spool.up)
    begin, end = (record.getMessage() for record in caplog.records)
    assert begin.startswith(f"records cannot be sent to the sidecar at {fake.url}: {answer or ''}")
    assert end.startswith("over after")


def test_a_record_that_is_refused_costs_itself(
    state: WatchState, fake: FakeSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    fake.refuses = {"7", "300"}
    state.record([frame(str(n)) for n in range(500)])
    with sending(state, fake) as spool:
        until(lambda: state.unsent() == 2)
        assert spool.up
        state.record([frame("new"), frame("7", "2")])  # the corrected one is another record
        fake.refuses = {"300"}
        spool.wake()
        until(lambda: state.unsent() == 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"the sidecar refuses the record of '{n}': 422 Unprocessable Entity: {{}}; it is kept for the next start"
        for n in (7, 300)
    ]
    fake.refuses = set()
    with sending(state, fake):
        until(lambda: state.unsent() == 0)


def test_a_sidecar_that_refuses_everything_is_the_one_to_blame(
    state: WatchState, fake: FakeSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answer = 400
    state.record([frame(str(n)) for n in range(100)])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        fake.answer = 200
        until(lambda: state.unsent() == 0)
    assert len(caplog.records) <= REFUSED_LIMIT + 2


def test_a_state_that_is_away_for_a_while(state: WatchState, fake: FakeSidecar, tmp_path: Path) -> None:
    away = state.path.rename(tmp_path / "away")
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        away.rename(state.path)
        state.record([frame("a")])
        until(lambda: len(fake.records) == 1)


def test_stopping_waits_for_nobody_who_is_away(state: WatchState, fake: FakeSidecar) -> None:
    fake.stop()
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
    assert not spool._thread.is_alive()
    assert state.unsent() == 1


def test_finishing_sends_everything_and_tells_what_was_not_taken(state: WatchState, fake: FakeSidecar) -> None:
    fake.refuses = {"7", "300"}
    state.record([frame(str(n)) for n in range(2500)])
    with sending(state, fake) as spool:
        assert spool.finish() == 2
    assert (state.unsent(), len(fake.records)) == (2, 2498)
    fake.answer = 503
    with sending(state, fake) as spool, pytest.raises(OutputError, match=r"503 .*\nThey are kept"):
        spool.finish()
    assert state.unsent() == 2


def test_what_is_recorded_just_before_the_end_is_sent(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, to_send = threading.Event(), WatchState.to_send

    def to_send_slowly(self: WatchState, *given: Any) -> list[Recorded]:
        found = to_send(self, *given)
        if not found and not empty.is_set():
            with self.another() as other:
                other.record([frame("late")])
            empty.set()
            assert spool._stopped.wait(60)
        return found

    monkeypatch.setattr(WatchState, "to_send", to_send_slowly)
    with sending(state, fake) as spool:
        assert empty.wait(60)
        assert spool.finish() == 0
    assert state.unsent() == 0


def test_the_end_of_an_outage_is_not_slept_through(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT", 600.0)
    fake.answer = 503
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        fake.answer = 200
        assert spool.finish() == 0
    assert state.unsent() == 0


def test_stopping_makes_no_other_attempt(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT", 600.0)
    fake.answer = 503
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
    assert not spool._thread.is_alive()
    assert fake.requests == 1


def test_a_failure_of_before_is_none_of_a_run_that_was_stopped(state: WatchState, fake: FakeSidecar) -> None:
    fake.answer = 503
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        assert spool.finish(lambda: True) == 0


def test_a_fault_of_ours_is_told_and_tried_again(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faulty, as_record = threading.Event(), module.as_record

    def as_record_or_not(*given: Any, **more: Any) -> PredictionRecord:
        if faulty.is_set():
            raise RuntimeError("out of order")
        return as_record(*given, **more)

    faulty.set()
    monkeypatch.setattr(module, "as_record", as_record_or_not)
    state.record([frame("a")])
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        with pytest.raises(OutputError, match=r"RuntimeError: out of order\.\nThey are kept"):
            spool.finish()
    with sending(state, fake) as spool:
        until(lambda: not spool.up)
        faulty.clear()
        until(lambda: spool.up)
    assert state.unsent() == 0
    assert "RuntimeError: out of order; they are kept, trying again" in caplog.text


def test_finishing_believes_the_state_whatever_became_of_the_thread(state: WatchState, fake: FakeSidecar) -> None:
    state.record([frame("a"), frame("b")])
    spool = Spool(state, Sidecar(fake.url, "w", "snowmode"))  # its thread is not alive
    with pytest.raises(OutputError, match=r"2 were left over\.\nThey are kept"):
        spool.finish()


def test_finishing_waits_no_longer_than_anybody_waits_for_it(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    take = fake.take

    def take_late(record: dict[str, object]) -> None:
        asked.set()
        go_on.wait(60)
        take(record)

    monkeypatch.setattr(fake, "take", take_late)
    state.record([frame("a")])
    with sending(state, fake) as spool:
        assert spool.finish(asked.is_set) == 0
        assert state.unsent() == 1
        go_on.set()
    assert state.unsent() == 0


@pytest.mark.parametrize("url", ["http://localhost:8080", "https://host/behind/a/path/", "http://[::1]:80"])
def test_addresses(url: str) -> None:
    assert check_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8080", "ftp://host", "http://", "http://host:port", "http://host/?a=1", ""),
        *("http://host/ü", "http://hôst", "http://host/a b", " http://host", "http://host\n", "http://host/\udcff"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="expected an address such as http://localhost:8080"):
        check_url(url)


@pytest.mark.parametrize("given", ["secret", "secret\n", " secret\r\n"])
def test_tokens(given: str) -> None:
    assert check_token(given) == "secret"
    assert check_token("") == ""


@pytest.mark.parametrize("given", ["sesam-öffne", "sesam\nöffne", "sesam\nopen", "sesam\0open", "sesam\udcff"])
def test_what_no_header_can_hold_is_no_token_and_is_not_shown(given: str) -> None:
    with pytest.raises(ConfigError, match="SNOWMODE_TOKEN: expected a token of printable ASCII") as refused:
        check_token(given)
    assert "sesam" not in str(refused.value)


def test_proxies_of_the_surroundings_are_left_out(
    state: WatchState, fake: FakeSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    state.record([frame("a")])
    with sending(state, fake):
        until(lambda: state.unsent() == 0)
