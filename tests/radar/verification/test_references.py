"""Forecasts without a picture: climatology, chance, persistence."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import VerificationError
from radar.verification import overall
from radar.verification.references import climatology, persistence, random_draw
from tests.radar.verification.tables import FINLEY, FIVE, tables


def test_climatology_always_says_the_most_frequent_mode():
    assert climatology(FINLEY).tolist() == [[0, 51], [0, 2752]]
    table = climatology(FIVE)
    assert table[:, 0].tolist() == [48, 20, 35, 10, 37]
    assert table[:, 1:].sum() == 0


@given(tables())
def test_references_keep_what_was_observed(table):
    for forecast in (climatology(table), random_draw(table)):
        np.testing.assert_allclose(forecast.sum(axis=1), table.sum(axis=1))
    np.testing.assert_allclose(random_draw(table).sum(axis=0), table.sum(axis=1))


@given(tables())
def test_references_have_no_skill(table):
    for forecast in (climatology(table), random_draw(table)):
        for score in (overall.heidke_skill_score, overall.peirce_skill_score):
            assert np.isnan(score(forecast)) or abs(score(forecast)) < 1e-12


def test_a_random_draw_is_what_drawing_gives_on_average():
    rng = np.random.default_rng(0)
    observed = np.repeat(np.arange(5), FIVE.sum(axis=1))
    drawn = np.zeros((5, 5))
    for _ in range(400):
        np.add.at(drawn, (observed, rng.permutation(observed)), 1)
    np.testing.assert_allclose(drawn / 400, random_draw(FIVE), atol=0.5)


def test_references_of_no_frames():
    assert climatology(np.zeros((3, 3))).sum() == random_draw(np.zeros((3, 3))).sum() == 0


def test_persistence_says_what_was_before():
    table = persistence([0, 0, 1, 1, 2, 0], [0] * 6, 3)
    # Observed 0 after 0; 1 after 0; 1 after 1; 2 after 1; 0 after 2.
    assert table.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 0]]


def test_persistence_begins_anew_with_each_season():
    table = persistence([0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 4, 4], 3)
    assert table.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=40))
def test_persistence_is_a_loop(frames):
    frames.sort(key=lambda frame: frame[1])
    expected = np.zeros((4, 4), int)
    for before, now in pairwise(frames):
        if before[1] == now[1]:
            expected[now[0], before[0]] += 1
    found = persistence([mode for mode, _ in frames], [season for _, season in frames], 4)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("frames", [0, 1])
def test_persistence_of_less_than_two_frames_says_nothing(frames):
    np.testing.assert_array_equal(persistence([2] * frames, [0] * frames, 3), np.zeros((3, 3)))


def test_persistence_of_lasting_weather_is_hard_to_beat():
    observed = np.repeat([0, 1, 2, 3, 4], 40)
    assert overall.accuracy(persistence(observed, np.zeros(200), 5)) == pytest.approx(195 / 199)


def test_persistence_needs_modes():
    with pytest.raises(VerificationError, match="from 0 to 2"):
        persistence([0, 3, 0], [0, 0, 0], 3)
