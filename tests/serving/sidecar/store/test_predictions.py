"""Recording: whole, any number of times, by many at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from serving.protocol.records import PredictionRecord
from serving.sidecar.errors import Conflict
from serving.sidecar.store.database import Database
from serving.sidecar.store.frames import find_frame, predictions_of, read_series
from serving.sidecar.store.predictions import Recorded, find_frame_ids, record
from serving.sidecar.store.seasons import find_series, list_seasons, list_series
from tests.serving.sidecar.process import CODES, make_records


def records(*args: Any, **more: Any) -> list[PredictionRecord]:
    return [PredictionRecord.model_validate(one) for one in make_records(*args, **more)]


def store(database: Database, some: list[PredictionRecord]) -> Recorded:
    with database.writing() as connection:
        return record(connection, some)


def test_recording_twice_changes_nothing(database: Database) -> None:
    some = records(50, failed=[3])
    assert store(database, some) == Recorded(new=50, replaced=0, unchanged=0)
    with database.reading() as connection:
        before = find_series(connection, "hse20152016")
    assert store(database, some[10:]) == Recorded(new=0, replaced=0, unchanged=40)
    with database.reading() as connection:
        assert find_series(connection, "hse20152016") == before
        assert (before.frames, before.codes) == (50, CODES)
        assert (before.first, before.last) == tuple(int(some[n].time.timestamp()) for n in (0, -1))


def test_what_was_recorded_comes_back(database: Database) -> None:
    some = records(30, failed=[0, 7])
    store(database, list(reversed(some)))  # the order they come in does not matter
    with database.reading() as connection:
        series, ids = read_series(connection, find_series(connection, "hse20152016"))
        stored = predictions_of(connection, int(ids[7]))[0]
    expected = np.array([list(one.probabilities.values()) or [np.nan] * 5 for one in some])
    np.testing.assert_allclose(series.probabilities, expected, atol=1e-7)
    filled = np.where(np.isnan(expected), -1, expected)
    np.testing.assert_array_equal(series.modes, np.where(np.isnan(expected[:, 0]), -1, filled.argmax(axis=1)))
    assert series.accepted.tolist() == [one.accepted for one in some]
    assert [str(time) for time in series.times[:2]] == ["2015-12-01T00:00:00", "2015-12-01T00:10:00"]
    assert (stored.mode, stored.confidence, stored.probabilities, stored.error) == (None, None, {}, "is truncated")


def test_a_higher_revision_takes_the_place_and_a_lower_one_does_not(database: Database) -> None:
    first, second = records(1, sha256="aa")[0], records(1, seed=9, revision=3, sha256="bb")[0]
    third = records(1, seed=5, revision=2, sha256="cc")[0]
    store(database, [first])
    assert store(database, [second]) == Recorded(new=0, replaced=1, unchanged=0)
    assert store(database, [third]) == Recorded(new=0, replaced=0, unchanged=1)
    with database.reading() as connection:
        (one,) = predictions_of(connection, 1)
        assert find_frame(connection, 1)[3] == "bb"
        assert find_series(connection, "hse20152016").frames == 1
    assert one.revision == 3
    assert one.probabilities == pytest.approx(second.probabilities, abs=1e-6)


def test_of_records_of_one_frame_in_one_request_the_highest_revision_counts(database: Database) -> None:
    first, second = records(1)[0], records(1, seed=9, revision=2)[0]
    assert store(database, [second, first]) == Recorded(new=1, replaced=0, unchanged=1)
    with database.reading() as connection:
        assert predictions_of(connection, 1)[0].revision == 2


def test_the_time_of_a_frame_may_be_told_later(database: Database) -> None:
    known = records(1)[0]
    store(database, [known.model_copy(update={"time": None})])
    with database.reading() as connection:
        assert find_frame(connection, 1)[2] is None
        assert predictions_of(connection, 1)[0].time is None
        assert find_series(connection, "hse20152016").first is None
    store(database, [known.model_copy(update={"revision": 2})])
    with database.reading() as connection:
        assert find_frame(connection, 1)[2] == predictions_of(connection, 1)[0].time == int(known.time.timestamp())
        assert find_series(connection, "hse20152016").first == int(known.time.timestamp())


def test_a_time_that_was_wrong_is_not_the_last_one_any_more(database: Database) -> None:
    good = records(3)
    wrong = good[1].model_copy(update={"time": good[1].time.replace(year=2105)})
    store(database, [good[0], wrong, good[2]])
    with database.reading() as connection:
        assert find_series(connection, "hse20152016").last == int(wrong.time.timestamp())
    store(database, [good[1].model_copy(update={"revision": 2})])
    with database.reading() as connection:
        found = find_series(connection, "hse20152016")
        assert (found.first, found.last) == tuple(int(one.time.timestamp()) for one in (good[0], good[2]))
    store(database, [one.model_copy(update={"revision": 3, "time": None}) for one in good])
    with database.reading() as connection:
        found = find_series(connection, "hse20152016")
        assert (found.first, found.last) == (None, None)


def test_seasons_versions_and_models_are_apart(database: Database) -> None:
    some = records(5) + records(5, version=7) + records(5, season="hse20162017")
    assert store(database, some).new == 15
    with database.reading() as connection:
        assert [one.name for one in list_seasons(connection)] == ["hse20162017", "hse20152016"]
        assert [(one.season, one.version) for one in list_series(connection)] == [
            ("hse20162017", 202611211200),
            ("hse20152016", 202611211200),
            ("hse20152016", 7),
        ]
        ids = find_frame_ids(connection, "hse20152016", ["pr2hse00002.png", "nothing.png"])
        assert list(ids) == ["pr2hse00002.png"]
        assert len(predictions_of(connection, ids["pr2hse00002.png"])) == 2


def test_other_modes_are_refused_and_nothing_of_the_request_is_kept(database: Database) -> None:
    store(database, records(3))
    odd = records(6, codes=("A", "B"))[4:]
    said = r"pr2hse00004.png: expected probabilities of SY, VX, LT, DM, NO.*received A, B"
    with pytest.raises(Conflict, match=said):
        store(database, records(6)[3:4] + odd)
    with database.reading() as connection:
        assert find_series(connection, "hse20152016").frames == 3


def test_modes_in_another_order_are_put_in_order(database: Database) -> None:
    one = records(2)
    turned = one[1].model_copy(update={"probabilities": dict(reversed(one[1].probabilities.items()))})
    store(database, [one[0], turned])
    with database.reading() as connection:
        assert predictions_of(connection, 2)[0].probabilities == pytest.approx(one[1].probabilities, abs=1e-6)


def test_a_series_that_begins_with_failures_learns_its_modes_later(database: Database) -> None:
    store(database, records(2, failed=[0, 1]))
    with database.reading() as connection:
        assert find_series(connection, "hse20152016").codes == ()
        assert read_series(connection, find_series(connection, "hse20152016"))[0].probabilities.shape == (2, 0)
    store(database, records(4)[2:])
    with database.reading() as connection:
        series, _ = read_series(connection, find_series(connection, "hse20152016"))
    assert series.codes == CODES
    assert series.modes[:2].tolist() == [-1, -1]


def test_nothing_is_kept_of_work_that_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        record(connection, records(5))
        raise ZeroDivisionError
    with database.reading() as connection:
        assert list_seasons(connection) == []


def test_many_recorders_at_once_lose_nothing(database: Database) -> None:
    # Overlapping parts, in both directions, of two seasons: what would deadlock if locks had no order.
    whole = [records(400, season=season) for season in ("a", "b")]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for start in range(0, 400, 50):
                one, other = whole if number % 2 else whole[::-1]
                place = start if number % 3 else 350 - start
                store(database, one[place : place + 50] + other[place : place + 50])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as connection:
        assert [(one.season, one.frames) for one in list_series(connection)] == [("b", 400), ("a", 400)]
        for one in list_series(connection):
            assert len(read_series(connection, one)[1]) == 400
