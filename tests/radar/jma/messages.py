"""Makes composites in JMA's own format, byte by byte as JMA does (a test compares them with the real files)."""

from __future__ import annotations

import io
import struct
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from radar.jma import HOKUSHINETSU, Window
from radar.jma.grid import COLUMNS, ROWS

# Lower limits of the bins of levels 2 to 251, mm/h. The rate of a level is the middle of its bin, to 0.01.
_LIMITS = np.round(
    [
        0.1,
        *(0.2 + 0.1 * n for n in range(18)),
        *(2 + 0.25 * n for n in range(12)),
        *(5 + 0.5 * n for n in range(10)),
        *(10.0 + n for n in range(170)),
        *(180.0 + 2 * n for n in range(38)),
        256,
    ],
    2,
)
_MIDDLES = np.floor((_LIMITS[1:-1] + _LIMITS[2:]) * 50 + 0.5 + 1e-9) / 100

RATES = np.array([0, 0.1, *_MIDDLES, 260])
"""Rain rate of levels 1 to 251, mm/h."""

CLASS_LEVELS = np.array([1, 3, 20, 33, 43, 53, 63, 83, 113], np.uint8)
"""A level in the middle of each palette class 0 to 8; class 0 becomes no echo."""

OF_PRODUCT = {"Prr10lv": (201, 10), "Prr05lv": (203, 5)}
FLAGS = bytes.fromhex("0000055555555555" * 2 + "ff" * 8)


def levels_of(rate):
    """The level of each rain rate, mm/h; NaN becomes 0, missing."""
    return np.where(np.isnan(rate), 0, 1 + np.searchsorted(_LIMITS, np.nan_to_num(rate), side="right")).astype(
        np.uint8
    )


def national(picture, window: Window = HOKUSHINETSU, *, beside=0):
    """Puts a picture of levels, or of rain rates where it is of floats, into a national field of levels.

    Args:
        picture: Shape (window.rows, window.columns).
        window: Where it lies.
        beside: Level of the rest.
    """
    field = np.full((ROWS, COLUMNS), beside, np.uint8)
    field[window.cells] = levels_of(picture) if np.issubdtype(np.asarray(picture).dtype, np.floating) else picture
    return field


def jma_name(time: datetime, product: str = "Prr10lv") -> str:
    """The name of a plain file."""
    return f"Z__C_RJTD_{time:%Y%m%d%H%M%S}_RDR_JMAGPV_Ggis1km_{product}_ANAL_grib2.bin"


def tar_name(time: datetime) -> str:
    return f"Z__C_RJTD_{time:%Y%m%d%H%M%S}_RDR_JMAGPV__grib2.tar"


def message(levels, time: datetime, product: str = "Prr10lv", *, flags=FLAGS) -> bytes:
    """A GRIB2 message.

    Args:
        levels: uint8, shape (3360, 2560).
        time: End of the interval, UTC.
        product: ``Prr10lv`` or ``Prr05lv``.
        flags: Radar operation flags, 24 octets.
    """
    parameter, minutes = OF_PRODUCT[product]
    moment = time.astimezone(UTC)
    stamp = struct.pack(">H5B", *moment.timetuple()[:6])
    highest = int(levels.max())
    sections = [
        (1, struct.pack(">HHBBB", 34, 0, 2, 1, 0) + stamp + bytes(2)),
        (
            3,
            struct.pack(">BIBBH", 0, ROWS * COLUMNS, 0, 0, 0)
            + b"\x04\xff"
            + b"\xff" * 4
            + bytes.fromhex("0103cd39fa0103c9f6a3")
            + struct.pack(
                ">4I2iB4IB",
                COLUMNS,
                ROWS,
                0,
                0xFFFFFFFF,
                47995833,
                118006250,
                48,
                20004167,
                149993750,
                12500,
                8333,
                0,
            ),
        ),
        (
            4,
            struct.pack(">HHBBBBBHBBI", 0, 50008, 1, parameter, 0, 0xC9, 0xFF, 0, 5, 0, 0x80000000 | minutes)
            + b"\x01"
            + b"\xff" * 11
            + stamp
            + struct.pack(">BIBBBIBI", 1, 0, 1, 2, 0, minutes, 0, 0)
            + flags,
        ),
        (
            5,
            struct.pack(">IHBHHB", ROWS * COLUMNS, 200, 8, highest, len(RATES), 2)
            + np.rint(RATES * 100).astype(">u2").tobytes(),
        ),
        (6, b"\xff"),
        (7, pack(levels.ravel(), highest)),
    ]
    body = b"".join(struct.pack(">IB", len(content) + 5, kind) + content for kind, content in sections) + b"7777"
    return b"GRIB\xff\xff\x00\x02" + struct.pack(">Q", len(body) + 16) + body


def pack(levels, highest: int) -> bytes:
    """Run-length packing: a level, then the digits of its run length less one, least significant first."""
    starts = np.flatnonzero(np.diff(levels, prepend=levels[0] + 1))
    rest = np.diff(starts, append=len(levels)) - 1
    base = 255 - highest
    columns = [levels[starts].astype(np.int64)]
    while rest.any():
        columns.append(np.where(rest > 0, highest + 1 + rest % base, -1))
        rest = rest // base
    table = np.stack(columns, axis=1).ravel()
    return table[table >= 0].astype(np.uint8).tobytes()


def write_message(path: Path, picture, time: datetime, product: str = "Prr10lv") -> Path:
    """Writes a composite.

    Args:
        path: A file; or a folder, in which JMA's name is used.
        picture: National levels (uint8) or rain rates (float, mm/h), shape (3360, 2560); or a picture of the default
            window, which is put into a field otherwise missing.
        time: End of the interval, UTC.
        product: ``Prr10lv`` or ``Prr05lv``.
    """
    field = national(picture) if np.shape(picture) != (ROWS, COLUMNS) else picture
    levels = levels_of(field) if np.issubdtype(field.dtype, np.floating) else field
    file = path / jma_name(time, product) if path.is_dir() else path
    file.write_bytes(message(levels, time, product))
    return file


def tar_of(members: dict[str, bytes]) -> bytes:
    """A tar with these members."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, body in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        return file.getvalue()
