"""Heat maps of a season over HTTP: the job, what comes of it in every form, and what may go wrong meanwhile."""

from __future__ import annotations

import io
import json
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from radar import frames
from radar.heat_maps import FEW
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN
from tests.conftest import write_frames
from tests.serving.sidecar.process import CODES, Sidecar, make_records, wait_until
from tests.serving.stand_in import brightness, stand_in

SEASON, COUNT = "winter", 150
START, CADENCE = datetime(2015, 11, 30, tzinfo=UTC), timedelta(minutes=30)  # 48 frames a day
MANY = 3000


@pytest.fixture(scope="module")
def version(server: str) -> int:
    with Connection(server) as connection:
        return connection.describe().version


@pytest.fixture(scope="module")
def records(version: int) -> list[dict[str, Any]]:
    return make_records(COUNT, season=SEASON, version=version, start=START, cadence=CADENCE)


@pytest.fixture(scope="module")
def season(sidecar: Sidecar, archive: Path, records: list[dict[str, Any]]) -> Path:
    """A season in the archive, recorded, whose heat maps are summed up."""
    folder = write_frames(archive / SEASON, COUNT)
    assert sidecar.record(records).status == 200
    job = post_job(sidecar)
    assert job["request"]["method"] == "gradcam"
    done = until(sidecar, job["id"], "done")
    assert (done["done"], done["total"], done["failed"], done["seconds_left"]) == (COUNT, COUNT, 0, None)
    return folder


@pytest.fixture(scope="module")
def direct(season: Path, server: str) -> np.ndarray:
    """Grad-CAM of all frames, asked for without a sidecar."""
    with Connection(server) as connection:
        rule = connection.describe().card.input.frame_rule()
        images = np.stack([frames.load(path, rule) for path in sorted(season.iterdir())])
        return connection.call(EXPLAIN, images)["gradcam"]


def post_job(sidecar: Sidecar, season: str = SEASON, **more: Any) -> dict[str, Any]:
    body = json.dumps({"kind": "heat_maps", "season": season, **more}).encode()
    answer = sidecar.ask("/v1/jobs", body=body, Content_Type="application/json")
    assert answer.status == 202, answer
    return answer.json


def until(sidecar: Sidecar, job: str, *states: str) -> dict[str, Any]:
    def found() -> Any:
        answer = sidecar.ask(f"/v1/jobs/{job}").json
        assert answer["state"] in (*states, "queued", "running", "waiting", "cancelling"), answer
        return answer["state"] in states and answer

    return wait_until(found, f"job is {states}")


def modes_of(records: list[dict[str, Any]]) -> np.ndarray:
    return np.array([CODES.index(max(one["probabilities"], key=one["probabilities"].get)) for one in records])


def test_json_has_what_numpy_says_of_all_maps(
    sidecar: Sidecar, season: Path, direct: np.ndarray, records: list[dict[str, Any]]
) -> None:
    answer = sidecar.ask(f"/v1/seasons/{SEASON}/heat-maps?echo=true").json
    assert (answer["condition"], answer["stream"], answer["unit"]) == ("predicted", "raw", "logit")
    assert (answer["frames"], answer["failed"], answer["pending"]) == (COUNT, 0, 0)
    (group,) = answer["groups"]
    assert (group["name"], group["first"], group["last"], group["days"]) == (SEASON, "2015-11-30", "2015-12-03", 4)
    modes = modes_of(records)
    for k, code in enumerate(CODES):
        field = group["modes"][code]
        chosen = direct[modes == k, k].astype(np.float64)
        assert (field["n"], field["few"]) == (len(chosen), len(chosen) < FEW)
        if len(chosen):
            np.testing.assert_allclose(field["mean"], chosen.mean(axis=0), atol=1e-5)
            np.testing.assert_allclose(field["std"], chosen.std(axis=0), atol=1e-5)
            assert np.array(field["echo"]).shape == (80, 90)


