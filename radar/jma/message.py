"""One GRIB2 message of a JMA 1 km rain-rate composite: which product, which time, which level where.

The message is read here, not by eccodes, because a client that runs for weeks must outlive damaged files: eccodes
2.50.0 ends the whole process (SIGSEGV, SIGFPE) on messages with a single changed byte, in the headers as well as in
the data. It also lacks JMA's product template 4.50008. Fields of undamaged messages are equal bit by bit, as
`second_reader` shows.

Templates: WMO Manual on Codes 3.0, 4.8, 5.200, 7.200; JMA's local template 4.50008 is 4.8 with one time range,
followed by three times 8 octets of radar operation flags, of which no description was found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from radar.errors import FrameError
from radar.jma import grid
from radar.jma.run_length import unpack

_PRODUCTS = {(1, 201): "Prr10lv", (1, 203): "Prr05lv"}
_OTHERS = {(15, 192): "echo tops (Phhlv)", (193, 0): "a nowcast (NOWC)"}
_RAIN_RATE = "the 1 km rain rate (Prr10lv or Prr05lv)"
_SECTIONS = {1: 21, 3: 72, 4: 82, 5: 17, 6: 6, 7: 6}  # with the octets each has at least
_TELLING = {3: 38, 4: 11, 5: 11}  # of these, the octets that tell one product from another

# Octets 31 to 72 of section 3: size, whole degrees, corners and steps in 1e-6 degrees, rows from north and west.
_GRID = struct.pack(
    ">4I2iB4IB",
    *(grid.COLUMNS, grid.ROWS, 0, 0xFFFFFFFF),
    *(47_995_833, 118_006_250, 48, 20_004_167, 149_993_750, 12_500, 8_333, 0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A rain-rate composite as it is transmitted.

    Attributes:
        product: ``Prr10lv`` or ``Prr05lv``.
        time: End of the interval it stands for, UTC.
        minutes: Length of that interval: 10 or 5.
        levels: uint8, shape (3360, 2560), row 0 in the north; 0 is missing, 1 no echo.
        rates: float32, shape (256,): rain rate of each level, mm/h; NaN for missing and for levels not in the table.
        radar_flags: The 24 octets of radar operation flags, as they stand in the message.
    """

    product: str
    time: datetime
    minutes: int
    levels: NDArray[np.uint8]
    rates: NDArray[np.float32]
    radar_flags: bytes

    def rate(self, window: grid.Window = grid.JAPAN) -> NDArray[np.float32]:
        """Gives the rain rate.

        Args:
            window: The part of the grid.

        Returns:
            float32, mm/h, shape (window.rows, window.columns), row 0 in the north; NaN where no radar sees, 0 where
            there is no echo. Values are the middles of JMA's bins.
        """
        return self.rates[self.levels[window.cells]]


