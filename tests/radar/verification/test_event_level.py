"""Events observed and events predicted: which were seen, and when they began and ended."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.events import Event, as_times, find_events
from radar.verification.event_level import TOLERANCE, match_events

START = datetime(2015, 12, 1, tzinfo=UTC)


def event(start, end, mode=0, series=0):
    """An event between two minutes."""
    return Event(mode, START + timedelta(minutes=start), START + timedelta(minutes=end), 1, series)


def match(observed, predicted, tolerance=0, modes=3, **settings):
    return match_events(observed, predicted, modes, tolerance=timedelta(minutes=tolerance), **settings)


def test_an_event_that_was_predicted_is_a_hit():
    found = match([event(0, 60)], [event(20, 50)])
    assert (len(found.hits), found.misses, found.false_alarms) == (1, (), ())
    (hit,) = found.hits
    assert hit.observed == event(0, 60)
    assert (hit.onset_error, hit.end_error, hit.pieces) == (20, -10, 1)


def test_an_event_seen_too_early_and_held_too_long():
    (hit,) = match([event(60, 120)], [event(15, 130)]).hits
    assert (hit.onset_error, hit.end_error) == (-45, 10)


def test_an_event_that_was_not_predicted_is_a_miss():
    found = match([event(0, 60)], [])
    assert (found.hits, found.misses, found.false_alarms) == ((), (event(0, 60),), ())


def test_a_prediction_of_nothing_is_a_false_alarm():
    found = match([], [event(0, 60)])
    assert (found.hits, found.misses, found.false_alarms) == ((), (), (event(0, 60),))


@pytest.mark.parametrize("other", [{"mode": 1}, {"series": 1}])
def test_only_events_of_one_mode_and_season_match(other):
    found = match([event(0, 60)], [event(0, 60, **other)])
    assert (found.hits, found.misses, found.false_alarms) == ((), (event(0, 60),), (event(0, 60, **other),))


def test_pieces_of_an_event_are_one_hit():
    found = match([event(0, 200)], [event(150, 230), event(10, 40), event(60, 100)])
    (hit,) = found.hits
    assert (hit.pieces, hit.onset_error, hit.end_error) == (3, 10, 30)
    assert found.false_alarms == ()


def test_one_prediction_may_cover_two_events():
    found = match([event(0, 50), event(90, 120)], [event(5, 110)])
    assert [(hit.onset_error, hit.end_error) for hit in found.hits] == [(5, 60), (-85, -10)]
    assert found.false_alarms == ()


@pytest.mark.parametrize(("minutes", "tolerance", "hits"), [(30, 30, 1), (31, 30, 0), (0, 0, 1), (1, 0, 0)])
@pytest.mark.parametrize("before", [False, True])
def test_the_tolerance_is_inclusive(minutes, tolerance, hits, before):
    observed = [event(100, 200)]
    predicted = [event(100 - minutes - 20, 100 - minutes) if before else event(200 + minutes, 220 + minutes)]
    found = match(observed, predicted, tolerance)
    assert len(found.hits) == hits
    assert len(found.misses) == len(found.false_alarms) == 1 - hits
    assert found.tolerance == timedelta(minutes=tolerance)


def test_half_an_hour_is_tolerated_by_default():
    assert timedelta(minutes=30) == TOLERANCE
    assert len(match_events([event(0, 10)], [event(40, 50)], 1).hits) == 1
    assert len(match_events([event(0, 10)], [event(41, 50)], 1).hits) == 0


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_predictions_where_nobody_looked_are_no_false_alarms(kind):
    predicted = [event(0, 60), event(200, 260), event(400, 460)]
    found = match([event(0, 60)], predicted, scored=kind([True, False, True]))
    assert found.false_alarms == (predicted[2],)
    # They still make hits.
    assert len(match([event(200, 260)], predicted, scored=kind([True, False, True])).hits) == 1


def test_nothing_scored_makes_no_false_alarm():
    assert match([], [event(0, 60)], scored=np.array([False])).false_alarms == ()
    assert match([event(0, 60)], [], scored=[]).misses == (event(0, 60),)


def test_it_must_be_told_of_each_prediction_whether_somebody_looked():
    with pytest.raises(ValueError, match="zip"):
        match([], [event(0, 60)], scored=[True, False])


def test_scores_are_by_mode():
    observed = [event(0, 10), event(100, 110), event(200, 210), event(0, 10, 1)]
    predicted = [event(0, 10), event(100, 110), event(300, 310), event(300, 310, 2), event(400, 410, 2)]
    found = match(observed, predicted, modes=4)
    assert [part.tolist() for part in found.counts()] == [[2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 2, 0]]
    np.testing.assert_allclose(found.probability_of_detection(), [2 / 3, 0, np.nan, np.nan])
    np.testing.assert_allclose(found.false_alarm_ratio(), [1 / 3, np.nan, 1, np.nan])
    np.testing.assert_allclose(found.critical_success_index(), [1 / 2, 0, 0, np.nan])


def test_there_may_be_no_events():
    found = match([], [])
    assert [part.tolist() for part in found.counts()] == [[0, 0, 0]] * 3
    assert np.isnan(found.probability_of_detection()).all()


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(0, 3), st.integers(0, 3))
def test_a_perfect_model_hits_every_event_to_the_minute(modes, gap, tolerance):
    times = as_times([START + timedelta(minutes=n) for n in range(len(modes))])
    events, _ = find_events(modes, times, longest_gap=timedelta(minutes=gap))
    found = match(events, events, 0)
    assert len(found.hits) == len(events)
    assert not found.misses + found.false_alarms
    assert all((hit.pieces, hit.onset_error, hit.end_error) == (1, 0, 0) for hit in found.hits)
    assert not match(events, events, tolerance).false_alarms


def events_of(frames):
    """Events of random frames: a mode, a pause before it, a season."""
    now, times = 0, []
    for _, pause, _ in frames:
        now += pause
        times.append(START + timedelta(minutes=now))
    modes, series = [frame[0] for frame in frames], sorted(frame[2] for frame in frames)
    return find_events(modes, as_times(times), longest_gap=timedelta(minutes=3), series=series)[0]


FRAMES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 1)), max_size=30)


@given(FRAMES, FRAMES, st.integers(0, 6), st.randoms(use_true_random=False))
def test_matches_are_those_of_a_loop(observed_frames, predicted_frames, tolerance, random):
    observed, predicted = events_of(observed_frames), events_of(predicted_frames)
    random.shuffle(observed)
    random.shuffle(predicted)
    scored = [random.random() < 0.7 for _ in predicted]
    slack = timedelta(minutes=tolerance)
    pairs = {
        n: [
            m
            for m, p in enumerate(predicted)
            if (p.mode, p.series) == (o.mode, o.series) and p.start <= o.end + slack and p.end >= o.start - slack
        ]
        for n, o in enumerate(observed)
    }
    found = match(observed, predicted, tolerance, modes=2, scored=scored)
    assert {hit.observed for hit in found.hits} == {observed[n] for n in pairs if pairs[n]}
    assert set(found.misses) == {observed[n] for n in pairs if not pairs[n]}
    assert len(found.hits) + len(found.misses) == len(observed)
    used = {m for n in pairs for m in pairs[n]}
    assert list(found.false_alarms) == [p for m, p in enumerate(predicted) if scored[m] and m not in used]
    for hit in found.hits:
        pieces = [predicted[m] for m in pairs[observed.index(hit.observed)]]
        assert (hit.pieces, hit.start, hit.end) == (
            len(pieces),
            min(p.start for p in pieces),
            max(p.end for p in pieces),
        )
