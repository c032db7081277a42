"""Recording over HTTP: many at once, killed in between, databases that go and come back. Nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from serving.sidecar.store.database import Database
from serving.sidecar.store.tables import frames, predictions, reviews, series
from tests.serving.sidecar.postgres import NoPostgres, postgres
from tests.serving.sidecar.process import ask, make_records, wait_until

SEASON = "hse20152016"


def stored(url: str) -> dict[str, int]:
    """Counts what a database holds."""
    database = Database(url)
    try:
        with database.reading() as connection:
            return {
                table.name: connection.scalar(select(func.count()).select_from(table))
                for table in (frames, predictions, series, reviews)
            }
    finally:
        database.close()


def record_in_threads(sidecars, batches, *, threads: int) -> list[tuple[int, int]]:
    """Sends batches from many threads; gives the status of each, and how many frames of it were new."""
    waiting, answers, lock = list(batches), [], threading.Lock()

    def work(number: int) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                batch = waiting.pop()
            answer = sidecars[number % len(sidecars)].record(batch)
            with lock:
                answers.append((answer.status, answer.json.get("new", 0)))

    running = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return answers


@pytest.mark.slow
def test_many_recorders_and_two_sidecars_lose_nothing_and_store_nothing_twice(start_sidecar, database_url, tmp_path):
    sidecars = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sidecars.append(start_sidecar(f"--database={database_url}", folder=tmp_path / name))
    seasons = [f"hse{year}{year + 1}" for year in (2014, 2015)]
    records = [one for season in seasons for one in make_records(240, season=season)]
    records += [{**one, "model_version": 202612010000} for one in records[:120]]
    # Each record is sent by two recorders, in batches that overlap and mix the seasons.
    batches = [records[n::15] for n in range(15)] + [records[n : n + 40] for n in range(0, len(records), 40)]
    answers = record_in_threads(sidecars, batches, threads=10)
    assert {status for status, _ in answers} == {200}
    assert sum(new for _, new in answers) == len(records)
    assert stored(database_url) == {"frames": 480, "predictions": 600, "series": 3, "reviews": 0}


@pytest.mark.slow
def test_the_highest_revision_stays_whoever_comes_last(start_sidecar, database_url):
    sidecar = start_sidecar(f"--database={database_url}")
    batches = [make_records(40, seed=revision, revision=revision) for revision in range(1, 13)]
    answers = record_in_threads([sidecar], batches, threads=6)
    assert {status for status, _ in answers} == {200}
    page = sidecar.ask(f"/v1/frames?season={SEASON}&limit=1000").json["frames"]
    wanted = {one["frame"]: one["probabilities"] for one in make_records(40, seed=12)}
    assert {one["revision"] for one in page} == {12}
    for one in page:
        assert one["probabilities"] == pytest.approx(wanted[one["frame"]], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.03, 0.2])
def test_killed_in_the_middle_there_are_whole_batches_and_what_was_confirmed(
    start_sidecar, database_url, tmp_path, delay
):
    sidecar = start_sidecar(f"--database={database_url}")
    size = 200
    batches = [
        make_records([f"b{n:02d}-{k:04d}.png" for k in range(size)], start=datetime(2015, 11, 1 + n, tzinfo=UTC))
        for n in range(25)
    ]
    confirmed: set[int] = set()

    def send() -> None:
        for n, batch in enumerate(batches):
            try:
                if sidecar.record(batch).status == 200:
                    confirmed.add(n)
            except (OSError, http.client.HTTPException):  # the latter in the middle of an answer
                return

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: confirmed, "a batch is confirmed")
    threading.Event().wait(delay)  # anywhere in the middle will do
    sidecar.process.kill()
    sidecar.process.wait()
    sender.join()
    assert len(confirmed) < len(batches)
    (tmp_path / "again").mkdir()
    again = start_sidecar(f"--database={database_url}", folder=tmp_path / "again")
    database = Database(database_url)
    with database.reading() as connection:
        names = connection.scalars(select(frames.c.name).join(predictions)).all()
    database.close()
    whole = {n: sum(name.startswith(f"b{n:02d}-") for name in names) for n in range(len(batches))}
    assert set(whole.values()) <= {0, size}
    assert confirmed <= {n for n, count in whole.items() if count}
    assert again.record([one for batch in batches[:3] for one in batch]).status == 200  # and it goes on


def answers_503(sidecar, part: str, path: str = "/v1/seasons") -> bool:
    answer = sidecar.ask(path)
    if answer.status != 503:
        return False
    told = answer.json
    assert told["part"] == part
    assert told["detail"].startswith(f"{part}: ")
    assert answer.headers["Retry-After"]
    return True


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgresql_goes_and_comes_back(start_sidecar, end):
    try:
        with postgres() as server:
            sidecar = start_sidecar(f"--database={server.create('winter')}")
            assert sidecar.record(make_records(20)).status == 200
            getattr(server, end)()
            wait_until(lambda: answers_503(sidecar, "database"), "calls tell that the database is away")
            assert sidecar.record(make_records(40)).status == 503
            assert sidecar.ask("/healthz").status == 200
            told = wait_until(lambda: sidecar.ask("/readyz").json["parts"]["database"].get("reason"), "readiness")
            assert "connection" in told
            assert 'up{part="database"} 0.0' in sidecar.ask("/metrics").text
            server.start()
            wait_until(lambda: sidecar.record(make_records(40)).status == 200, "recording works again")
            wait_until(lambda: sidecar.ask("/readyz").json["parts"]["database"]["ready"], "readiness")
            assert len(sidecar.ask(f"/v1/frames?season={SEASON}").json["frames"]) == 40
            assert not any(line["level"] == "error" for line in sidecar.lines()), sidecar.log.read_text()
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.mark.slow
def test_it_starts_before_postgresql_does(start_sidecar):
    try:
        with postgres() as server:
            url = server.create("winter")
            server.stop()
            sidecar = start_sidecar(f"--database={url}")
            assert answers_503(sidecar, "database")
            assert any("starting without it" in line["message"] for line in sidecar.lines())
            server.start()
            wait_until(lambda: sidecar.record(make_records(5)).status == 200, "recording works")
    except NoPostgres as reason:
        pytest.skip(str(reason))


def test_sqlite_that_somebody_holds_is_waited_for_and_then_said_so(make_client, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.sidecar.store.database.BUSY_SECONDS", 0.3)
    client = make_client()
    body = "".join(json.dumps(one) + "\n" for one in make_records(5))
    headers = {"Content-Type": "application/x-ndjson"}
    with closing(sqlite3.connect(tmp_path / "winter.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = client.post("/v1/predictions", content=body, headers=headers)
        assert answer.status_code == 503
        assert answer.json()["part"] == "database"
        assert "locked" in answer.json()["detail"]
        assert client.get("/v1/seasons").status_code == 200  # readers do not wait for writers
        other.execute("ROLLBACK")
    assert client.post("/v1/predictions", content=body, headers=headers).status_code == 200


WITH_A_SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
from serving.cli import main
main()
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_the_records_that_do_not_fit(tmp_path):
    """No file may grow beyond a size: to SQLite that is a disk that is full."""
    port_file = tmp_path / "port"
    words = [f"--database=sqlite:///{tmp_path}/w.sqlite", "--port=0", f"--port-file={port_file}", "--log=json"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WITH_A_SMALL_DISK, str(1_500_000), "sidecar", "--server=127.0.0.1:1", *words],
            stderr=log,
            env=os.environ,
        )
    try:
        wait_until(lambda: port_file.exists() or process.poll() is not None, "it listens")
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        taken, refused = 0, None
        for n in range(40):
            records = make_records([f"{n:02d}-{k:03d}.png" for k in range(300)])
            body = "".join(json.dumps(one) + "\n" for one in records).encode()
            answer = ask(f"{url}/v1/predictions", body=body, Content_Type="application/x-ndjson")
            if answer.status != 200:
                refused = answer
                break
            taken += 300
        assert refused is not None, "the disk never filled up"
        assert refused.status == 503
        assert refused.json["part"] == "database"
        assert taken > 0
        assert ask(f"{url}/v1/seasons").status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert stored(f"sqlite:///{tmp_path}/w.sqlite")["predictions"] == taken
