"""The grid of the 1 km composite, and windows of it.

The grid is a box of exactly 20 to 48 N and 118 to 150 E, cut into 3,360 rows and 2,560 columns; row 0 is the
northernmost. Positions follow from that by formula. They are not taken from the message, whose steps are rounded to
1e-6 degrees (and which eccodes sums up to 125 m too far north).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radar.errors import SnowmodeError

WEST, EAST, SOUTH, NORTH = 118, 150, 20, 48
"""Edges of the grid, degrees."""

COLUMNS_A_DEGREE, ROWS_A_DEGREE = 80, 120
COLUMNS, ROWS = (EAST - WEST) * COLUMNS_A_DEGREE, (NORTH - SOUTH) * ROWS_A_DEGREE


class WindowError(SnowmodeError):
    """A window that cannot be taken from the grid."""


@dataclass(frozen=True, slots=True)
class Window:
    """A box of longitudes and latitudes, snapped to the edges of cells.

    What is asked for is moved to the nearest edges, so the attributes say what is taken.

    Args:
        west: Western edge, degrees east.
        east: Eastern edge, degrees east.
        south: Southern edge, degrees north.
        north: Northern edge, degrees north.

    Raises:
        WindowError: The box is empty, or not inside the grid.
    """

    west: float = 135.0
    east: float = 141.0
    south: float = 35.0
    north: float = 40.0

    def __post_init__(self) -> None:
        inside = WEST <= self.west < self.east <= EAST and SOUTH <= self.south < self.north <= NORTH
        if not inside:
            raise WindowError(
                f"Window: expected W,E,S,N in degrees, {WEST} <= W < E <= {EAST} and {SOUTH} <= S < N <= {NORTH}; "
                f"received {self.west:g},{self.east:g},{self.south:g},{self.north:g}"
            )
        for name, origin, a_degree in (
            ("west", WEST, COLUMNS_A_DEGREE),
            ("east", WEST, COLUMNS_A_DEGREE),
            ("south", SOUTH, ROWS_A_DEGREE),
            ("north", SOUTH, ROWS_A_DEGREE),
        ):
            edge = math.floor((getattr(self, name) - origin) * a_degree + 0.5)
            object.__setattr__(self, name, origin + edge / a_degree)
        if not (self.west < self.east and self.south < self.north):
            raise WindowError(
                f"Window: expected at least one cell (1/{COLUMNS_A_DEGREE} degree of longitude, 1/{ROWS_A_DEGREE} of "
                "latitude); received less"
            )

    def __str__(self) -> str:
        """Tells the box and its size."""
        return (
            f"{self.west:.7g} to {self.east:.7g} E, {self.south:.7g} to {self.north:.7g} N: "
            f"{self.columns} columns x {self.rows} rows"
        )

    @classmethod
    def parse(cls, text: str) -> Window:
        """Reads ``W,E,S,N`` in degrees, or the name of a window.

        Raises:
            WindowError: It is neither, or not inside the grid.
        """
        if named := NAMED.get(text.strip().lower()):
            return named
        parts = text.split(",")
        try:
            west, east, south, north = map(float, parts)
        except ValueError as error:
            raise WindowError(
                f"Window: expected W,E,S,N such as 135,141,35,40, or one of {', '.join(NAMED)}; received {text!r}"
            ) from error
        return cls(west, east, south, north)

    @property
    def columns(self) -> int:
        """Number of columns, west to east."""
        return round((self.east - self.west) * COLUMNS_A_DEGREE)

    @property
    def rows(self) -> int:
        """Number of rows, north to south."""
        return round((self.north - self.south) * ROWS_A_DEGREE)

    @property
    def cells(self) -> tuple[slice, slice]:
        """Rows and columns of the grid that lie in the window."""
        top, left = round((NORTH - self.north) * ROWS_A_DEGREE), round((self.west - WEST) * COLUMNS_A_DEGREE)
        return slice(top, top + self.rows), slice(left, left + self.columns)

    def latitudes(self) -> NDArray[np.float64]:
        """Middles of the rows, degrees north, descending; shape (rows,)."""
        top = self.cells[0].start
        middles: NDArray[np.float64] = NORTH - (top + np.arange(self.rows) + 0.5) / ROWS_A_DEGREE
        return middles

    def longitudes(self) -> NDArray[np.float64]:
        """Middles of the columns, degrees east, ascending; shape (columns,)."""
        left = self.cells[1].start
        middles: NDArray[np.float64] = WEST + (left + np.arange(self.columns) + 0.5) / COLUMNS_A_DEGREE
        return middles


HOKUSHINETSU = Window()
"""Niigata, Toyama, Ishikawa, Fukui and Nagano with the sea to the north-west. A trial: no source states the window of
the original's `hse` frames."""

JAPAN = Window(WEST, EAST, SOUTH, NORTH)
"""The whole grid."""

NAMED = {"hokushinetsu": HOKUSHINETSU, "japan": JAPAN}
