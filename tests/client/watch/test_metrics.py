"""What `client watch` tells Prometheus, and whether it lives."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from client.errors import ConfigError
from client.watch.job import WatchJob
from client.watch.metrics import STUCK_SECONDS, Metrics, serve
from client.watch.run import _TIMEOUTS, Watcher
from client.watch.state import WatchState
from serving.protocol.pipeline import FEWEST_TRIES
from tests.client.watch.test_folder import Clock
from tests.client.watch.watching import drop, png, sidecar, until, watching
from tests.serving.stand_in import brightness, stand_in


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def numbers(port: int) -> dict[str, float]:
    status, text = fetch(port, "/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {name.removeprefix("snowmode_watch_"): value for name, value in found.items()}


def test_a_server_that_hangs_makes_no_loop_look_stuck() -> None:
    pauses = 3.0 * FEWEST_TRIES
    assert _TIMEOUTS.describe + FEWEST_TRIES * _TIMEOUTS.predict + pauses < STUCK_SECONDS


def test_numbers_of_a_watch_at_work(tmp_path: Path, server: str) -> None:
    folder, port = tmp_path / "in", free_port()
    folder.mkdir()
    with sidecar() as fake:
        fake.answer = 503
        more = ("--cadence", 5, "--metrics-port", port, "--sidecar", fake.url, "--give-up", 0.5)
        with watching(folder, server, tmp_path / "out", *more) as watch:
            for minute in (0, 5, 20, 25, 40):  # missing: 10, 15, 30, 35
                drop(folder / f"2026010100{minute:02d}.png", png(minute))
            (folder / "202601010045.png").write_bytes(b"")
            watch.until_recorded(6)
            watch.until(lambda: numbers(port)["spooled_records"] == 6, "the spool")
            watch.until(lambda: numbers(port)["up{sidecar}"] == 0, "the sidecar's absence")
            found = numbers(port)
            assert found["frames_total{classified}"] == 5
            assert found["frames_total{failed}"] == 1
            assert found["frames_total{corrected}"] == 0
            assert found["missing_frames"] == 4
            assert found["newest_frame_timestamp_seconds"] == 1767228300  # 2026-01-01T00:45Z
            assert found["newest_frame_age_seconds"] > 1e6
            assert found["waiting_files"] == 0
            assert sum(value for name, value in found.items() if name.startswith("modes_total")) == 5
            assert found["frame_seconds_count"] == 6
            assert 0.3 < found["frame_seconds_sum"] < 360
            assert 0 <= time.time() - found["last_frame_timestamp_seconds"] < 60
            for place in ("incoming", "results", "state"):
                assert 0 < found[f"disk_free_bytes{{{place}}}"] <= found[f"disk_size_bytes{{{place}}}"]
            assert found["up{server}"] == found["up{folder}"] == found["up{state}"] == found["up{results}"] == 1
            drop(folder / "202601010045.png", png(45))
            drop(folder / "202601010030.png", png(30))
            fake.answer = 200
            watch.until(lambda: numbers(port)["spooled_records"] == 0, "the spool to run empty")
            found = numbers(port)
            assert (found["missing_frames"], found["frames_total{corrected}"], found["up{sidecar}"]) == (3, 1, 1)
            assert fetch(port, "/healthz") == (200, "ok\n")
            folder.rename(tmp_path / "away")
            watch.until(lambda: numbers(port)["up{folder}"] == 0, "the folder's absence")
            assert fetch(port, "/healthz")[0] == 200  # nothing that a restart would mend
            watch.stop()


def test_a_loop_that_is_stuck_is_not_healthy(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    drop(folder / "a.png", png(1))
    clock, called, free = Clock(), threading.Event(), threading.Event()

    def answer(images: object) -> object:
        called.set()
        free.wait(60)
        return brightness(images)

    metrics = Metrics(None, stuck_after=120, clock=clock)
    page = serve(metrics, "127.0.0.1", 0)
    port = page.server_address[1]
    with stand_in(answer) as target, WatchState(tmp_path / "state.sqlite", "w") as state:
        watcher = Watcher(WatchJob(folder, "snowmode", tmp_path / "out", poll=0.05), state, metrics)
        thread = threading.Thread(target=watcher.run, args=(target,))
        thread.start()
        try:
            assert called.wait(60)
            assert fetch(port, "/healthz") == (200, "ok\n")
            clock.now += 121
            assert fetch(port, "/healthz") == (503, "the loop has not turned for a while\n")
            free.set()
            until(lambda: fetch(port, "/healthz")[0] == 200, "a loop that turns")
        finally:
            free.set()
            watcher.stop()
            thread.join()
            page.shutdown()
            page.server_close()
    assert len(list((tmp_path / "out").glob("*.csv"))) == 1


def test_the_age_follows_the_wall_clock_wherever_it_goes(tmp_path: Path) -> None:
    from tests.client.watch.test_state import frame

    wall = Clock()
    wall.now = 1767225600 + 600  # 2026-01-01T00:10Z
    metrics = Metrics(timedelta(minutes=5), wall_clock=wall)
    age = "snowmode_watch_newest_frame_age_seconds"
    assert str(metrics.registry.get_sample_value(age)) == "nan"
    with WatchState(tmp_path / "state.sqlite", "w") as state:
        state.record([frame("a")])
        metrics.look(0, state, [])
    assert metrics.registry.get_sample_value(age) == 600
    wall.now -= 3600
    assert metrics.registry.get_sample_value(age) == -3000


def test_a_frame_lasts_from_the_first_look_to_its_record() -> None:
    from tests.client.watch.test_state import frame

    clock, wall = Clock(), Clock()
    clock.now, wall.now = 1000, 1767225600
    metrics = Metrics(None, clock=clock, wall_clock=wall)
    value = metrics.registry.get_sample_value
    assert value("snowmode_watch_last_frame_timestamp_seconds") == 1767225600  # no outage of 50 years at the start
    wall.now += 300
    metrics.count([frame("a"), frame("b")], 0, [997, 910])
    assert value("snowmode_watch_last_frame_timestamp_seconds") == 1767225900
    assert value("snowmode_watch_frame_seconds_sum") == 93
    assert value("snowmode_watch_frame_seconds_bucket", {"le": "5.0"}) == 1
    assert value("snowmode_watch_frame_seconds_bucket", {"le": "120.0"}) == 2


def test_disks_are_looked_at_now_and_then_and_one_that_is_away_keeps_its_last_number(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 0
    (tmp_path / "a").mkdir()
    metrics = Metrics(None, places={"results": tmp_path / "a", "state": tmp_path / "not-yet"}, clock=clock)

    def free(place: str) -> float | None:
        return metrics.registry.get_sample_value("snowmode_watch_disk_free_bytes", {"place": place})

    with WatchState(tmp_path / "state.sqlite", "w") as state:
        metrics.look(0, state, [])
        before = free("results")
        assert before
        assert free("state") is None
        (tmp_path / "not-yet").mkdir()
        (tmp_path / "a").rmdir()
        metrics.look(0, state, [])
        assert free("state") is None
        clock.now += 10
        metrics.look(0, state, [])
        assert (free("results"), free("state") is None) == (before, False)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="Address already in use"):
        serve(Metrics(None), "127.0.0.1", taken.getsockname()[1])


def test_callers_that_hang_up_or_say_nothing_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    page = serve(Metrics(None), "127.0.0.1", 0)
    port = page.server_address[1]
    try:
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        silent = socket.create_connection(("127.0.0.1", port))
        assert fetch(port, "/healthz")[0] == 200
        silent.close()
    finally:
        page.shutdown()
        page.server_close()
    assert capfd.readouterr().err == ""
