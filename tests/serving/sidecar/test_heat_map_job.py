"""The heat maps of a season, summed up by a job: the same numbers as NumPy's, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radar import frames
from radar.heat_map_means import CONDITIONS, STREAMS, HeatMapMeans
from radar.heat_maps import has_echo, to_unit_peak
from serving.protocol.connection import Connection
from serving.protocol.contract import EXPLAIN
from serving.protocol.records import PredictionRecord
from serving.sidecar.archive import Archive
from serving.sidecar.errors import Unavailable
from serving.sidecar.heat_map_job import HeatMapJob
from serving.sidecar.jobs import Control, Ended
from serving.sidecar.model_server import ModelServer
from serving.sidecar.settings import Settings
from serving.sidecar.store import heat_sums
from serving.sidecar.store.database import Database
from serving.sidecar.store.jobs import add_job, claim_job, end_job
from serving.sidecar.store.predictions import record
from serving.sidecar.store.seasons import find_series
from tests.conftest import write_frames
from tests.serving.sidecar.process import CODES, make_records, wait_until

COUNT, SEASON = 130, "hse20152016"
CADENCE = timedelta(minutes=40)  # 36 frames a day, four days
START = datetime(2015, 12, 30, tzinfo=UTC)  # over the end of a month
DAYS = [16_799, 16_800, 16_801, 16_802]  # since 1970


@dataclass
class Winter:
    """What a job works with."""

    database: Database
    archive: Path
    model_server: ModelServer
    version: int

    def records(self, **more: Any) -> list[PredictionRecord]:
        made = make_records(COUNT, season=SEASON, version=self.version, start=START, cadence=CADENCE)
        return [PredictionRecord.model_validate({**one, **more}) for one in made]

    def control(self, method: str = "gradcam") -> Control:
        request = {"season": SEASON, "model": "snowmode", "version": self.version, "method": method}
        with self.database.writing() as connection:
            job = add_job(connection, "heat_maps", request)
            claimed = claim_job(connection, "me", 60)
        assert claimed is not None
        assert claimed.id == job.id
        return Control(self.database, claimed, "me")

    def work(self, control: Control, **more: Any) -> None:
        HeatMapJob(self.database, Archive(self.archive), more.pop("model_server", self.model_server), threads=2)(
            control
        )
        with self.database.writing() as connection:
            end_job(connection, control.job.id, "me", "done", "")

    def kept(self, method: str = "gradcam") -> dict[int, heat_sums.Kept]:
        with self.database.reading() as connection:
            return heat_sums.kept_days(connection, find_series(connection, SEASON), method)

    def sums(self, method: str = "gradcam", **more: Any) -> HeatMapMeans:
        with self.database.reading() as connection:
            series = find_series(connection, SEASON)
            days = heat_sums.read_days(connection, series, method, **{"first": None, "last": None, **more})
            parts = [means for _, means in days]
        whole = HeatMapMeans(parts[0].shape)
        for part in parts:
            whole.merge(part)
        return whole


@pytest.fixture
def winter(database_url: str, tmp_path: Path, server: str, recorded: Path) -> Iterator[Winter]:
    database = Database(database_url)
    database.upgrade()
    model_server = ModelServer(Settings(server=server), database)
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / SEASON).mkdir()
    for path in recorded.iterdir():
        (folder / SEASON / path.name).hardlink_to(path)
    one = Winter(database, folder, model_server, model_server.served().version)
    with database.writing() as connection:
        record(connection, one.records())
    yield one
    model_server.close()
    database.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frames, made once; tests work on links."""
    return write_frames(tmp_path_factory.mktemp("frames") / "f", COUNT)


@pytest.fixture(scope="module")
def direct(recorded: Path, server: str) -> dict[str, np.ndarray]:
    """Heat maps and echo of all frames, asked for without a job."""
    paths = sorted(recorded.iterdir())
    with Connection(server) as connection:
        rule = connection.describe().card.input.frame_rule()
        answer = connection.call(EXPLAIN, np.stack([frames.load(path, rule) for path in paths]))
    pictures = [frames.decode(frames.read(path)) for path in paths]
    return {**answer, "echo": np.stack([has_echo(one, rule.no_echo) for one in pictures])}


