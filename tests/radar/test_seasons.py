"""Times from names, names from times, gaps, winters."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import SeasonError
from radar.seasons import (
    Gap,
    TimeRule,
    find_gaps,
    find_zone,
    format_utc,
    is_synthetic,
    read_season,
    season_year,
)

START = datetime(2015, 11, 1, tzinfo=UTC)
INDEXED = TimeRule("pr2hse{index:05d}.png", start=START, cadence_minutes=10)
TEN_MINUTES = timedelta(minutes=10)
JST = timezone(timedelta(hours=9))


# Running indices.


def test_the_index_of_the_original_falls_on_21_march():
    # Index 20440 of the winter 2015/16 in slots of 10 minutes from 1 November: 141 days, 22 hours, 40 minutes.
    assert INDEXED.time_of("pr2hse20440.png") == datetime(2016, 3, 21, 22, 40, tzinfo=UTC)
    assert INDEXED.name_of(datetime(2016, 3, 21, 22, 40, tzinfo=UTC)) == "pr2hse20440.png"


def test_the_start_may_be_given_without_zone_or_in_another():
    for start in (datetime(2015, 11, 1), datetime(2015, 11, 1, 9, tzinfo=JST)):
        rule = TimeRule("{index}.png", start=start, cadence_minutes=5)
        assert rule.time_of("12.png") == datetime(2015, 11, 1, 1, tzinfo=UTC)


@given(index=st.integers(0, 10_000_000), minutes=st.sampled_from([2.5, 5, 10, 60]))
def test_a_name_made_of_an_index_reads_as_its_time(index, minutes):
    for pattern in ("{index}", "a{index:d}.png", "pr2hse{index:05d}.png", "[x] (y).{index:03d}.PNG"):
        rule = TimeRule(pattern, start=START, cadence_minutes=minutes)
        time = START + index * timedelta(minutes=minutes)
        name = rule.name_of(time)
        assert rule.time_of(name) == time
        assert rule.name_of(rule.time_of(name)) == name


@pytest.mark.parametrize("minutes", [-10, 5, 0.5])
def test_a_time_between_two_frames_or_before_the_first_has_no_name(minutes):
    with pytest.raises(SeasonError, match=r"is not a frame of 'pr2hse\{index:05d\}.png'"):
        INDEXED.name_of(START + timedelta(minutes=minutes))


def test_an_index_beyond_all_time_is_no_time():
    for name in ("pr2hse99999999999999.png", f"pr2hse{'9' * 5000}.png"):
        with pytest.raises(SeasonError, match="holds no possible time"):
            INDEXED.time_of(name)


# Dates.


@pytest.mark.parametrize(
    ("pattern", "zone", "name", "expected"),
    [
        ("%Y%m%d%H%M.png", "UTC", "201512312350.png", datetime(2015, 12, 31, 23, 50, tzinfo=UTC)),
        ("%Y%m%d%H%M.png", "JST", "201601010850.png", datetime(2015, 12, 31, 23, 50, tzinfo=UTC)),
        ("%Y%m%d%H%M.png", "Asia/Tokyo", "201601010850.png", datetime(2015, 12, 31, 23, 50, tzinfo=UTC)),
        ("%y%j_%H%M%S.png", "Z", "16060_235959.png", datetime(2016, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("%d%b%Y-%H%M.png", "utc", "05Jan2018-0610.png", datetime(2018, 1, 5, 6, 10, tzinfo=UTC)),
        (
            "Z__C_RJTD_%Y%m%d%H%M%S_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin",
            "UTC",
            "Z__C_RJTD_20180205061000_RDR_JMAGPV_Ggis1km_Prr10lv_ANAL_grib2.bin",
            datetime(2018, 2, 5, 6, 10, tzinfo=UTC),
        ),
    ],
)
def test_a_date_in_a_name_is_read_and_written(pattern, zone, name, expected):
    rule = TimeRule(pattern, zone=zone)
    assert rule.time_of(name) == expected
    assert rule.time_of(name).utcoffset() == timedelta(0)
    assert rule.name_of(expected) == name


@given(
    time=st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)).map(lambda t: t.replace(second=0, microsecond=0)),
    pattern=st.sampled_from(["%Y%m%d%H%M.png", "%Y/%j %H%M", "%y%m%d.%H%M", "f%d%b%Y_%H-%M(1).PNG"]),
    zone=st.sampled_from(["UTC", "JST", "Asia/Kolkata", "Etc/GMT+12"]),
)
def test_a_name_made_of_a_date_reads_as_its_time(time, pattern, zone):
    rule = TimeRule(pattern, zone=zone)
    name = rule.name_of(time)
    assert rule.time_of(name) == time.replace(tzinfo=UTC)
    assert rule.name_of(rule.time_of(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "201512312350.jpg",
        "x201512312350.png",
        "201512312350.png ",
        "20151231235.png",
        "2015123123500.png",
        "NONE.png",
    ],
)
def test_a_name_that_does_not_follow_the_pattern(name):
    with pytest.raises(SeasonError, match=re.escape(f"{name!r} does not follow the time pattern '%Y%m%d%H%M.png'")):
        TimeRule("%Y%m%d%H%M.png").time_of(name)


@pytest.mark.parametrize("name", ["201513010000.png", "201502290000.png", "201501012400.png", "000001010000.png"])
def test_an_impossible_date_is_an_error(name):
    with pytest.raises(SeasonError, match=f"'{name}' holds no possible time"):
        TimeRule("%Y%m%d%H%M.png").time_of(name)


# Rules that make no sense.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "%Y%m%d%p.png"}, "expected the directives %Y .* received '%p' in '%Y%m%d%p.png'"),
        ({"pattern": "frame.png"}, "expected a date such as .* or one index .* received 'frame.png'"),
        ({"pattern": "{index}_{index}.png"}, "expected a date such as"),
        ({"pattern": "%Y{index}.png"}, "expected a date such as"),
        ({"pattern": "{index:5d}.png"}, "expected a date such as"),
        ({"pattern": "%Y%m.png"}, "expected a whole date such as %Y%m%d%H%M, received '%Y%m.png'"),
        ({"pattern": "%Y%m%d%%.png"}, "received"),
        ({"pattern": "{a}{index}.png", "start": START, "cadence_minutes": 10}, "received"),
        ({"pattern": "{index}.png"}, "needs the season's start and cadence: .* --season-start .* --cadence 10"),
        ({"pattern": "{index}.png", "start": START}, "needs the season's start and cadence"),
        ({"pattern": "{index}.png", "cadence_minutes": 10}, "needs the season's start and cadence"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": -1}, "Cadence: expected minutes above 0, received -1"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": 0}, "Cadence: expected minutes above 0, received 0"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": float("nan")}, "Cadence: .* received nan"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": float("inf")}, "Cadence: .* received inf"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": 1e300}, "Cadence: .* received 1e"),
        ({"pattern": "%Y%m%d.png", "cadence_minutes": 1e-12}, "Cadence: .* received 1e-12"),
        ({"pattern": "%Y%m%d.png", "zone": "Asia/Nowhere"}, "expected UTC, JST or a name .* received 'Asia/Nowhere'"),
        ({"pattern": "%Y%m%d.png", "zone": ""}, "Time zone: .* received ''"),
        ({"pattern": "%Y%m%d.png", "zone": "../etc/passwd"}, "Time zone"),
        ({"pattern": "%Y%m%d.png", "zone": "Asia"}, "Time zone"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_once(settings, message):
    with pytest.raises(SeasonError, match=message):
        TimeRule(**settings)


# Season files.


def test_a_season_file_gives_its_rule(tmp_path):
    file = tmp_path / "season.toml"
    file.write_text(
        'name = "hse20152016"\npattern = "pr2hse{index:05d}.png"\n'
        "start = 2015-11-01T00:00:00Z\ncadence_minutes = 10\n"
        '[synthetic]\nnote = "more tables are left alone"\n'
    )
    rule = read_season(file)
    assert rule.cadence == TEN_MINUTES
    assert rule.start == START
    assert rule.time_of("pr2hse20440.png") == datetime(2016, 3, 21, 22, 40, tzinfo=UTC)


def test_a_season_file_of_dates_in_local_time(tmp_path):
    file = tmp_path / "season.toml"
    file.write_text('pattern = "雪%Y%m%d%H%M.png"\nzone = "JST"\n', encoding="utf-8")
    assert read_season(str(file)).time_of("雪201601010000.png") == datetime(2015, 12, 31, 15, tzinfo=UTC)
    assert read_season(file).cadence is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"pattern = ", "cannot be read as a season file"),
        (b'pattern = "\xff"', "cannot be read as a season file"),
        (b"", "expected a line such as pattern"),
        (b"pattern = 5", "expected a line such as pattern"),
        (b'pattern = "%Y%m%d.png"\nstart = 2015-11-01', "expected start as a date with time, received datetime.date"),
        (b'pattern = "%Y%m%d.png"\nstart = "2015-11-01T00:00Z"', "expected start as a date with time"),
        (b'pattern = "%Y%m%d.png"\ncadence_minutes = "10"', "expected cadence_minutes as a number, received '10'"),
        (b'pattern = "%Y%m%d.png"\ncadence_minutes = true', "expected cadence_minutes as a number, received True"),
        (b'pattern = "%Y%m%d.png"\ncadence_minutes = nan', "Cadence"),
        (b'pattern = "%Y%m%d.png"\nzone = 9', "Time zone"),
        (b'pattern = "{index}.png"', "needs the season's start and cadence"),
    ],
)
def test_an_unusable_season_file_is_an_error(tmp_path, text, message):
    file = tmp_path / "season.toml"
    file.write_bytes(text)
    with pytest.raises(SeasonError, match=message):
        read_season(file)


def test_a_missing_season_file_is_named(tmp_path):
    with pytest.raises(SeasonError, match=rf"{re.escape(str(tmp_path))}/season.toml: cannot be read"):
        read_season(tmp_path / "season.toml")


# Gaps.


def test_gaps_are_runs_of_missing_frames():
    times = [START + n * TEN_MINUTES for n in (0, 1, 4, 4, 5, 7)]
    assert list(find_gaps(times, TEN_MINUTES)) == [
        Gap(START + 2 * TEN_MINUTES, START + 3 * TEN_MINUTES, 2),
        Gap(START + 6 * TEN_MINUTES, START + 6 * TEN_MINUTES, 1),
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_missing_of_less_than_two_frames(count):
    assert list(find_gaps([START][:count], TEN_MINUTES)) == []


@given(slots=st.sets(st.integers(0, 300), max_size=60), jitter=st.integers(-4, 4))
def test_gaps_are_exactly_the_frames_that_are_not_there(slots, jitter):
    late = timedelta(minutes=jitter)
    times = [START + n * TEN_MINUTES + (late if n % 2 else timedelta(0)) for n in sorted(slots)]
    found = list(find_gaps(times, TEN_MINUTES))
    filled = {round((gap.start - START + n * TEN_MINUTES) / TEN_MINUTES) for gap in found for n in range(gap.missing)}
    assert not filled & slots
    assert filled | slots == (set(range(min(slots), max(slots) + 1)) if slots else set())
    assert all(gap.end == gap.start + (gap.missing - 1) * TEN_MINUTES for gap in found)
    assert list(find_gaps([START + n * TEN_MINUTES for n in sorted(filled | slots)], TEN_MINUTES)) == []


# Winters.


@pytest.mark.parametrize(
    ("time", "year"),
    [
        (datetime(2015, 11, 1, tzinfo=UTC), 2015),
        (datetime(2016, 3, 31, tzinfo=UTC), 2015),
        (datetime(2016, 6, 30, 23, 59, 59, tzinfo=UTC), 2015),
        (datetime(2016, 7, 1, tzinfo=UTC), 2016),
        (datetime(2016, 7, 1, 8, 59, tzinfo=JST), 2015),
        (datetime(2016, 7, 1, 9, 0, tzinfo=JST), 2016),
        (datetime(2016, 1, 1), 2015),
    ],
)
def test_winters_are_cut_on_1_july_utc(time, year):
    assert season_year(time) == year


def test_times_are_written_in_utc_to_the_second():
    assert format_utc(datetime(2016, 1, 1, 0, 30, 15, 999, tzinfo=JST)) == "2015-12-31T15:30:15Z"


# Zones.


@pytest.mark.parametrize(("name", "hours"), [("UTC", 0), ("z", 0), ("JST", 9), ("jst", 9), ("Asia/Tokyo", 9)])
def test_a_zone_is_found_by_its_name(name, hours):
    assert datetime(2016, 1, 1, tzinfo=find_zone(name)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Asia", "a\0b"])
def test_a_zone_that_is_none_is_refused(name):
    with pytest.raises(SeasonError, match="expected UTC, JST or a name such as Asia/Tokyo, received "):
        find_zone(name)


# Who made the frames.


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[synthetic]\nseed = 1\n", True),
        (b"[synthetic]\n", True),
        (b'pattern = "{index}"\n[synthetic]\n', True),
        (b'pattern = "{index}"\nname = "synthetic"\n', False),
        (b"synthetic = false\n", False),
        (b"", False),
        (b"[synthetic", False),
        (b"\xff[synthetic]\n", False),
        (None, False),
    ],
)
def test_frames_are_synthetic_if_their_season_file_says_so(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "season.toml").write_bytes(content)
    assert is_synthetic(tmp_path) is expected


def test_a_folder_that_is_not_there_is_not_synthetic(tmp_path):
    assert not is_synthetic(tmp_path / "none")
