"""Rain-rate composites of the Japan Meteorological Agency (RDR_JMAGPV, 1 km, GRIB2): files in, pictures out.

    files         plain, .gz or .tar; names and times; `read`
    message       one GRIB2 message: which product, which time, which level where
    run_length    its packing
    grid          where its cells lie; windows of it
    drawing       palette indices, colours, radar coverage
    indexed_png   the PNG they are written as
    second_reader the same field as read by eccodes, to compare with

Nothing here needs more than NumPy, except `second_reader`.
"""

from radar.jma.files import is_composite, name_time, picture, read
from radar.jma.grid import HOKUSHINETSU, JAPAN, Window, WindowError
from radar.jma.message import Composite

__all__ = [
    "HOKUSHINETSU",
    "JAPAN",
    "Composite",
    "Window",
    "WindowError",
    "is_composite",
    "name_time",
    "picture",
    "read",
]