def parse(data: bytes) -> Composite:
    """Reads a message.

    Args:
        data: The whole message, nothing before and nothing behind it.

    Returns:
        What it holds.

    Raises:
        FrameError: It is truncated or damaged, or not a 1 km rain-rate composite; the text says which.
    """
    sections: dict[int, bytes] = {}
    for number, body in _walk(data):
        if number in sections:
            _check_product(sections)
            raise FrameError(f"is damaged: section {number} occurs twice")
        sections[number] = body
    product = _check_product(sections)
    _check_lengths(sections, _SECTIONS)
    time, minutes = _time(sections[1], sections[4])
    highest, rates = _level_table(sections[5])
    if sections[6][5] != 255:
        raise FrameError(f"is damaged: its bitmap indicator is {sections[6][5]}, expected 255 (none)")
    levels = unpack(sections[7][5:], highest, grid.ROWS * grid.COLUMNS).reshape(grid.ROWS, grid.COLUMNS)
    return Composite(product, time, minutes, levels, rates, sections[4][58:82])


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields number and octets of each section."""
    if not data:
        raise FrameError("is empty (0 bytes)")
    if data[:4] != b"GRIB":
        raise FrameError(f"is no GRIB2 message: it begins with {data[:8]!r}")
    if len(data) < 16:
        raise FrameError(f"is truncated: its {len(data)} bytes end inside the first section")
    if data[7] != 2:
        raise FrameError(f"is GRIB edition {data[7]}, expected 2")
    length = int.from_bytes(data[8:16])
    if length > len(data):
        raise FrameError(f"is truncated: {len(data):,} of its {length:,} bytes are there")
    if length < len(data):
        more = "another message" if data[length : length + 4] == b"GRIB" else "something else"
        raise FrameError(f"holds {more} behind its first message of {length:,} bytes; one message is expected")
    position = 16
    while position < length - 4:
        size = int.from_bytes(data[position : position + 4])
        number = data[position + 4] if position + 4 < length else 0
        if size < 5 or position + size > length - 4 or not 1 <= number <= 7:
            raise FrameError(f"is damaged: no section can be read at byte {position}")
        yield number, data[position : position + size]
        position += size
    if position != length - 4 or data[position:] != b"7777":
        raise FrameError("is damaged: its end mark 7777 is missing")


def _check_lengths(sections: dict[int, bytes], needed: dict[int, int]) -> None:
    for number, octets in needed.items():
        if len(sections.get(number, b"")) < octets:
            found = (
                f"has {len(sections[number])} octets, at least {octets} expected"
                if number in sections
                else "is missing"
            )
            raise FrameError(f"is damaged: section {number} {found}")


def _check_product(sections: dict[int, bytes]) -> str:
    """Gives the name of the product, or says what it is instead."""
    _check_lengths(sections, _TELLING)
    area, product, data = sections[3], sections[4], sections[5]
    identity = product[9], product[10]
    templates = tuple(int.from_bytes(part) for part in (area[12:14], product[7:9], data[9:11]))
    size = struct.unpack(">2I", area[30:38])
    if identity in _PRODUCTS and templates == (0, 50008, 200):
        if area[30:72] != _GRID:
            raise FrameError(
                f"covers another grid of {size[0]} x {size[1]} points; expected {grid.COLUMNS} x {grid.ROWS} points, "
                f"{grid.WEST} to {grid.EAST} E, {grid.SOUTH} to {grid.NORTH} N"
            )
        return _PRODUCTS[identity]
    what = _OTHERS.get(identity)
    if what is None and identity in _PRODUCTS and templates[1] == 50011:
        what = "the 250 m composite (Pri60lv, other level limits)"
    if what is None:
        what = (
            f"category {identity[0]} number {identity[1]} in templates "
            f"3.{templates[0]}, 4.{templates[1]}, 5.{templates[2]}"
        )
    raise FrameError(f"holds {what}, not {_RAIN_RATE}")


def _time(identification: bytes, product: bytes) -> tuple[datetime, int]:
    """Gives the end of the interval and its length in minutes."""
    try:
        reference = _moment(identification[12:19])
        end = _moment(product[34:41])
    except ValueError as error:
        raise FrameError(f"is damaged: it holds no possible time: {error}") from error
    if reference != end:
        raise FrameError(
            f"is damaged: it names two times, {reference:%Y-%m-%d %H:%M:%S} and {end:%Y-%m-%d %H:%M:%S} UTC"
        )
    minutes = int.from_bytes(product[49:53])
    if product[48] != 0 or not 1 <= minutes <= 60:
        raise FrameError(f"is damaged: its interval is {minutes} in unit {product[48]}; expected minutes")
    return end, minutes


def _moment(octets: bytes) -> datetime:
    year, month, day, hour, minute, second = struct.unpack(">H5B", octets)
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _level_table(section: bytes) -> tuple[int, NDArray[np.float32]]:
    """Gives the highest level of the file, and the rain rate of every level."""
    points, _, bits, highest, count, scale = struct.unpack(">IHBHHB", section[5:17])
    decimals = (scale & 0x7F) * (-1 if scale & 0x80 else 1)
    table = np.frombuffer(section[17:], ">u2", count=min(count, (len(section) - 17) // 2)).astype(np.float64)
    wrong = (
        points != grid.ROWS * grid.COLUMNS
        or bits != 8
        or not highest <= count <= 252  # of 255 or more, no digits would be left for runs
        or len(section) != 17 + 2 * count
        or not count
        or abs(decimals) > 4
        or table[0] != 0
        or bool((np.diff(table) <= 0).any())
    )
    if wrong:
        raise FrameError(
            f"is damaged: its level table cannot be: {points:,} points, {bits} bits, level {highest} of {count}"
        )
    rates = np.full(256, np.nan, np.float32)
    rates[1 : count + 1] = table / 10.0**decimals
    return highest, rates
