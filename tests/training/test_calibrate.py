"""The rejection threshold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from training import calibrate


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