def modes(records: list[PredictionRecord]) -> np.ndarray:
    return np.array([CODES.index(max(one.probabilities, key=one.probabilities.__getitem__)) for one in records])


def check(found: HeatMapMeans, maps: np.ndarray, their_modes: np.ndarray, echo: np.ndarray) -> None:
    """Holds sums against NumPy on all maps at once."""
    unit, empty = to_unit_peak(maps)
    for k in range(len(CODES)):
        for condition in CONDITIONS:
            of = np.ones(len(maps), bool) if condition == "all" else their_modes == k
            assert found.conditions[condition].empty[k] == (empty[:, k] & of).sum()
            for stream in STREAMS:
                chosen = of if stream == "raw" else of & ~empty[:, k]
                fields = (maps if stream == "raw" else unit)[chosen, k].astype(np.float64)
                moments = found.moments(condition, stream)
                assert moments.count[k] == len(fields)
                if len(fields):
                    np.testing.assert_allclose(moments.mean[k], fields.mean(axis=0), atol=1e-5)
                    np.testing.assert_allclose(moments.std[k], fields.std(axis=0), atol=1e-5)
    for k in set(their_modes.tolist()):
        expected = echo[their_modes == k].mean(axis=0)
        np.testing.assert_allclose(found.echo_share("predicted")[k], expected, atol=1e-5)


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_sums_of_days_are_those_of_all_frames(winter: Winter, direct: dict[str, np.ndarray], method: str) -> None:
    control = winter.control(method)
    winter.work(control)
    assert (control.done, control.total, control.failed) == (COUNT, COUNT, 0)
    kept = winter.kept(method)
    assert sorted(kept) == DAYS
    assert [kept[day].frames for day in DAYS] == [36, 36, 36, 22]
    of = modes(winter.records())
    check(winter.sums(method), direct[method], of, direct["echo"])
    december = winter.sums(method, first=DAYS[0], last=DAYS[1])
    check(december, direct[method][:72], of[:72], direct["echo"][:72])


def test_only_days_that_changed_are_done_again(winter: Winter, direct: dict[str, np.ndarray]) -> None:
    winter.work(winter.control())
    before = winter.kept()
    again = winter.control()
    winter.work(again)
    assert winter.kept() == before
    corrected = [replaced for n, replaced in enumerate(winter.records(revision=2)) if 36 <= n < 40]
    (winter.archive / SEASON / "pr2hse00036.png").unlink()
    (winter.archive / SEASON / "pr2hse00036.png").hardlink_to(winter.archive / SEASON / "pr2hse00001.png")
    with winter.database.writing() as connection:
        record(connection, corrected)
    winter.work(winter.control())
    after = winter.kept()
    assert [day for day in DAYS if after[day].fingerprint != before[day].fingerprint] == [DAYS[1]]
    maps, echo = direct["gradcam"].copy(), direct["echo"].copy()
    maps[36], echo[36] = maps[1], echo[1]
    check(winter.sums(), maps, modes(winter.records()), echo)


def test_a_bad_frame_costs_itself_and_is_named(winter: Winter, direct: dict[str, np.ndarray]) -> None:
    folder = winter.archive / SEASON
    (folder / "pr2hse00005.png").unlink()
    (folder / "pr2hse00050.png").unlink()
    (folder / "pr2hse00050.png").write_bytes(b"no picture")
    control = winter.control()
    winter.work(control)
    assert (control.done, control.failed) == (COUNT, 2)
    (first, gone), (second, spoilt) = control.failures
    assert (first, second) == ("pr2hse00005.png", "pr2hse00050.png")
    assert "holds no frame 'pr2hse00005.png'" in gone
    assert "is not a PNG" in spoilt
    keep = np.delete(np.arange(COUNT), [5, 50])
    check(winter.sums(), direct["gradcam"][keep], modes(winter.records())[keep], direct["echo"][keep])
    # When it is there again, the next job takes it, and does no other day.
    before = winter.kept()
    (folder / "pr2hse00005.png").hardlink_to(folder / "pr2hse00006.png")
    (folder / "pr2hse00050.png").unlink()
    (folder / "pr2hse00050.png").hardlink_to(folder / "pr2hse00006.png")
    control = winter.control()
    control.job = replace(control.job, created=control.job.created + 1)  # a second later
    winter.work(control)
    assert control.failed == 0
    assert [day for day in DAYS if winter.kept()[day] != before[day]] == DAYS[:2]
    assert winter.kept()[DAYS[0]].frames == 36


