"""Batches: the same results whatever their size, and one shape for the compiled function."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.look.batches import in_batches


@given(st.integers(1, 40), st.integers(1, 17))
def test_results_are_those_of_all_at_once_and_every_batch_has_one_shape(count, size):
    values, shapes, ticks = np.arange(count) * 1.5, set(), []

    def run(batch, other):
        shapes.add(batch.shape)
        return batch + 1, np.stack([batch, other], axis=1)

    first, second = in_batches(run, values, -values, size=size, tick=lambda *at: ticks.append(at))
    np.testing.assert_array_equal(first, values + 1)
    np.testing.assert_array_equal(second, np.stack([values, -values], axis=1))
    assert shapes == {(size,)}
    assert ticks[-1] == (count, count)
