"""Temperature, log loss, rejection threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.metrics import log_loss as reference

from training import calibrate


def frames(temperature, count=20_000, seed=0):
    """Logits of a network whose probabilities are right at the temperature, and classes drawn from those."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 5)) * temperature
    chances = softmax(logits / temperature, axis=1)
    classes = (chances.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return logits, np.minimum(classes, 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    logits, classes = frames(temperature)
    assert calibrate.fit_temperature(logits, classes) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_found_has_the_least_loss():
    logits, classes = frames(1.7, count=500)
    found = calibrate.fit_temperature(logits, classes)
    best = calibrate.log_loss(logits / found, classes)
    assert all(best <= calibrate.log_loss(logits / (found * factor), classes) for factor in (0.9, 0.99, 1.01, 1.1))


def test_logits_that_are_always_right_give_a_temperature_within_its_bounds():
    classes = np.arange(50) % 5
    for logits in (np.eye(5, dtype=np.float32)[classes], -np.eye(5, dtype=np.float32)[classes]):
        assert 0.05 <= calibrate.fit_temperature(logits, classes) <= 20


def test_calibration_changes_no_decision():
    logits, classes = frames(3.0, count=1000)
    table = calibrate.probabilities(logits, calibrate.fit_temperature(logits, classes))
    np.testing.assert_array_equal(table.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(table.sum(axis=1), 1)


def test_the_log_loss_is_that_of_scikit_learn():
    logits, classes = frames(1.0, count=300)
    expected = reference(classes, softmax(logits, axis=1), labels=range(5))
    assert calibrate.log_loss(logits, classes) == pytest.approx(expected)


def test_the_log_loss_of_a_very_wrong_answer_is_finite():
    assert calibrate.log_loss(np.array([[5000.0, 0.0]]), np.array([1])) == pytest.approx(5000)


@given(logits=arrays(np.float32, st.tuples(st.integers(1, 90), st.just(5)), elements=st.floats(-30, 30, width=32)))
def test_the_threshold_accepts_95_per_cent(logits):
    table = softmax(logits, axis=1)
    threshold = calibrate.rejection_threshold(table)
    assert 0 <= threshold <= 1
    assert (table.max(axis=1) >= threshold).mean() >= 0.95


def test_the_threshold_is_no_lower_than_it_has_to_be():
    table = softmax(np.random.default_rng(0).normal(0, 2, (1000, 5)), axis=1)
    accepted = (table.max(axis=1) >= calibrate.rejection_threshold(table)).mean()
    assert 0.95 <= accepted < 0.955


def test_frames_that_are_all_but_certain_are_not_rejected():
    table = np.array([[0.99998, 0.00002]] * 40, np.float32)
    assert calibrate.rejection_threshold(table) <= 0.99998
