"""Reviews: the newest that stands counts; nothing is deleted."""

from __future__ import annotations

import pytest

from serving.protocol.records import PredictionRecord
from serving.sidecar.errors import Conflict, NotFound
from serving.sidecar.store.database import Database
from serving.sidecar.store.predictions import record
from serving.sidecar.store.reviews import add_review, add_reviews, current_reviews, reviews_of, withdraw_review
from serving.sidecar.store.seasons import find_season
from tests.serving.sidecar.process import make_records


@pytest.fixture(autouse=True)
def _frames(database: Database) -> None:
    some = make_records(5) + make_records(5, season="other")
    with database.writing() as connection:
        record(connection, [PredictionRecord.model_validate(one) for one in some])


def current(database: Database, season: str | None = None) -> list[tuple[int, str]]:
    with database.reading() as connection:
        return [(one.frame_id, one.mode) for one in current_reviews(connection, season)]


def test_the_newest_review_counts_until_it_is_withdrawn(database: Database) -> None:
    with database.writing() as connection:
        add_review(connection, 2, "LT", "a")
        second = add_review(connection, 2, "DM", "b", "bound to the coast")
    assert current(database) == [(2, "DM")]
    with database.writing() as connection:
        assert withdraw_review(connection, second.id).withdrawn is not None
    assert current(database) == [(2, "LT")]
    with database.reading() as connection:
        told = reviews_of(connection, 2)
    assert [(one.mode, one.reviewer, one.withdrawn is None, one.note) for one in told] == [
        ("DM", "b", False, "bound to the coast"),
        ("LT", "a", True, ""),
    ]


def test_a_review_is_withdrawn_once(database: Database) -> None:
    with database.writing() as connection:
        one = add_review(connection, 2, "LT", "a")
        withdraw_review(connection, one.id)
        with pytest.raises(Conflict, match=r"hse20152016/pr2hse00001.png is withdrawn already"):
            withdraw_review(connection, one.id)
        with pytest.raises(NotFound, match="review with the id 77"):
            withdraw_review(connection, 77)


def test_all_of_many_reviews_or_none(database: Database) -> None:
    with pytest.raises(NotFound, match="id 99"), database.writing() as connection:
        add_reviews(connection, [(1, "LT", ""), (99, "LT", "")], "a")
    assert current(database) == []
    with database.writing() as connection:
        made = add_reviews(connection, [(3, "LT", ""), (1, "NO", "?"), (7, "SY", "")], "a")
    assert [(one.frame_id, one.mode, one.note) for one in made] == [(3, "LT", ""), (1, "NO", "?"), (7, "SY", "")]
    assert current(database, "hse20152016") == [(1, "NO"), (3, "LT")]
    assert current(database, "other") == [(7, "SY")]


def test_statistics_learn_that_reviews_changed(database: Database) -> None:
    def changes() -> tuple[int, int]:
        with database.reading() as connection:
            return find_season(connection, "hse20152016").changes, find_season(connection, "other").changes

    before = changes()
    with database.writing() as connection:
        one = add_review(connection, 2, "LT", "a")
    added = changes()
    assert added == (before[0] + 1, before[1])
    with database.writing() as connection:
        withdraw_review(connection, one.id)
    assert changes() == (added[0] + 1, before[1])