def test_months_and_days_are_put_together_without_a_model(sidecar: Sidecar, season: Path, direct: np.ndarray) -> None:
    path = f"/v1/seasons/{SEASON}/heat-maps?condition=all&by=month"
    groups = {one["name"]: one for one in sidecar.ask(path).json["groups"]}
    assert list(groups) == ["2015-11", "2015-12"]
    for name, chosen in (("2015-11", direct[:48]), ("2015-12", direct[48:])):
        for k, code in enumerate(CODES):
            assert groups[name]["modes"][code]["n"] == len(chosen)
            np.testing.assert_allclose(groups[name]["modes"][code]["mean"], chosen[:, k].mean(axis=0), atol=1e-5)
    some = sidecar.ask(f"{path}&from=2015-12-01&to=2015-12-02").json
    assert some["frames"] == 96
    np.testing.assert_allclose(
        some["groups"][0]["modes"]["LT"]["mean"], direct[48:144, 2].mean(axis=0, dtype=np.float64), atol=1e-5
    )


def test_a_sheet_is_a_picture(sidecar: Sidecar, season: Path) -> None:
    answer = sidecar.ask(f"/v1/seasons/{SEASON}/heat-maps?as=png")
    assert answer.headers["Content-Type"] == "image/png"
    one = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    by_month = sidecar.ask(f"/v1/seasons/{SEASON}/heat-maps?as=png&by=month&stream=unit_peak")
    two = cv2.imdecode(np.frombuffer(by_month.body, np.uint8), cv2.IMREAD_COLOR)
    assert two.shape == (2 * one.shape[0], *one.shape[1:])


def test_npz_and_netcdf_hold_everything(sidecar: Sidecar, season: Path, direct: np.ndarray, tmp_path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    path = f"/v1/seasons/{SEASON}/heat-maps?by=month"
    with np.load(io.BytesIO(sidecar.ask(f"{path}&as=npz").body)) as stored:
        numbers = dict(stored)
    assert numbers["groups"].tolist() == ["2015-11", "2015-12"]
    np.testing.assert_allclose(numbers["all_raw_mean"][0], direct[:48].mean(axis=0, dtype=np.float64), atol=1e-5)
    np.testing.assert_allclose(numbers["all_raw_std"][1], direct[48:].std(axis=0, dtype=np.float64), atol=1e-5)
    (tmp_path / "x.nc").write_bytes(sidecar.ask(f"{path}&as=nc").body)
    with netcdf.Dataset(tmp_path / "x.nc") as data:
        assert data.Conventions == "CF-1.8"
        assert data["mode"][:].tolist() == list(CODES)
        assert data["period"][:].tolist() == ["2015-11", "2015-12"]
        first = netcdf.num2date(data["first_day"][:], data["first_day"].units)
        assert [f"{day:%Y-%m-%d}" for day in first] == ["2015-11-30", "2015-12-01"]
        for condition in ("all", "predicted"):
            for stream in ("raw", "unit_peak"):
                name = f"{condition}_{stream}"
                counts = data[f"{name}_n"][:]
                np.testing.assert_array_equal(counts, numbers[f"{name}_count"])
                for kind in ("mean", "std"):
                    field = data[f"{name}_{kind}"]
                    assert field.dimensions == ("period", "mode", "row", "column")
                    np.testing.assert_array_equal(np.ma.getmaskarray(field[:])[..., 0, 0], counts == 0)
                    np.testing.assert_allclose(field[:].filled(0), numbers[f"{name}_{kind}"])
        assert data["echo_share"].dimensions == ("period", "mode", "echo_row", "echo_column")


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("from=2016-02-01", 404, 'POST /v1/jobs {"kind": "heat_maps", "season": "winter"'),
        ("method=hirescam", 404, "no sums of hirescam heat maps"),
        ("from=2016-02-02&to=2016-02-01", 422, "expected the first day before the last"),
        ("from=yesterday", 422, "from"),
        ("as=gif", 422, "as"),
        ("version=1", 404, "Expected one of"),
    ],
)
def test_what_is_not_there(sidecar: Sidecar, season: Path, query: str, status: int, says: str) -> None:
    answer = sidecar.ask(f"/v1/seasons/{SEASON}/heat-maps?{query}")
    assert answer.status == status
    assert says in answer.json["detail"]


