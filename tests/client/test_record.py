"""`client record` as a process: a winter of results into a real sidecar."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import sidecar as module
from client.results.rows import columns_for
from client.results.runs import Record, RunIdentity, record_file, write_record
from tests.client.command import client
from tests.client.watch.watching import FakeSidecar, sidecar
from tests.serving.sidecar.process import Sidecar, make_records
from tests.serving.stand_in import CARD

CODES = CARD.codes


def write_results(path: Path, count: int, *, folder: str = "", version: int = 7, failed: int = -1) -> Path:
    records = make_records(count, codes=CODES, version=version, failed=[failed])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns_for(CODES))
        for one in records:
            if "error" in one:
                row = ["", *[""] * len(CODES), "", "", version, one["error"]]
            else:
                p = one["probabilities"]
                row = [max(p, key=p.get), *p.values(), "0.5", int(one["accepted"]), version, ""]
            writer.writerow([one["frame"], one["time"], *row])
    if folder:
        identity = RunIdentity(folder, "snowmode", version, columns_for(CODES), 0.5, time_rule="%Y%m%d%H%M.png")
        write_record(record_file(path), Record(identity, CARD, "client classify", 10.0))
    return path


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Sidecar]:
    one = Sidecar(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def fake() -> Iterator[FakeSidecar]:
    with sidecar() as fake:
        yield fake


def test_a_winter_of_results_becomes_a_season(real: Sidecar, tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", 2500, folder="/archive/hse20152016", failed=3)
    done = client("record", results, "--sidecar", real.url)
    assert done.returncode == 0, done.stderr
    assert "hse20152016: 2,500 new, 0 there already" in done.stdout
    season = real.ask("/v1/seasons/hse20152016").json
    assert (season["cadence_minutes"], season["time_rule"]) == (10, "%Y%m%d%H%M.png")
    assert [(one["version"], one["frames"]) for one in season["series"]] == [(7, 2500)]
    (statistics,) = real.ask("/v1/statistics").json["seasons"]
    assert (statistics["classified"], statistics["failed"]) == (2499, 1)
    assert [one["card"]["recipe"] for one in real.ask("/v1/models").json["models"]] == [CARD.recipe]
    again = client("record", results, "--sidecar", real.url)
    assert "hse20152016: 0 new, 2,500 there already" in again.stdout
    higher = client("record", results, "--sidecar", real.url, "--revision", 2)
    assert "2,500 replaced" in higher.stdout


def test_the_server_statistics_are_those_of_client_stats(real: Sidecar, tmp_path: Path) -> None:
    results = write_results(tmp_path / "w.csv", 600)
    client("record", results, "--sidecar", real.url)
    offline = client("stats", results, "--out", tmp_path / "out")
    assert offline.returncode == 0, offline.stderr
    for table in ("modes", "months", "days", "hours", "events", "transitions"):
        online = list(csv.DictReader(real.ask(f"/v1/statistics/{table}.csv").text.splitlines()))
        with (tmp_path / "out" / f"{table}.csv").open() as file:
            expected = list(csv.DictReader(file))
        assert len(online) == len(expected) > 0
        for one, other in zip(online, expected, strict=True):
            assert one.keys() == other.keys()
            for name, value in other.items():
                # The database holds float32.
                same = one[name] == value or float(one[name]) == pytest.approx(float(value), rel=1e-5)
                assert same, (table, name, one[name], value)


def test_dry_run_sends_nothing(fake: FakeSidecar, tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", 5)
    done = client("record", results, "--sidecar", fake.url, "--dry-run")
    assert done.stdout == f"{results}: 5 frames of season r, model version 7\n"
    assert fake.requests == 0


def test_a_refused_frame_costs_itself_and_is_named(fake: FakeSidecar, tmp_path: Path) -> None:
    fake.refuses = {"pr2hse00017.png"}
    done = client("record", write_results(tmp_path / "r.csv", 40), "--sidecar", fake.url)
    assert done.returncode == 1
    assert "Refused: r/pr2hse00017.png: 422" in done.stderr
    assert len(fake.records) == 39


def test_a_sidecar_that_is_away_is_waited_for_and_told(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.csv", 5)
    done = client("record", results, "--sidecar", "http://127.0.0.1:1", "--patience", 0)
    assert done.returncode == 4
    assert "cannot be reached" in done.stderr
    assert "Is `serving sidecar` running there?" in done.stderr


def test_no_right_to_write_is_told_at_once(fake: FakeSidecar, tmp_path: Path) -> None:
    fake.answer = 401
    done = client("record", write_results(tmp_path / "r.csv", 5), "--sidecar", fake.url)
    assert done.returncode == 4
    assert "takes no records: 401" in done.stderr
    assert "SNOWMODE_TOKEN" in done.stderr
    assert fake.requests == 1


@pytest.mark.parametrize("body", [b'{"detail": "no\\u001b[2J\\n way"}', b"no\x1b[2J\n way"])
def test_what_a_sidecar_says_tells_a_terminal_nothing(body: bytes) -> None:
    assert module._detail(body) == "no\\x1b[2J way"


def test_a_token_out_of_a_file_may_end_its_line(fake: FakeSidecar, tmp_path: Path) -> None:
    words = ("record", write_results(tmp_path / "r.csv", 5), "--sidecar", fake.url)
    bad = client(*words, env=os.environ | {"SNOWMODE_TOKEN": "sesam-öffne"})
    assert bad.returncode == 2
    assert "SNOWMODE_TOKEN: expected" in bad.stderr
    assert "sesam" not in bad.stderr
    assert fake.requests == 0
    done = client(*words, env=os.environ | {"SNOWMODE_TOKEN": "secret\n"})
    assert done.returncode == 0, done.stderr
    assert fake.tokens == {"Bearer secret"}


def test_every_record_refused_is_not_the_records_fault(fake: FakeSidecar, tmp_path: Path) -> None:
    fake.answer = 422
    done = client("record", write_results(tmp_path / "r.csv", 200), "--sidecar", fake.url)
    assert done.returncode == 4
    assert "refused 20 records and took none" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["r.csv", "--sidecar", "localhost:8080"], "expected an address such as http://localhost:8080"),
        (["none.csv"], "none.csv: cannot be read"),
        (["r.csv", "s.csv", "--season", "w"], "--season: expected one result file, received 2"),
        (["r.csv", "sub/r.csv"], "would both be season 'r'"),
    ],
)
def test_wrong_settings_stop_before_anything_is_sent(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("r.csv", "s.csv", "sub/r.csv"):
        write_results(tmp_path / name, 2)
    done = client("record", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
