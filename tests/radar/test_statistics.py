"""Seasonal tables against counting by hand and by brute force."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import SeasonError
from radar.event_statistics import QUANTILES, find_durations, record_events
from radar.events import as_times, find_events
from radar.seasons import find_zone
from radar.statistics import (
    ModeSeries,
    find_cadence,
    find_transitions,
    missing_times,
    tabulate,
    to_local,
    without_repeats,
)

CODES = ("LT", "NO", "SY")
TEN = timedelta(minutes=10)


def series_of(
    modes: str, *, start: str = "2015-12-31T23:00Z", p: float = 0.8, cadence: timedelta = TEN
) -> ModeSeries:
    """One frame a letter: L, N, S; x could not be classified; a dot is missing."""
    begin = datetime.fromisoformat(start)
    kept = [(begin + n * TEN, letter) for n, letter in enumerate(modes) if letter != "."]
    index = np.array(["LNSx".index(letter) for _, letter in kept], np.int64)
    index[index == 3] = -1
    table = np.full((len(kept), 3), (1 - p) / 2)
    table[np.arange(len(kept)), index] = p
    table[index < 0] = np.nan
    times = as_times([time for time, _ in kept])
    return ModeSeries(CODES, times, index, table, np.where(index >= 0, p >= 0.5, False))


def test_months_days_and_hours_of_a_short_season() -> None:
    series = series_of("LLLNx.SS.L")  # 23:00 to 00:30 over the new year
    missing = missing_times(series.times, TEN)
    months = tabulate(series, "month", missing=missing)
    assert months.keys == ("2015-12", "2016-01")
    np.testing.assert_array_equal(months.counts, [[3, 1, 0], [1, 0, 2]])
    np.testing.assert_array_equal(months.failed, [1, 0])
    np.testing.assert_array_equal(months.missing, [1, 1])
    np.testing.assert_allclose(months.shares, [[0.75, 0.25, 0], [1 / 3, 0, 2 / 3]])
    np.testing.assert_allclose(months.mass, [[2.5, 1.1, 0.4], [1.0, 0.3, 1.7]])
    np.testing.assert_allclose(months.mean_probability.sum(axis=1), 1)
    np.testing.assert_array_equal(months.accepted, months.counts)
    assert tabulate(series, "day", missing=missing).keys == ("2015-12-31", "2016-01-01")
    hours = tabulate(series, "hour", missing=missing)
    assert hours.counts[23].tolist() == [3, 1, 0]
    assert hours.counts[0].tolist() == [1, 0, 2]
    assert np.isnan(hours.shares[12]).all()
    total = months.total()
    assert (total.counts.tolist(), total.failed.tolist(), total.missing.tolist()) == ([[4, 1, 2]], [1], [2])


def test_groups_are_those_of_the_zone() -> None:
    series = series_of("LLLL", start="2015-12-31T14:40Z")
    jst = tabulate(series, "month", missing=missing_times(series.times, TEN), zone=find_zone("JST"))
    assert jst.keys == ("2015-12", "2016-01")
    assert jst.counts[:, 0].tolist() == [2, 2]


def test_local_times_know_summer_time() -> None:
    times = as_times(["2016-03-27T00:59:59Z", "2016-03-27T01:00:00Z"])
    local = to_local(times, ZoneInfo("Europe/Oslo"))
    assert local.astype(str).tolist() == ["2016-03-27T01:59:59", "2016-03-27T03:00:00"]
    assert to_local(times[:0], ZoneInfo("Asia/Tokyo")).shape == (0,)


def test_calendar_days_without_a_frame_have_a_row() -> None:
    series = series_of("L" + "." * 431 + "L", start="2015-12-01T00:00Z")
    table = tabulate(series, "day", missing=missing_times(series.times, TEN))
    assert table.keys == ("2015-12-01", "2015-12-02", "2015-12-03", "2015-12-04")
    assert table.missing.tolist() == [143, 144, 144, 0]


@pytest.mark.parametrize("wrong", ["0001-01-01", "1915-12-31", "2105-12-31", "9999-12-31"])
@pytest.mark.parametrize("zone", ["UTC", "JST", "Asia/Tokyo"])
def test_one_frame_with_a_wrong_year_is_a_day_of_its_own_and_nothing_is_missing_before_it(
    wrong: str, zone: str
) -> None:
    good, place = series_of("LLL..SSx"), find_zone(zone)
    stray = ModeSeries(
        CODES, np.array([wrong], "datetime64[s]"), good.modes[:1], good.probabilities[:1], good.accepted[:1]
    )
    both = [np.concatenate(pair) for pair in zip(_arrays(good), _arrays(stray), strict=True)]
    series, _ = without_repeats(ModeSeries(CODES, *both))
    missing = missing_times(series.times, TEN)
    np.testing.assert_array_equal(missing, missing_times(good.times, TEN))
    for by, longest in (("day", 2), ("month", 2)):
        whole = tabulate(series, by, missing=missing, zone=place)
        expected = tabulate(good, by, missing=missing, zone=place)
        assert len(whole.keys) == len(expected.keys) + 1 <= longest + 1
        assert whole.classified.sum() == expected.classified.sum() + 1
        kept = [whole.keys.index(key) for key in expected.keys]
        np.testing.assert_array_equal(whole.counts[kept], expected.counts)
        np.testing.assert_array_equal(whole.missing[kept], expected.missing)


def test_half_a_year_without_frames_is_missing_and_more_is_between_two_winters() -> None:
    hour = timedelta(hours=1)
    for days, missing in ((183, 183 * 24 - 1), (184, 0)):
        times = as_times([datetime.fromisoformat("2015-04-01T00:00Z") + n * timedelta(days=days) for n in (0, 1)])
        assert len(missing_times(times, hour)) == missing


def _arrays(series: ModeSeries) -> tuple[np.ndarray, ...]:
    return series.times, series.modes, series.probabilities, series.accepted


@given(st.text("LNSx.", max_size=60), st.sampled_from(["UTC", "JST", "America/St_Johns"]))
def test_every_frame_is_counted_once_in_every_table(modes: str, zone: str) -> None:
    series = series_of(modes)
    missing = missing_times(series.times, TEN)
    assert len(missing) == modes.strip(".").count(".")
    local = find_zone(zone)
    for by, form in (("month", "%Y-%m"), ("day", "%Y-%m-%d"), ("hour", "%H")):
        table = tabulate(series, by, missing=missing, zone=local)
        expected = Counter(
            ((datetime.fromisoformat("2015-12-31T23:00Z") + n * TEN).astimezone(local).strftime(form), letter)
            for n, letter in enumerate(modes)
            if letter != "."
        )
        found = Counter()
        for g, key in enumerate(table.keys):
            found.update({(key, letter): int(table.counts[g, k]) for k, letter in enumerate("LNS")})
            found[key, "x"] = int(table.failed[g])
        assert +found == expected
        assert table.missing.sum() == len(missing)


@pytest.mark.parametrize("at", ["month", "day", "hour"])
def test_no_frames_give_empty_tables(at: str) -> None:
    empty = series_of("")
    table = tabulate(empty, at, missing=missing_times(empty.times, TEN))
    assert table.counts.sum() == 0
    assert len(table.keys) == (24 if at == "hour" else 0)
    assert np.isnan(table.total().shares).all()


def test_transitions_stop_at_holes() -> None:
    found = find_transitions(series_of("LLNN.NSxSL"), TEN)
    np.testing.assert_array_equal(found.counts, [[1, 1, 0], [0, 1, 1], [1, 0, 0]])
    assert found.apart == 3
    np.testing.assert_allclose(found.shares, [[0.5, 0.5, 0], [0, 0.5, 0.5], [1, 0, 0]])
    np.testing.assert_allclose(found.shares_of_changes[1], [0, np.nan, 1])


def test_repeated_and_unknown_times_are_dropped_and_counted() -> None:
    series = series_of("LNS")
    times = series.times.copy()
    times[2] = times[0]
    doubled = ModeSeries(CODES, times, series.modes, series.probabilities, series.accepted)
    kept, dropped = without_repeats(doubled)
    assert (kept.modes.tolist(), dropped) == ([0, 1], 1)
    times[1] = np.datetime64("NaT")
    assert without_repeats(ModeSeries(CODES, times, *(series.modes, series.probabilities, series.accepted)))[
        0
    ].modes.tolist() == [0]


def test_the_cadence_is_the_most_frequent_distance() -> None:
    assert find_cadence(series_of("LL.L...LLL").times) == TEN
    with pytest.raises(SeasonError, match="received: 1"):
        find_cadence(series_of("L").times)


def test_events_tell_how_sure_the_model_was() -> None:
    series = series_of("LLNNLL.....SSS", start="2015-12-31T23:00Z")
    series.probabilities[1, 0] = 0.95
    series.accepted[0] = False
    events, index = find_events(series.modes, series.times)
    records = record_events(events, index, series)
    assert [(CODES[r.event.mode], r.event.frames) for r in records] == [("LT", 4), ("NO", 2), ("SY", 3)]
    assert records[0].peak == 0.95
    assert records[0].peak_time == np.datetime64("2015-12-31T23:10:00")
    assert records[0].mean == pytest.approx((0.95 + 3 * 0.8) / 4)
    assert records[0].accepted == 0.75
    durations = find_durations(events, 3)
    assert durations[0].longest == pytest.approx(5 / 6)
    assert durations[2].total == pytest.approx(1 / 3)
    assert durations[1].quantiles == pytest.approx([1 / 6] * len(QUANTILES))
    nothing = find_durations([], 1)[0]
    assert nothing.events == 0
    assert np.isnan(nothing.longest)
    assert nothing.total == 0


def test_quantiles_of_durations_are_numpys() -> None:
    series = series_of("LLLL....LL....LLLLLLL....L")
    durations = find_durations(find_events(series.modes, series.times)[0], 3)[0]
    hours = [3 / 6, 1 / 6, 6 / 6, 0]
    assert durations.quantiles == pytest.approx(np.quantile(hours, QUANTILES))


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    series = series_of("LN")
    with pytest.raises(ValueError, match="shapes"):
        ModeSeries(CODES, series.times, series.modes[:1], series.probabilities, series.accepted)