def test_frames_that_come_later_are_told_of(sidecar: Sidecar, archive: Path, version: int, tmp_path: Path) -> None:
    write_frames(archive / "growing", 20)
    made = make_records(20, season="growing", version=version)
    assert sidecar.record(made[:12]).status == 200
    until(sidecar, post_job(sidecar, "growing")["id"], "done")
    assert sidecar.record(made[12:]).status == 200
    answer = sidecar.ask("/v1/seasons/growing/heat-maps").json
    assert answer["frames"] == 12
    assert answer["pending"] >= 8  # the others of that day may be counted too
    until(sidecar, post_job(sidecar, "growing")["id"], "done")
    answer = sidecar.ask("/v1/seasons/growing/heat-maps").json
    assert (answer["frames"], answer["pending"]) == (20, 0)


def test_wrong_jobs_are_refused(sidecar: Sidecar) -> None:
    for body, status in (
        (b'{"kind": "heat_maps", "season": "none"}', 404),
        (b'{"kind": "coffee", "season": "winter"}', 422),
        (b'{"kind": "heat_maps", "season": "winter", "versoin": 3}', 422),
        (b"{", 422),
    ):
        assert sidecar.ask("/v1/jobs", body=body, Content_Type="application/json").status == status
    for word in ("cancel", "resume"):
        assert sidecar.ask(f"/v1/jobs/{'0' * 36}/{word}", body=b"").status == 404
    assert sidecar.ask("/v1/jobs/no-job").status == 422


def test_without_an_archive_no_job_is_begun(start_sidecar: Callable[..., Sidecar]) -> None:
    sidecar = start_sidecar()
    assert sidecar.record(make_records(3, season=SEASON)).status == 200
    body = b'{"kind": "heat_maps", "season": "winter"}'
    answer = sidecar.ask("/v1/jobs", body=body, Content_Type="application/json")
    assert (answer.status, answer.json["part"]) == (503, "archive")
    assert "start the sidecar with --archive FOLDER" in answer.json["detail"]
    assert sidecar.ask("/v1/jobs").json == {"jobs": []}


@pytest.fixture(scope="module")
def long_season(archive: Path) -> str:
    """A season of many days; whoever answers for it takes his time."""
    source, folder = write_frames(archive.parent / "distinct", 50), archive / "long"
    folder.mkdir()
    for n in range(MANY):
        (folder / f"pr2hse{n:05d}.png").hardlink_to(source / f"pr2hse{n % 50:05d}.png")
    return "long"


class Slow:
    """A model server that answers one batch after the other, and not at all while it is held up."""

    def __init__(self) -> None:
        self._one, self._way = threading.Lock(), threading.Semaphore(0)
        self.is_free = False

    def let(self, batches: int) -> None:
        for _ in range(batches):
            self._way.release()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        while not self.is_free and not self._way.acquire(timeout=0.05):
            pass
        with self._one:
            return brightness(images)


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Of the model server; set free at the end, so that it can stop."""
    one = Slow()
    yield one
    one.is_free = True


def begin(sidecar: Sidecar, season: str, slow: Slow) -> str:
    """Records a season of the stand-in's, and begins a job, which is held up after some batches."""
    made = make_records(MANY, season=season, version=7, codes=("A", "B"))
    assert sidecar.record(made).status == 200
    job = post_job(sidecar, season)["id"]
    slow.let(6)
    wait_until(lambda: sidecar.ask(f"/v1/jobs/{job}").json["done"] >= 300, "some days are done")
    return job


