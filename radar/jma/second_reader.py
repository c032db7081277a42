"""A composite as read by eccodes, to hold against our own reading. Needs the extra [jma].

eccodes knows templates 5.200 and 7.200 but lacks JMA's product template 4.50008: it hands out a handle without
values. The template is supplied by changing two bytes of a copy, octets 8 and 9 of section 4: 50008 becomes 4.8,
which it is but for the radar flags at its end. A folder of definitions would do the same, but it has to be set for
the whole process.

Only what `radar.jma.message` has read is shown to eccodes, because it ends the process on damaged messages. Its
function for float32 values is left alone: in 2.50.0 it does so on every message of this packing.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radar.errors import SnowmodeError
from radar.jma import grid
from radar.jma.message import parse


class LibraryMissing(SnowmodeError):  # noqa: N818
    """eccodes is not installed."""


def library() -> Any:
    """Gives the module eccodes.

    Raises:
        LibraryMissing: It, or the C library below it, is not there.
    """
    try:
        return importlib.import_module("eccodes")
    except (ImportError, RuntimeError) as error:
        raise LibraryMissing(
            f"Comparing with eccodes needs it installed: pip install 'snowmode[jma]' ({error})"
        ) from error


def rate(message: bytes) -> NDArray[np.float32]:
    """Reads the rain rate of a message with eccodes.

    Args:
        message: A GRIB2 message of a 1 km rain-rate composite.

    Returns:
        float32, mm/h, shape (3360, 2560), row 0 in the north; NaN is missing.

    Raises:
        FrameError: The message is not one, or damaged.
        LibraryMissing: eccodes is not installed.
    """
    eccodes = library()
    parse(message)
    position = 16
    while message[position + 4] != 4:
        position += int.from_bytes(message[position : position + 4])
    patched = bytearray(message)
    patched[position + 7 : position + 9] = (8).to_bytes(2)
    handle = eccodes.codes_new_from_message(bytes(patched))
    try:
        values = eccodes.codes_get_values(handle)
        missing = eccodes.codes_get(handle, "missingValue", ktype=float)
    finally:
        eccodes.codes_release(handle)
    field: NDArray[np.float32] = np.where(values == missing, np.nan, values).astype(np.float32)
    return field.reshape(grid.ROWS, grid.COLUMNS)
