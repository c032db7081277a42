"""Rain rates and the colours JMA draws them in."""

import numpy as np
import pytest

from radar.palette import COLORS, NO_ECHO, RATE_LIMITS, rate_to_class


@pytest.mark.parametrize(("number", "limit"), list(enumerate(RATE_LIMITS, start=1)))
def test_a_class_begins_at_its_limit_and_ends_below_the_next(number, limit):
    just_below = np.nextafter(limit, 0)
    assert rate_to_class(np.array([just_below, limit])).tolist() == [number - 1, number]


def test_missing_negative_and_endless_rates():
    rates = np.array([[np.nan, -np.inf, -1.0], [0.0, 1e9, np.inf]], np.float32)
    classes = rate_to_class(rates)
    assert classes.tolist() == [[0, 0, 0], [0, 8, 8]]
    assert classes.dtype == np.uint8


def test_every_class_has_a_colour_of_its_own():
    assert COLORS.shape == (len(RATE_LIMITS) + 1, 3)
    assert len({tuple(color) for color in COLORS.tolist()}) == len(COLORS)
    assert tuple(COLORS[0].tolist()) == NO_ECHO