def summed(sidecar: Sidecar, season: str) -> int:
    answer = sidecar.ask(f"/v1/seasons/{season}/heat-maps?condition=all").json
    counts = {field["n"] for group in answer["groups"] for field in group["modes"].values()}
    assert counts == {answer["frames"]}
    return answer["frames"]


@pytest.mark.slow
def test_a_job_survives_kill_9(
    start_sidecar: Callable[..., Sidecar], archive: Path, long_season: str, slow: Slow
) -> None:
    with stand_in(slow) as server:
        first = start_sidecar(f"--archive={archive}", server=server)
        job = begin(first, long_season, slow)
        first.stop(signal.SIGKILL)
        second = start_sidecar(f"--archive={archive}", server=server)
        before = second.ask(f"/v1/jobs/{job}").json
        assert before["state"] == "running"
        days, rest = divmod(summed(second, long_season), 144)
        assert (0 < days < MANY // 144, rest) == (True, 0)  # whole days
        slow.is_free = True
        done = until(second, job, "done")  # as soon as the first one has not been heard of for long enough
        assert (done["done"], done["failed"]) == (MANY, 0)
        assert summed(second, long_season) == MANY


def test_stopping_hands_over_at_once(
    start_sidecar: Callable[..., Sidecar], archive: Path, long_season: str, slow: Slow
) -> None:
    with stand_in(slow) as server:
        first = start_sidecar(f"--archive={archive}", server=server)
        job = begin(first, long_season, slow)
        slow.is_free = True
        assert first.stop() == 0
        second = start_sidecar(f"--archive={archive}", server=server)
        assert second.ask(f"/v1/jobs/{job}").json["state"] in ("queued", "running", "done")
        assert until(second, job, "done")["done"] == MANY
        assert summed(second, long_season) == MANY


def test_a_job_is_cancelled_and_resumed(
    start_sidecar: Callable[..., Sidecar], archive: Path, long_season: str, slow: Slow
) -> None:
    with stand_in(slow) as server:
        sidecar = start_sidecar(f"--archive={archive}", server=server)
        job = begin(sidecar, long_season, slow)
        assert sidecar.ask(f"/v1/jobs/{job}/cancel", body=b"").json["state"] == "cancelling"
        slow.let(6)  # what is in flight is waited for
        stopped = until(sidecar, job, "cancelled")
        assert 0 < stopped["done"] == summed(sidecar, long_season) < MANY
        assert sidecar.ask(f"/v1/jobs/{job}/resume", body=b"").json["state"] == "queued"
        slow.is_free = True
        assert until(sidecar, job, "done")["done"] == MANY
        assert summed(sidecar, long_season) == MANY


def test_a_model_server_that_goes_away_is_waited_for(
    start_sidecar: Callable[..., Sidecar], archive: Path, long_season: str, slow: Slow
) -> None:
    with stand_in(slow) as server:
        sidecar = start_sidecar(f"--archive={archive}", server=server)
        job = begin(sidecar, long_season, slow)
        kept = summed(sidecar, long_season)
    waiting = until(sidecar, job, "waiting")
    assert waiting["message"].startswith(f"model server: No model server answers at {server}")
    assert waiting["rate"] is None
    frame = sidecar.ask(f"/v1/frames?season={long_season}&limit=1").json["frames"][0]["id"]
    away = sidecar.ask(f"/v1/frames/{frame}/heat-maps")
    assert (away.status, away.json["part"]) == (503, "model server")
    assert away.headers["Retry-After"]
    # What was summed up before needs no model, nor does what is known of it.
    assert summed(sidecar, long_season) >= kept
    assert sidecar.ask("/v1/models").json["models"][0]["version"] == 7
    slow.is_free = True
    with stand_in(slow, port=int(server.rpartition(":")[2])):
        done = until(sidecar, job, "done")
        assert (done["done"], done["failed"], done["message"]) == (MANY, 0, "")
        assert summed(sidecar, long_season) == MANY
        wait_until(lambda: sidecar.ask(f"/v1/frames/{frame}/heat-maps").status == 200, "heat maps again")
