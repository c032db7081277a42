"""What our NetCDF files have in common: CF conventions 1.8, whole or not at all. Needs the extra ``[netcdf]``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from radar import durable

TIME_UNITS = "seconds since 1970-01-01 00:00:00"


@contextmanager
def creating(path: Path) -> Iterator[netCDF4.Dataset]:
    """Gives a new data set that takes the file's place, whole or not at all; raises OSError if it cannot."""
    with durable.replacing(path) as temporary:
        try:
            with netCDF4.Dataset(os.fspath(temporary), "w", format="NETCDF4") as data:
                yield data
        except RuntimeError as error:  # how the library tells of a full disk
            raise OSError(None, str(error), os.fspath(path)) from error


def add_modes(data: netCDF4.Dataset, codes: Sequence[str]) -> None:
    """Adds the dimension ``mode`` and its coordinate, the codes."""
    data.createDimension("mode", len(codes))
    mode = data.createVariable("mode", str, ("mode",))
    mode.long_name = "code of the snowfall mode"
    mode[:] = np.array(codes, object)


def add_time(data: netCDF4.Dataset, dimension: str) -> Any:
    """Adds the variable ``time`` to a dimension and gives it."""
    fill = None if dimension == "time" else netCDF4.default_fillvals["f8"]
    time = data.createVariable("time", "f8", (dimension,), zlib=True, fill_value=fill)
    time.standard_name, time.units, time.calendar = "time", TIME_UNITS, "standard"
    time.long_name = "end of the interval that the frame stands for, UTC"
    if dimension == "time":
        time.axis = "T"
    return time


def text_of(text: str) -> str:
    r"""Gives a text that is text: bytes of a name that are no UTF-8 become ``\xe9``."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")
