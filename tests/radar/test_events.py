"""Frames cut into events, and times read and written."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import SeasonError
from radar.events import LONGEST_GAP, Event, as_datetimes, as_times, find_events

START = datetime(2015, 12, 1, tzinfo=UTC)
JST = timezone(timedelta(hours=9))

FRAMES = st.lists(st.tuples(st.integers(-1, 2), st.none() | st.integers(0, 40), st.integers(0, 1)), max_size=40)


def at(*minutes):
    """Times so many minutes after the start; None is unknown."""
    return as_times([None if m is None else START + timedelta(minutes=m) for m in minutes])


def spans(events):
    return [
        (e.mode, (e.start - START) / timedelta(minutes=1), (e.end - START) / timedelta(minutes=1), e.frames)
        for e in events
    ]


# Cutting.


def test_a_run_of_one_mode_is_an_event():
    events, index = find_events([1, 1, 1, 0, 0], at(0, 10, 20, 30, 40))
    assert spans(events) == [(1, 0, 20, 3), (0, 30, 40, 2)]
    assert index.tolist() == [0, 0, 0, 1, 1]
    assert events[0].duration == timedelta(minutes=20)
    assert events[0].start.utcoffset() == timedelta(0)


def test_the_longest_gap_still_belongs_to_the_event():
    assert timedelta(minutes=30) == LONGEST_GAP
    assert spans(find_events([1, 1], at(0, 30))[0]) == [(1, 0, 30, 2)]
    later = as_times([START, START + timedelta(minutes=30, seconds=1)])
    assert len(find_events([1, 1], later)[0]) == 2
    assert len(find_events([1, 1], at(0, 60), longest_gap=timedelta(hours=1))[0]) == 1
    assert len(find_events([1, 1], at(0, 10), longest_gap=timedelta(minutes=5))[0]) == 2


def test_what_interrupts_an_event_does_not_end_it():
    events, index = find_events([1, 0, 1, 2, 2, 1], at(0, 10, 20, 30, 40, 50))
    assert spans(events) == [(1, 0, 50, 3), (0, 10, 10, 1), (2, 30, 40, 2)]
    assert index.tolist() == [0, 1, 0, 2, 2, 0]
    assert events[1].duration == timedelta(0)


def test_a_long_interruption_ends_it():
    events, index = find_events([1, 0, 0, 0, 1], at(0, 10, 20, 30, 40))
    assert spans(events) == [(1, 0, 0, 1), (0, 10, 30, 3), (1, 40, 40, 1)]
    assert index.tolist() == [0, 1, 1, 1, 2]


def test_an_event_does_not_last_into_another_season():
    events, index = find_events([1, 1, 1], at(0, 10, 20), series=[0, 0, 3])
    assert [(e.series, e.frames) for e in events] == [(0, 2), (3, 1)]
    assert index.tolist() == [0, 0, 1]


def test_frames_without_mode_or_time_are_in_no_event():
    events, index = find_events([1, -1, 1, 1], at(0, 10, None, 20))
    assert spans(events) == [(1, 0, 20, 2)]
    assert index.tolist() == [0, -1, -1, 0]


def test_events_that_begin_at_one_time_are_in_order_of_mode():
    events, index = find_events([2, 0, 1], at(0, 0, 0))
    assert [e.mode for e in events] == [0, 1, 2]
    assert index.tolist() == [2, 0, 1]


@pytest.mark.parametrize("modes", [[], [-1, -1]])
def test_there_may_be_no_event(modes):
    events, index = find_events(modes, at(*range(len(modes))))
    assert events == []
    assert index.tolist() == [-1] * len(modes)


@given(FRAMES, st.integers(0, 5), st.randoms(use_true_random=False))
def test_events_are_those_of_a_loop(frames, gap, random):
    """Frames are put into groups of one mode and season, one after the other, in order of time."""
    random.shuffle(frames)
    modes, minutes, series = zip(*frames, strict=True) if frames else ((), (), ())
    limit = timedelta(minutes=gap)
    groups = []
    usable = [n for n, frame in enumerate(frames) if frame[0] >= 0 and frame[1] is not None]
    for n in sorted(usable, key=lambda n: frames[n][1]):
        mode, minute, season = frames[n]
        latest = [g for g in groups if frames[g[-1]][0] == mode and frames[g[-1]][2] == season]
        if latest and timedelta(minutes=minute - frames[latest[-1][-1]][1]) <= limit:
            latest[-1].append(n)
        else:
            groups.append([n])
    groups.sort(key=lambda g: (frames[g[0]][2], frames[g[0]][1], frames[g[0]][0]))

    events, index = find_events(modes, at(*minutes), longest_gap=limit, series=series)
    expected = [(frames[g[0]][0], frames[g[0]][1], frames[g[-1]][1], len(g)) for g in groups]
    assert spans(events) == expected
    assert [e.series for e in events] == [frames[g[0]][2] for g in groups]
    belongs = {n: number for number, group in enumerate(groups) for n in group}
    assert index.tolist() == [belongs.get(n, -1) for n in range(len(frames))]


@given(FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_the_frames_does_not_matter(frames, random):
    order = list(range(len(frames)))
    random.shuffle(order)

    def cut(part):
        modes, minutes, series = zip(*part, strict=True) if part else ((), (), ())
        return find_events(modes, at(*minutes), series=series)

    events, index = cut(frames)
    shuffled, shuffled_index = cut([frames[n] for n in order])
    assert shuffled == events
    assert shuffled_index.tolist() == index[order].tolist()


# Times.


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2015-12-01T00:00:00Z", "2015-12-01T00:00:00"),
        ("2015-12-01T09:00+09:00", "2015-12-01T00:00:00"),
        ("2015-12-01 00:00:59", "2015-12-01T00:00:59"),
        ("2015-12-01", "2015-12-01T00:00:00"),
        (datetime(2015, 12, 1, 9, tzinfo=JST), "2015-12-01T00:00:00"),
        (datetime(2015, 12, 1), "2015-12-01T00:00:00"),
        (datetime(2015, 12, 1, 0, 0, 0, 999_999, tzinfo=UTC), "2015-12-01T00:00:00"),
    ],
)
def test_a_time_is_read(time, expected):
    found = as_times([time])
    assert found.dtype == "datetime64[s]"
    assert found[0] == np.datetime64(expected)


def test_an_unknown_time_is_not_a_time():
    assert np.isnat(as_times([None, "", "2015-12-01"])).tolist() == [True, True, False]
    assert as_times([]).dtype == "datetime64[s]"


def test_times_of_numpy_are_taken_as_they_are():
    given_times = np.array(["2015-12-01T00:10", "NaT"], "datetime64[ns]")
    found = as_times(given_times)
    assert found.dtype == "datetime64[s]"
    assert found[0] == np.datetime64("2015-12-01T00:10")
    assert np.isnat(found[1])


@pytest.mark.parametrize("time", ["yesterday", "2015-13-01", "2015-12-01T25:00", "0001-01-01T00:00+09:00"])
def test_what_is_no_time_is_named(time):
    with pytest.raises(SeasonError, match="Expected a time such as 2015-11-01T00:00:00Z, received ") as caught:
        as_times(["2015-12-01", time])
    assert repr(time) in str(caught.value)


@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), max_size=10))
def test_times_survive_the_round_trip(times):
    whole = [time.replace(microsecond=0, tzinfo=UTC) for time in times]
    assert as_datetimes(as_times(whole)) == whole
    assert all(time.tzinfo is UTC for time in as_datetimes(as_times(whole)))
    np.testing.assert_array_equal(as_times([time.isoformat() for time in whole]), as_times(whole))
    local = [time.astimezone(JST) for time in whole]
    assert as_datetimes(as_times(local)) == whole


def test_an_event_is_a_value():
    assert Event(1, START, START, 1) == Event(1, START, START, 1, 0)
