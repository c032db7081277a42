"""Temperature and rejection threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from training.calibrate import accepted_share, calibrate, rejection_threshold

logits_of_few = arrays(np.float32, st.tuples(st.integers(1, 90), st.just(5)), elements=st.floats(-30, 30, width=32))


@given(logits=logits_of_few, accept=st.sampled_from([0.5, 0.9, 0.95, 1.0]), seed=st.integers(0, 9))
def test_the_threshold_accepts_what_it_was_asked_to(logits, accept, seed):
    table = softmax(logits, axis=1)
    events = np.random.default_rng(seed).integers(0, 7, len(table))
    threshold = rejection_threshold(table, events, accept=accept)
    assert 0 <= threshold <= 1
    assert accepted_share(table, events, threshold) >= accept - 1e-9


def test_the_threshold_is_no_lower_than_it_has_to_be():
    table = softmax(np.random.default_rng(0).normal(0, 2, (1000, 5)), axis=1)
    events = np.arange(1000) // 10
    accepted = accepted_share(table, events, rejection_threshold(table, events))
    assert 0.95 <= accepted < 0.955


def test_an_event_of_many_frames_does_not_decide_alone():
    """One event of 900 doubtful frames and 99 of one sure frame each: it is one doubtful event in a hundred."""
    sure = np.r_[np.full(900, 0.3), np.full(99, 0.9)]
    table = np.c_[sure, np.tile(((1 - sure) / 3)[:, np.newaxis], 3)]
    events = np.r_[np.zeros(900, int), np.arange(1, 100)]
    assert rejection_threshold(table, events) == 0.9
    assert rejection_threshold(table, np.arange(999)) == 0.3


def test_frames_that_are_all_but_certain_are_not_rejected():
    table = np.array([[0.99998, 0.00002]] * 40, np.float32)
    assert rejection_threshold(table, np.arange(40)) <= 0.99998


def over_confident(events=60, frames=20, seed=0):
    """Frames whose logits are three times as large as the chance of being right allows."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 1.2, (events * frames, 5))
    chances = softmax(true, axis=1)
    classes = np.array([rng.choice(5, p=row) for row in chances])
    return 3 * true, classes, np.repeat(np.arange(events), frames)


def test_calibration_mends_over_confidence_and_says_how_much_on_other_events():
    found = calibrate(*over_confident())
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.ece_before > 0.2
    assert found.ece_after < 0.05
    assert found.ece_unseen < 0.05
    assert found.accept == 0.95


def test_the_calibration_error_of_unseen_events_is_not_that_of_the_fitted_ones():
    """Where two events contradict each other, a temperature fitted to one is wrong for the other."""
    logits = np.array([[4.0, 0.0]] * 40)
    classes = np.r_[np.zeros(20, int), np.ones(20, int)]
    found = calibrate(logits, classes, np.repeat([0, 1], 20))
    assert found.ece_unseen > found.ece_after + 0.2


def test_of_one_event_nobody_knows_the_calibration_of_others():
    logits, classes, _ = over_confident(1, 30)
    assert math.isnan(calibrate(logits, classes, np.zeros(30, int)).ece_unseen)
