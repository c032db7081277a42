"""Messages: what is read, what is refused, and that nothing else happens."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radar import jma
from radar.errors import FrameError
from radar.jma.message import Composite, parse
from radar.jma.run_length import unpack
from tests.radar.jma import oracle
from tests.radar.jma.conftest import TIME
from tests.radar.jma.messages import FLAGS, RATES, levels_of, message, national, pack


def changed(whole: bytes, section: int, octet: int, new: bytes) -> bytes:
    """The message with octets of a section replaced; octets count from 1, as in the manual."""
    position = 16
    while whole[position + 4] != section:
        position += int.from_bytes(whole[position : position + 4], "big")
    at = position + octet - 1
    return whole[:at] + new + whole[at + len(new) :]


def refused(data: bytes) -> str:
    with pytest.raises(FrameError) as caught:
        parse(data)
    return str(caught.value)


def composite_or_reason(read: Callable[[], Composite]) -> Composite | str:
    try:
        return read()
    except FrameError as error:
        return str(error)


def test_missing_and_no_echo_are_kept_apart(levels, whole):
    composite = parse(whole)
    assert (composite.product, composite.minutes, composite.time) == ("Prr10lv", 10, TIME)
    assert composite.radar_flags == FLAGS
    np.testing.assert_array_equal(composite.levels, levels)
    rate = composite.rate()
    np.testing.assert_array_equal(np.isnan(rate), levels == 0)
    np.testing.assert_array_equal(rate == 0, levels == 1)
    assert np.array_equal(rate.ravel(), oracle.rain_rate(whole).astype(np.float32), equal_nan=True)


def test_eccodes_reads_it_too(whole, capfd):
    pytest.importorskip("eccodes", reason="needs the extra [jma]")
    from radar.jma import second_reader

    assert np.array_equal(second_reader.rate(whole), parse(whole).rate(), equal_nan=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("level", [0, 1, 251])
def test_a_field_of_one_level(level):
    composite = parse(message(national(np.full((600, 480), level, np.uint8), beside=level), TIME, "Prr05lv"))
    assert (composite.levels == level).all()
    assert (composite.product, composite.minutes) == ("Prr05lv", 5)


def test_rates_come_back_at_the_middle_of_their_bins():
    rate = np.array([0.0, 0.1, 0.21, 0.96, 1.04, 4.97, 5.05, 51.3, 79.9, 80.1, 258.0, 500.0])
    assert RATES[levels_of(rate) - 1].tolist() == [0.0, 0.1, 0.25, 0.95, 1.05, 4.88, 5.25, 51.5, 79.5, 80.5, 260, 260]


@pytest.mark.parametrize(
    ("section", "octet", "new", "reason"),
    [
        (4, 10, b"\x0f\xc0", r"holds echo tops \(Phhlv\), not the 1 km rain rate"),
        (4, 10, b"\xc1\x00", "holds a nowcast"),
        (4, 11, b"\x05", r"holds category 1 number 5 in templates 3.0, 4.50008, 5.200"),
        (4, 8, struct.pack(">H", 50011), "holds the 250 m composite"),
        (5, 10, struct.pack(">H", 40), r"templates 3.0, 4.50008, 5.40"),
        (3, 31, struct.pack(">II", 256, 336), "covers another grid of 256 x 336 points; expected 2560 x 3360"),
        (3, 72, b"\x40", "covers another grid"),
        (1, 13, struct.pack(">H", 2015), "names two times, 2015-01-24 03:40:00 and 2016-01-24 03:40:00 UTC"),
        (4, 37, b"\x0d", "holds no possible time"),
        (4, 50, struct.pack(">I", 0), "its interval is 0"),
        (4, 49, b"\x01", "its interval is 10 in unit 1; expected minutes"),
        (5, 6, struct.pack(">I", 7), "level table cannot be: 7 points"),
        (5, 12, b"\x00", "0 bits"),
        (5, 13, struct.pack(">H", 252), "level 252 of 251"),
        (5, 15, struct.pack(">H", 250), "level 113 of 250"),
        (5, 17, b"\x7f", "level table cannot be"),
        (5, 20, b"\xff\xff", "level table cannot be"),
        (6, 6, b"\x00", "its bitmap indicator is 0, expected 255"),
        (7, 6, b"\xff", "do not begin with a level"),
        (4, 1, struct.pack(">I", 80), "no section can be read at byte"),
        (7, 5, b"\x06", "section 6 occurs twice"),
        (4, 5, b"\x02", "section 4 is missing"),
        (4, 5, b"\x09", "no section can be read at byte 109"),
    ],
)
def test_what_is_wrong_is_said(whole, section, octet, new, reason):
    with pytest.raises(FrameError, match=reason):
        parse(changed(whole, section, octet, new))


def test_beginnings_and_ends(whole):
    assert refused(b"") == "is empty (0 bytes)"
    assert refused(b"\x89PNG\r\n\x1a\n") == "is no GRIB2 message: it begins with b'\\x89PNG\\r\\n\\x1a\\n'"
    assert "bytes end inside the first section" in refused(whole[:9])
    assert refused(whole[:-1]) == f"is truncated: {len(whole) - 1:,} of its {len(whole):,} bytes are there"
    assert "holds another message behind its first" in refused(whole + whole)
    assert "holds something else behind" in refused(whole + b"\n")
    assert "is GRIB edition 1" in refused(whole[:7] + b"\x01" + whole[8:])
    assert "end mark 7777 is missing" in refused(whole[:-1] + b"8")


def test_several_fields_in_one_message_are_named_by_their_product(whole):
    at = whole.index(b"\x00\x00\x00\x52\x04")  # sections 4 to 7 once more
    for category, reason in ((b"\xc1\x00", "holds a nowcast"), (b"\x01\xc9", "section 4 occurs twice")):
        twice = changed(whole, 4, 10, category)[16:-4]
        twice += twice[at - 16 :]
        data = whole[:8] + struct.pack(">Q", len(twice) + 20) + twice + b"7777"
        assert reason in refused(data)


def test_every_section_is_needed(whole):
    position = 16
    while whole[position : position + 4] != b"7777":
        length = int.from_bytes(whole[position : position + 4], "big")
        without = whole[16:position] + whole[position + length :]
        assert "is missing" in refused(whole[:8] + struct.pack(">Q", len(without) + 16) + without)
        position += length


def test_no_truncation_passes(whole):
    for size in [*range(900), *range(900, len(whole), 97)]:
        # As a file cut off, and as one whose length has been made to fit.
        refused(whole[:size])
        if size > 20:
            refused(whole[:8] + struct.pack(">Q", size) + whole[16 : size - 4] + b"7777")


@given(data=st.data())
def test_flipped_bytes_give_a_composite_or_a_reason(whole, data):
    """Nothing else: no other exception, no crash; most of the places are in the headers, where it matters."""
    places = st.integers(0, 240) | st.integers(700, len(whole) - 1)
    flips = data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=5))
    bent = bytearray(whole)
    for place, value in flips.items():
        bent[place] = value
    found = composite_or_reason(lambda: parse(bytes(bent)))
    if isinstance(found, Composite):
        assert found.rate(jma.HOKUSHINETSU).shape == (600, 480)
    else:
        assert found.split()[0] in {"is", "holds", "covers"}


@given(
    levels=st.lists(st.tuples(st.integers(0, 251), st.integers(1, 70_000)), min_size=1, max_size=30),
    highest=st.integers(0, 251),
)
@example(levels=[(0, 1)], highest=0)
@example(levels=[(251, 70_000), (250, 1), (251, 3)], highest=251)
def test_packing_round_trip(levels, highest):
    field = np.concatenate([np.full(run, level, np.uint8) for level, run in levels])
    highest = max(highest, int(field.max()))
    np.testing.assert_array_equal(unpack(pack(field, highest), highest, len(field)), field)


@pytest.mark.parametrize(
    ("packed", "highest", "reason"),
    [
        (b"", 3, "do not begin with a level"),
        (b"\x05\x01", 3, "do not begin with a level"),
        (b"\x01\x02", 3, "fill 2 points of 10"),
        (b"\x01" + b"\xff" * 4, 3, "a run length of 4 digits"),
        (b"\x01" + b"\xff" * 100_000, 251, "a run length of 100000 digits"),
        (b"\x01" * 11, 3, "fill 11 points of 10"),
    ],
)
def test_runs_that_do_not_fill_the_grid(packed, highest, reason):
    with pytest.raises(FrameError, match=reason):
        unpack(packed, highest, 10)
