"""Tables of periods as forecasters write them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import LabelsError, SeasonError
from radar.events import Event, as_times
from radar.periods import is_period_table, modes_at, read_periods

CODES = ("SY", "VX", "LT", "DM", "NO")
HEADER = "start,end,mode\n"


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "periods.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def hour(n, minute=0):
    return datetime(2015, 12, 16, n, minute, tzinfo=UTC)


# Reading.


def test_periods_are_read_by_start(table):
    path = table(HEADER + "2015-12-17T00:00Z,2015-12-17T03:20Z,LT\n2015-12-16T18:00Z,2015-12-16T22:10Z,SY\n")
    assert read_periods(path, CODES) == [
        Event(0, hour(18), hour(22, 10), 0),
        Event(2, datetime(2015, 12, 17, tzinfo=UTC), datetime(2015, 12, 17, 3, 20, tzinfo=UTC), 0),
    ]


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("UTC", "2015-12-16T18:00", hour(18)),
        ("JST", "2015-12-16T18:00", hour(9)),
        ("Asia/Tokyo", "2015-12-16 18:00", hour(9)),
        ("JST", "2015-12-16T18:00Z", hour(18)),
        ("UTC", "2015-12-16T18:00+09:00", hour(9)),
        ("JST", "20151216T180000", hour(9)),
    ],
)
def test_times_without_zone_are_in_the_zone_of_the_table(table, zone, text, expected):
    (period,) = read_periods(table(f"{HEADER}{text},{text},NO\n"), CODES, zone=zone)
    assert period == Event(4, expected, expected, 0)
    assert period.start.utcoffset() == timedelta(0)


def test_columns_may_stand_in_any_order_among_others(table):
    path = table('mode,remark,end,start\nVX,"calm, off Sado",2015-12-16T04:00Z,2015-12-16T03:00Z\n')
    assert read_periods(path, CODES) == [Event(1, hour(3), hour(4), 0)]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfstart,end,mode\r\n2015-12-16T03:00Z,2015-12-16T04:00Z,VX\r\n",
        b"start, end, mode\n2015-12-16T03:00Z , 2015-12-16T04:00Z , VX \n\n",
        b'"start","end","mode"\n"2015-12-16T03:00Z","2015-12-16T04:00Z","VX"',
    ],
    ids=["spreadsheet", "spaces", "quotes"],
)
def test_tables_are_read_as_programs_and_people_write_them(table, text):
    path = table(text)
    assert is_period_table(path)
    assert read_periods(path, CODES) == [Event(1, hour(3), hour(4), 0)]


def test_one_period_may_begin_when_another_ends(table):
    path = table(HEADER + "2015-12-16T04:00Z,2015-12-16T05:00Z,SY\n2015-12-16T03:00Z,2015-12-16T04:00Z,VX\n")
    assert [period.mode for period in read_periods(path, CODES)] == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns start, end, mode; end, mode, start missing"),
        ("start,finish,mode\n", "expected the columns start, end, mode; end missing"),
        (HEADER, "expected at least one period, received none"),
        (HEADER + "\n\n", "expected at least one period, received none"),
        (
            HEADER + "2015-12-16T03:00Z,2015-12-16T04:00Z,XX\n",
            "line 2: expected a mode among SY, VX, LT, DM, NO, received 'XX'",
        ),
        (HEADER + "2015-12-16T03:00Z,2015-12-16T04:00Z,lt\n", "line 2: expected a mode among .* received 'lt'"),
        (HEADER + "2015-12-16T03:00Z,2015-12-16T04:00Z\n", "line 2: expected a mode among .* received ''"),
        (HEADER + "2015-12-16T03:00Z\n", "line 2: expected times such as 2015-12-16T18:00Z; received nothing"),
        (HEADER + "2015-12-16T03:00Z,,LT\n", "line 2: expected times .*; received nothing"),
        (HEADER + "2015-12-16T03:00Z,noon,LT\n", "line 2: expected times .*'noon'"),
        (HEADER + "2015/12/16 03:00,2015/12/16 04:00,LT\n", "line 2: expected times .*'2015/12/16 03:00'"),
        (HEADER + "0001-01-01T00:00+09:00,2015-12-16T04:00Z,LT\n", "line 2: expected times"),
        (HEADER + "2015-12-16T04:00Z,2015-12-16T03:59Z,LT\n", "line 2: the period ends before it starts"),
        (
            HEADER + "2015-12-16T04:00Z,2015-12-16T05:00Z,LT\n\n2015-12-16T05:00Z,2015-12-16T04:59Z,LT\n",
            "line 4: the period",
        ),
        (HEADER.encode() + b"\x93\xfa\x96{,\x8c\xe3,LT\n", "cannot be read as CSV in UTF-8"),
    ],
)
def test_an_unusable_table_is_an_error(table, text, message):
    path = table(text)
    with pytest.raises(LabelsError, match=f"{re.escape(str(path))}.*{message}"):
        read_periods(path, CODES)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["03:00Z 04:00Z SY", "03:59Z 05:00Z LT"], "lines 2 and 3"),
        (["08:00Z 09:00Z SY", "03:00Z 07:00Z LT", "05:00Z 06:00Z VX"], "lines 3 and 4"),
        (["03:59Z 05:00Z LT", "03:00Z 04:00Z LT"], "lines 3 and 2"),
        (["03:00Z 04:00Z SY", "03:00Z 03:00Z LT"], "lines 3 and 2"),
        (["03:00Z 03:00Z SY", "03:00Z 04:00Z LT"], "lines 2 and 3"),
        (["03:00Z 03:00Z SY", "03:00Z 03:00Z LT"], "lines 2 and 3"),
    ],
)
def test_periods_that_overlap_are_named_by_their_lines(table, lines, named):
    rows = [",".join("2015-12-16T" + part if part.endswith("Z") else part for part in line.split()) for line in lines]
    with pytest.raises(LabelsError, match=f"{named}: the periods overlap .*; a time can be of one mode only"):
        read_periods(table(HEADER + "\n".join(rows)), CODES)


def test_overlap_tells_the_times(table):
    rows = "2015-12-16T03:00,2015-12-16T04:10,SY\n2015-12-16T04:00,2015-12-16T05:00,LT\n"
    with pytest.raises(LabelsError, match="until 2015-12-15T19:10:00Z, the next begins at 2015-12-15T19:00:00Z"):
        read_periods(table(HEADER + rows), CODES, zone="JST")


def test_a_missing_table_is_named(tmp_path):
    path = tmp_path / "periods.csv"
    for reader in (lambda: read_periods(path, CODES), lambda: is_period_table(path)):
        with pytest.raises(LabelsError, match=f"{re.escape(str(path))}: cannot be read"):
            reader()


def test_an_unknown_zone_is_an_error(table):
    with pytest.raises(SeasonError, match="Time zone"):
        read_periods(table(HEADER), CODES, zone="Japan/Niigata")


def test_tables_of_periods_are_told_by_their_header(table):
    assert is_period_table(table(HEADER))
    assert is_period_table(table("mode,end,start,remark\n"))
    assert not is_period_table(table("file,label,time_utc,event\n"))
    assert not is_period_table(table(""))
    with pytest.raises(LabelsError, match="cannot be read as CSV"):
        is_period_table(table(b"\x93\xfa,\xff\n"))


# Frames.

PERIODS = [Event(2, hour(1), hour(2), 0), Event(0, hour(2), hour(3), 0), Event(2, hour(5), hour(5), 0)]


def test_frames_have_the_mode_of_their_period():
    times = as_times([hour(1), hour(1, 30), hour(2), hour(3), hour(3, 1), hour(5), hour(0, 59), None, hour(23)])
    modes, period = modes_at(PERIODS, times)
    assert modes.tolist() == [2, 2, 0, 0, -1, 2, -1, -1, -1]
    assert period.tolist() == [0, 0, 1, 1, -1, 2, -1, -1, -1]


def test_frames_may_be_in_any_order():
    times = as_times([hour(5), None, hour(1)])
    assert modes_at(PERIODS, times)[1].tolist() == [2, -1, 0]


def test_without_periods_or_frames():
    for times in (as_times([hour(1), None]), as_times([])):
        modes, period = modes_at([], times)
        assert modes.tolist() == period.tolist() == [-1] * len(times)
    assert modes_at(PERIODS, as_times([]))[0].tolist() == []


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 4)), max_size=8),
    st.lists(st.integers(0, 60)),
)
def test_frames_lie_in_the_periods_of_a_loop(pieces, minutes):
    """Pieces are a pause, a duration and a mode; where two periods touch, the later one has the frame."""
    periods, now = [], 0
    for pause, duration, mode in pieces:
        start = now + pause + (bool(periods) and not pause and periods[-1].start == periods[-1].end)
        now = start + duration
        periods.append(Event(mode, hour(0) + timedelta(minutes=start), hour(0) + timedelta(minutes=now), 0))
    times = [hour(0) + timedelta(minutes=m) for m in minutes]
    expected = [max((n for n, p in enumerate(periods) if p.start <= t <= p.end), default=-1) for t in times]
    modes, period = modes_at(periods, as_times(times))
    assert period.tolist() == expected
    assert modes.tolist() == [periods[n].mode if n >= 0 else -1 for n in expected]
    assert modes.dtype == np.int64
