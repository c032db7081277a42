"""The grid and its windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.jma import HOKUSHINETSU, JAPAN, Window, WindowError


def test_positions_follow_the_formula():
    assert JAPAN.latitudes()[[0, 3358, 3359]].tolist() == pytest.approx(
        [47.995833333, 20.0125, 20.004166667], abs=1e-9
    )
    assert JAPAN.longitudes()[[0, 2559]].tolist() == [118.00625, 149.99375]
    assert (JAPAN.rows, JAPAN.columns) == (3360, 2560)
    assert JAPAN.cells == (slice(0, 3360), slice(0, 2560))


def test_the_default_window():
    assert (HOKUSHINETSU.columns, HOKUSHINETSU.rows) == (480, 600)
    assert str(HOKUSHINETSU) == "135 to 141 E, 35 to 40 N: 480 columns x 600 rows"
    assert HOKUSHINETSU.latitudes()[0] == pytest.approx(40 - 0.5 / 120)
    assert HOKUSHINETSU.longitudes()[-1] == pytest.approx(141 - 0.5 / 80)


def test_a_window_is_snapped_to_cells_and_says_what_it_takes():
    window = Window(135.004, 135.02, 35.0, 35.0088)
    assert (window.west, window.east, window.south, window.north) == pytest.approx((135, 135.025, 35, 35 + 1 / 120))
    assert str(window) == "135 to 135.025 E, 35 to 35.00833 N: 2 columns x 1 rows"


@given(
    edges=st.tuples(st.floats(118, 150), st.floats(118, 150), st.floats(20, 48), st.floats(20, 48)),
)
def test_any_box_inside_the_grid(edges):
    west, east, south, north = min(edges[:2]), max(edges[:2]), min(edges[2:]), max(edges[2:])
    try:
        window = Window(west, east, south, north)
    except WindowError:
        assert east - west < 1 / 80 or north - south < 1 / 120
        return
    rows, columns = window.cells
    assert 0 <= rows.start < rows.stop <= 3360
    assert 0 <= columns.start < columns.stop <= 2560
    assert abs(window.west - west) <= 0.5 / 80 + 1e-9
    assert abs(window.north - north) <= 0.5 / 120 + 1e-9
    assert len(window.latitudes()) == window.rows
    assert (np.diff(window.latitudes()) < 0).all()
    # Snapping what is snapped changes nothing.
    assert Window(window.west, window.east, window.south, window.north) == window


@pytest.mark.parametrize("text", ["135,141,35,40", " 135.0, 141 ,35,40 ", "hokushinetsu", "Hokushinetsu"])
def test_windows_are_read_from_text(text):
    assert Window.parse(text) == HOKUSHINETSU


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kanto", "expected W,E,S,N such as 135,141,35,40, or one of hokushinetsu, japan; received 'kanto'"),
        ("135,141,35", "expected W,E,S,N"),
        ("", "expected W,E,S,N"),
        ("135,141,35,x", "expected W,E,S,N"),
        ("141,135,35,40", "118 <= W < E <= 150"),
        ("135,141,40,35", "20 <= S < N <= 48"),
        ("117,141,35,40", "received 117,141,35,40"),
        ("135,151,35,40", "118 <= W < E <= 150"),
        ("135,141,35,nan", "received 135,141,35,nan"),
        ("135,135.001,35,40", "expected at least one cell"),
    ],
)
def test_windows_that_cannot_be(text, reason):
    with pytest.raises(WindowError, match=reason):
        Window.parse(text)
