"""The mix of modes of the last weeks, from the database to the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from serving.protocol.records import PredictionRecord
from serving.sidecar.mode_mix import ModeMix, Recent
from serving.sidecar.operations.health import Health
from serving.sidecar.operations.metrics import Metrics
from serving.sidecar.store.database import Database
from serving.sidecar.store.predictions import record
from tests.serving.sidecar.process import CODES, VERSION, make_records

NOW = datetime(2018, 1, 31, tzinfo=UTC)
SHARES = (0.25, 0.05, 0.15, 0.2, 0.35)
ONLY_NO = (0.0, 0.0, 0.0, 0.0, 1.0)


def winter(season: str, start: datetime, days: int, shares: tuple[float, ...] = SHARES, **more: Any) -> list[Any]:
    """Records of every three hours; modes of the given shares last half a day each."""
    records = make_records(days * 8, season=season, start=start, cadence=timedelta(hours=3), **more)
    rng = np.random.default_rng(start.year + days)
    modes = np.repeat(rng.choice(5, len(records) // 4 + 1, p=shares), 4)
    for one, mode in zip(records, modes, strict=False):
        one["probabilities"] = {code: 0.8 if k == mode else 0.05 for k, code in enumerate(CODES)}
    return records


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    one = Database(database_url)
    one.upgrade()
    yield one
    one.close()


def keep(database: Database, *lists: list[Any]) -> None:
    for records in lists:
        with database.writing() as connection:
            record(connection, [PredictionRecord.model_validate(one) for one in records])


def find(database: Database, *, now: datetime = NOW) -> Recent:
    with database.reading() as connection:
        found = ModeMix(clock=now.timestamp).find(connection)
    assert found is not None
    return found


def test_nothing_is_recorded(database: Database) -> None:
    with database.reading() as connection:
        assert ModeMix().find(connection) is None


def test_the_last_weeks_of_the_newest_season_against_other_winters_at_the_same_time_of_the_year(
    database: Database,
) -> None:
    keep(
        database,
        winter("hse20152016", datetime(2015, 11, 1, tzinfo=UTC), 150),
        winter("hse20162017", datetime(2016, 11, 1, tzinfo=UTC), 150),
        winter("hse20172018", datetime(2017, 11, 1, tzinfo=UTC), 91),
    )
    found = find(database)
    assert (found.season, found.version, found.codes, found.kind) == ("hse20172018", VERSION, CODES, "winters")
    assert found.recent.mix.frames == 30 * 8
    assert found.reference is not None
    assert found.reference.mix.frames == pytest.approx(2 * 90 * 8, abs=20)  # thirty days more on both sides
    assert found.shift is not None
    assert found.shift.psi < found.shift.by_chance
    assert found.recent.confidence == pytest.approx(0.8)
    assert 0 <= found.recent.accepted <= 1


def test_pictures_that_went_blank_are_seen(database: Database) -> None:
    keep(
        database,
        winter("hse20162017", datetime(2016, 11, 1, tzinfo=UTC), 150),
        winter("hse20172018", datetime(2018, 1, 1, tzinfo=UTC), 30, ONLY_NO),
    )
    shift = find(database).shift
    assert shift is not None
    assert shift.psi > max(0.25, shift.by_chance)


def test_a_first_winter_is_held_against_its_own_weeks_before(database: Database) -> None:
    keep(database, winter("incoming", datetime(2017, 11, 1, tzinfo=UTC), 91))
    found = find(database)
    assert found.kind == "before"
    assert found.reference is not None
    assert found.reference.mix.frames == 61 * 8
    assert found.shift is not None


def test_a_season_that_runs_for_years_is_its_own_other_winters(database: Database) -> None:
    keep(
        database,
        winter("incoming", datetime(2016, 11, 1, tzinfo=UTC), 150),
        [one | {"frame": f"b{one['frame']}"} for one in winter("incoming", datetime(2017, 12, 1, tzinfo=UTC), 60)],
    )
    found = find(database)
    assert (found.kind, found.recent.mix.frames) == ("winters", 30 * 8)


def test_too_little_to_be_held_against_anything(database: Database) -> None:
    keep(database, winter("incoming", datetime(2018, 1, 1, tzinfo=UTC), 20))
    found = find(database)
    assert (found.kind, found.reference, found.shift) == (None, None, None)
    assert found.recent.mix.frames == 20 * 8


def test_a_frame_of_the_future_does_not_move_the_last_weeks(database: Database) -> None:
    wrong = {"frame": "wrong-year.png", "time": "2099-01-01T00:00:00Z"}
    records = winter("incoming", datetime(2017, 11, 1, tzinfo=UTC), 91)
    keep(database, records, [records[0] | wrong])
    assert find(database).recent.mix.frames == 30 * 8


def test_other_models_and_the_order_of_their_modes_are_told_apart(database: Database) -> None:
    turned = [
        one | {"model_version": VERSION - 1, "probabilities": dict(reversed(one["probabilities"].items()))}
        for one in winter("hse20162017", datetime(2016, 11, 1, tzinfo=UTC), 150, ONLY_NO)
    ]
    keep(
        database,
        turned,
        winter("hse20152016", datetime(2015, 11, 1, tzinfo=UTC), 150, model="another"),
        winter("hse20172018", datetime(2018, 1, 1, tzinfo=UTC), 30, ONLY_NO),
    )
    found = find(database)
    assert found.reference is not None
    assert found.reference.mix.frames == pytest.approx(90 * 8, abs=10)
    assert found.reference.mix.shares[CODES.index("NO")] == 1
    assert found.shift is not None
    assert found.shift.psi == pytest.approx(0)


def test_it_is_counted_now_and_then_only(database: Database) -> None:
    keep(database, winter("incoming", datetime(2018, 1, 1, tzinfo=UTC), 10))
    mix = ModeMix(clock=NOW.timestamp)
    with database.reading() as connection:
        first = mix.find(connection)
    keep(database, winter("later", datetime(2018, 1, 15, tzinfo=UTC), 10))
    with database.reading() as connection:
        assert mix.find(connection) is first
        assert ModeMix(clock=NOW.timestamp, kept=0).find(connection) != first


def test_the_metrics_tell_all_of_it(database: Database, tmp_path: Path) -> None:
    keep(
        database,
        winter("hse20162017", datetime(2016, 11, 1, tzinfo=UTC), 150),
        winter("hse20172018", datetime(2017, 12, 1, tzinfo=UTC), 60),
    )
    folders = {"database": tmp_path, "archive": tmp_path / "away"}
    health = Health({"database": database.check})
    try:
        page = Metrics(health, database, folders=folders, mode_mix=ModeMix(clock=NOW.timestamp)).write().decode()
    finally:
        health.close()
    found = {
        (sample.name.removeprefix("snowmode_sidecar_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    version = str(VERSION)
    for period in ("recent", "reference"):
        shares = [found["mode_share", *sorted((code, "hse20172018", period, version))] for code in CODES]
        assert sum(shares) == pytest.approx(1)
        assert found["confidence", *sorted(("hse20172018", period, version))] == pytest.approx(0.8)
    labels = sorted(("hse20172018", version, "winters"))
    assert 0 < found["mode_mix_psi", *labels] < found["mode_mix_psi_by_chance", *labels]
    assert 0 < found["disk_free_bytes", "database"] < found["disk_size_bytes", "database"]
    assert ("disk_free_bytes", "archive") not in found
    with database.reading() as connection:
        if connection.dialect.name == "sqlite":
            pages = connection.scalar(text("PRAGMA page_count")) or 0
            assert found["database_bytes",] >= 4096 * (pages - 8)
    assert found["database_bytes",] > 100_000
