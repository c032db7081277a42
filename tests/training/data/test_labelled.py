"""Labelled frames: drawing some of them."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.training.labels import CODES, labels_of
from training.data.labelled import LabelledFrames, draw_per_mode


@given(counts=st.tuples(*[st.integers(0, 40)] * 3), per_mode=st.integers(1, 30), seed=st.integers(0, 9))
def test_at_most_so_many_of_each_mode_are_drawn_in_the_order_they_came(counts, per_mode, seed):
    labels = labels_of(list(enumerate(counts)))
    chosen = draw_per_mode(labels, per_mode, seed)
    drawn = Counter(label.mode for label in chosen)
    assert drawn == {CODES[mode]: min(count, per_mode) for mode, count in enumerate(counts) if count}
    positions = [labels.index(label) for label in chosen]
    assert positions == sorted(set(positions))


def test_what_is_drawn_depends_on_the_seed_alone():
    labels = labels_of([(0, 100), (1, 100)])
    assert draw_per_mode(labels, 10, 1) == draw_per_mode(labels, 10, 1)
    assert draw_per_mode(labels, 10, 1) != draw_per_mode(labels, 10, 2)


def test_frames_are_taken_with_their_labels_and_classes():
    labels = labels_of([(0, 2), (1, 3)])
    data = LabelledFrames(labels, np.arange(5 * 12, dtype=np.uint8).reshape(5, 2, 2, 3), np.array([0, 0, 1, 1, 1]))
    chosen = np.array([True, False, False, True, True])
    part = data.take(chosen)
    assert part.labels == [labels[0], labels[3], labels[4]]
    assert part.classes.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(part.images, data.images[[0, 3, 4]])
    assert part.events().tolist() == ["hse/0", "hse/1", "hse/1"]