def test_what_ends_a_job_in_the_middle_leaves_whole_days(winter: Winter, direct: dict[str, np.ndarray]) -> None:
    control = winter.control()
    written: list[int] = []
    keep_day = heat_sums.keep_day

    def keep_and_end(connection: Any, of: Any, method: str, day: int, *rest: Any, **more: Any) -> None:
        keep_day(connection, of, method, day, *rest, **more)
        written.append(day)
        if len(written) == 2:
            control.end("queued")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heat_sums, "keep_day", keep_and_end)
        patch.setattr("serving.protocol.pipeline.FIRST_BATCHES", (8,) * 100)
        with pytest.raises(Ended) as ended:
            winter.work(control)
    assert ended.value.state == "queued"
    assert sorted(winter.kept()) == DAYS[:2]
    assert control.done == 72
    again = Control(winter.database, control.job, "me")
    winter.work(again)
    assert again.done == COUNT
    check(winter.sums(), direct["gradcam"], modes(winter.records()), direct["echo"])


def test_who_lost_the_job_writes_nothing(winter: Winter) -> None:
    control = winter.control()
    with winter.database.writing() as connection:
        assert claim_job(connection, "another", -1) is not None
    with pytest.raises(Ended) as ended:
        winter.work(control)
    assert ended.value.state == ""
    assert winter.kept() == {}


def test_an_archive_that_is_away_is_waited_for(winter: Winter) -> None:
    control = winter.control()
    away = winter.archive.with_name("away")
    winter.archive.rename(away)
    thread = threading.Thread(target=winter.work, args=(control,))
    thread.start()
    wait_until(lambda: control.state == "waiting" and control.progress["message"].startswith("archive:"), "it waits")
    away.rename(winter.archive)
    thread.join(60)
    assert not thread.is_alive()
    assert (control.done, control.failed, control.state) == (COUNT, 0, "running")


def test_without_an_archive_a_job_fails_at_once(winter: Winter) -> None:
    control = winter.control()
    with pytest.raises(Unavailable, match="start the sidecar with --archive FOLDER"):
        HeatMapJob(winter.database, Archive(None), winter.model_server)(control)


def test_frames_of_other_modes_are_refused(winter: Winter) -> None:
    others = make_records(3, season="other", version=winter.version, codes=("A", "B"))
    (winter.archive / "other").mkdir()
    with winter.database.writing() as connection:
        record(connection, [PredictionRecord.model_validate(one) for one in others])
    control = winter.control()
    control.job.request["season"] = "other"
    with pytest.raises(Exception, match="expected frames of the modes SY, VX, LT, DM, NO"):
        winter.work(control)


def test_sums_come_back_from_bytes_as_they_were(direct: dict[str, np.ndarray]) -> None:
    means = HeatMapMeans(direct["gradcam"].shape[1:])
    means.add(direct["gradcam"], np.arange(COUNT) % 5)
    for n, echo in enumerate(direct["echo"]):
        means.add_echo(echo, n % 4)
    found = heat_sums.unpack(heat_sums.pack(means))
    found.echo = heat_sums.unpack_echo(heat_sums.pack_echo(means.echo))
    assert {name: values.tolist() for name, values in found.arrays().items()}.keys() == means.arrays().keys()
    for name, values in means.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values)
    assert heat_sums.unpack_echo(heat_sums.pack_echo(None)) is None
