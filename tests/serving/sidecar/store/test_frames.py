"""Finding frames: every page of every order together is the whole, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.protocol.records import PredictionRecord
from serving.sidecar.errors import BadRequest, NotFound
from serving.sidecar.store.database import Database
from serving.sidecar.store.frames import Order, Prediction, Wanted, find_frame, find_page, neighbours
from serving.sidecar.store.predictions import record
from serving.sidecar.store.reviews import add_review, withdraw_review
from serving.sidecar.store.seasons import Series, describe_season, find_season, find_series
from tests.serving.sidecar.process import make_records

ORDERS: tuple[Order, ...] = ("time", "-time", "confidence", "-confidence")


@pytest.fixture
def series(database: Database) -> Series:
    """60 frames, some failed, some without a time, three with the same time; and what another version says."""
    rows = make_records(60, failed=[5, 6, 40])
    for n in (11, 12):
        rows[n]["time"] = rows[10]["time"]
    for n in (20, 21, 22):
        del rows[n]["time"]
    rows += make_records(60, version=7, seed=4)
    with database.writing() as connection:
        record(connection, [PredictionRecord.model_validate(row) for row in rows])
        return find_series(connection, "hse20152016")


def every_page(
    database: Database, series: Series, wanted: Wanted | None = None, order: Order = "time", limit: int = 7
) -> list[Prediction]:
    found, after = [], None
    with database.reading() as connection:
        while True:
            page = find_page(connection, series, wanted, order=order, after=after, limit=limit)
            assert len(page.predictions) <= limit
            found += page.predictions
            after = page.after
            if after is None:
                return found
            assert page.predictions


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 7, 60, 1000])
def test_pages_put_together_are_all_frames_in_order(
    database: Database, series: Series, order: Order, limit: int
) -> None:
    found = every_page(database, series, order=order, limit=limit)
    assert len({one.frame_id for one in found}) == len(found) == 60
    keys = [getattr(one, order.lstrip("-")) for one in found]
    keys = [-1 if key is None else key for key in keys]  # failed frames and frames without a time come first
    assert keys == sorted(keys, reverse=order.startswith("-"))


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(modes=("LT", "SY")), lambda one: one.mode in ("LT", "SY")),
        (Wanted(lowest=0.6), lambda one: (one.confidence or 0) >= 0.6),
        (Wanted(highest=0.6), lambda one: one.confidence is not None and one.confidence <= 0.6),
        (Wanted(accepted=True), lambda one: one.accepted),
        (Wanted(accepted=False), lambda one: one.mode is not None and not one.accepted),
        (Wanted(failed=True), lambda one: one.mode is None),
        (Wanted(failed=False, modes=("NO",)), lambda one: one.mode == "NO"),
        (Wanted(name="pr2hse00031.png"), lambda one: one.frame == "pr2hse00031.png"),
        (Wanted(since=1448928000 + 6000), lambda one: (one.time or 0) >= 1448928000 + 6000),
        (Wanted(until=1448928000 + 6000), lambda one: one.time is not None and one.time < 1448928000 + 6000),
    ],
)
def test_a_filter_takes_what_fits_and_nothing_else(
    database: Database, series: Series, wanted: Wanted, fits: Callable[[Prediction], bool]
) -> None:
    everything = every_page(database, series)
    expected = {one.frame_id for one in everything if fits(one)}
    assert 0 < len(expected) < 60
    assert {one.frame_id for one in every_page(database, series, wanted)} == expected


def test_reviewed_frames_are_found_as_long_as_the_review_stands(database: Database, series: Series) -> None:
    with database.writing() as connection:
        kept = add_review(connection, 8, "LT", "me")
        gone = add_review(connection, 9, "LT", "me")
        withdraw_review(connection, gone.id)
    assert [one.frame_id for one in every_page(database, series, Wanted(reviewed=True))] == [kept.frame_id]
    assert len(every_page(database, series, Wanted(reviewed=False))) == 59


def test_versions_that_disagree(database: Database, series: Series) -> None:
    with database.reading() as connection:
        other = find_series(connection, "hse20152016", 7)
    theirs = {one.frame_id: one.mode for one in every_page(database, other)}
    found = every_page(database, series, Wanted(differs_from=other))
    expected = {one.frame_id for one in every_page(database, series) if one.mode and one.mode != theirs[one.frame_id]}
    assert {one.frame_id for one in found} == expected
    assert 0 < len(expected) < 57


def test_frames_that_come_in_meanwhile_shift_nothing(database: Database, series: Series) -> None:
    with database.reading() as connection:
        first = find_page(connection, series, order="-time", limit=10)
    with database.writing() as connection:
        later = make_records(["later.png"], seed=1)
        later[0]["time"] = "2016-01-01T00:00:00Z"
        record(connection, [PredictionRecord.model_validate(one) for one in later])
    with database.reading() as connection:
        second = find_page(connection, series, order="-time", after=first.after, limit=10)
    names = [one.frame for one in first.predictions + second.predictions]
    assert names == [f"pr2hse{n:05d}.png" for n in range(59, 39, -1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(text=st.one_of(st.text(max_size=60), st.binary(max_size=40).map(lambda b: b.hex())))
def test_a_wrong_place_to_go_on_from_is_refused(database: Database, series: Series, text: str) -> None:
    with database.reading() as connection, pytest.raises(BadRequest, match="after: expected"):
        find_page(connection, series, after=text)


def test_a_place_of_another_order_is_refused(database: Database, series: Series) -> None:
    with database.reading() as connection:
        after = find_page(connection, series, order="confidence", limit=3).after
        with pytest.raises(BadRequest, match="in the order 'time'"):
            find_page(connection, series, order="time", after=after)


def test_unknown_things_are_named_with_what_there_is(database: Database, series: Series) -> None:
    with database.reading() as connection:
        with pytest.raises(BadRequest, match="expected some of SY, VX, LT, DM, NO, received XX"):
            find_page(connection, series, Wanted(modes=("XX",)))
        with pytest.raises(NotFound, match=r"no season 'hse20152061'. Expected one of: hse20152016"):
            find_series(connection, "hse20152061")
        with pytest.raises(NotFound, match=r"version 8. Expected one of: 202611211200, 7"):
            find_series(connection, "hse20152016", 8)
        with pytest.raises(NotFound, match="id 999"):
            find_frame(connection, 999)


def test_neighbours_lead_through_all_frames_and_back(database: Database, series: Series) -> None:
    everything = every_page(database, series)
    by_id = {one.frame_id: one for one in everything}
    with database.reading() as connection:
        walked = [everything[0]]
        while (later := neighbours(connection, series, walked[-1])[1]) is not None:
            assert neighbours(connection, series, by_id[later])[0] == walked[-1].frame_id
            walked.append(by_id[later])
        assert walked == everything
        assert neighbours(connection, series, walked[0])[0] is None


def test_a_season_says_more_without_forgetting(database: Database) -> None:
    with database.writing() as connection:
        describe_season(connection, "new", start=5, time_rule="index")
        describe_season(connection, "new", start=6)
        found = find_season(connection, "new")
    assert (found.start, found.time_rule, found.cadence) == (6, "index", None)
