"""Counting and merging contingency tables."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radar.errors import VerificationError
from radar.verification.table import Binary, as_table, binary, check_index, count, count_by_group, ratio
from tests.radar.verification.tables import FINLEY, FIVE, frames_of, tables

PAIRS = st.integers(0, 40).flatmap(
    lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(0, 3)) for _ in range(3)])
)


def test_rows_are_observed_and_columns_predicted():
    table = count([0, 0, 0, 2], [0, 1, 1, 0], 3)
    assert table.tolist() == [[1, 2, 0], [0, 0, 0], [1, 0, 0]]
    assert table.dtype == np.int64


@given(tables())
def test_the_frames_of_a_table_count_as_the_table(table):
    np.testing.assert_array_equal(count(*frames_of(table), len(table)), table)


@given(PAIRS)
def test_groups_are_counted_one_by_one(pairs):
    observed, predicted, group = pairs
    found = count_by_group(observed, predicted, 4, group, 4)
    for g in range(4):
        np.testing.assert_array_equal(found[g], count(observed[group == g], predicted[group == g], 4))


@given(PAIRS, st.integers(0, 40))
def test_tables_of_parts_add_up(pairs, cut):
    observed, predicted, _ = pairs
    parts = count(observed[:cut], predicted[:cut], 4) + count(observed[cut:], predicted[cut:], 4)
    np.testing.assert_array_equal(parts, count(observed, predicted, 4))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint16, np.int64, np.uint64])
def test_any_integers_are_indices(kind):
    modes = np.arange(200, dtype=np.int64) % 120
    expected = count(modes, modes[::-1], 120)
    np.testing.assert_array_equal(count(modes.astype(kind), modes[::-1].astype(kind), 120), expected)
    found = count_by_group(modes.astype(kind), modes.astype(kind), 120, modes.astype(kind), 120)
    np.testing.assert_array_equal(found.sum(axis=0), np.diag(expected.sum(axis=1)))


def test_no_frames_make_a_table_of_zeros():
    np.testing.assert_array_equal(count([], [], 5), np.zeros((5, 5)))
    assert count_by_group([], [], 5, [], 0).shape == (0, 5, 5)


@pytest.mark.parametrize(
    ("observed", "predicted", "message"),
    [
        ([0, 1], [0], "one observed and one predicted mode and one group for each frame; received the shapes (2,)"),
        ([[0, 1]], [[0, 1]], "received the shapes (1, 2), (1, 2) and (1, 2)"),
        ([0, 5], [0, 0], "Expected each observed index as an integer from 0 to 4; received int64 from 0 to 5"),
        ([0, 1], [-1, 0], "Expected each predicted index as an integer from 0 to 4; received int64 from -1 to 0"),
        ([0.0, 1.0], [0, 1], "Expected each observed index as an integer from 0 to 4; received float64"),
        ([0, 1], [np.nan, 1], "Expected each predicted index as an integer from 0 to 4; received float64"),
        ([True, False], [0, 1], "Expected each observed index as an integer from 0 to 4; received bool"),
        (["LT"], ["LT"], "Expected each observed index as an integer from 0 to 4; received <U2"),
        ([None], [0], "Expected each observed index as an integer from 0 to 4; received object"),
    ],
)
def test_what_cannot_be_counted_is_refused(observed, predicted, message):
    with pytest.raises(VerificationError, match=re.escape(message)):
        count(observed, predicted, 5)


def test_a_group_out_of_range_is_refused():
    with pytest.raises(
        VerificationError, match=r"Expected each group index as an integer from 0 to 1; .* from 0 to 2"
    ):
        count_by_group([0, 0], [0, 0], 5, [0, 2], 2)
    with pytest.raises(VerificationError, match=r"\(2,\), \(2,\) and \(3,\)"):
        count_by_group([0, 0], [0, 0], 5, [0, 1, 1], 2)


def test_indices_keep_their_shape():
    assert check_index("mode", [[1, 2], [0, 2]], 3).tolist() == [[1, 2], [0, 2]]


@pytest.mark.parametrize("shape", [(5,), (2, 3), (4, 3, 2), ()])
def test_a_table_is_square(shape):
    with pytest.raises(VerificationError, match=re.escape(f"shape (..., K, K), received {shape}")):
        as_table(np.zeros(shape))


def test_one_mode_against_the_rest():
    assert [part[0] for part in binary(FINLEY)] == [28, 72, 23, 2680]
    assert [part[1] for part in binary(FINLEY)] == [2680, 23, 72, 28]
    assert binary(FINLEY).frames.tolist() == [2803, 2803]


@given(tables())
def test_every_frame_is_in_one_of_four_cells(table):
    found = binary(table)
    assert isinstance(found, Binary)
    assert found.hits.sum() == np.trace(table)
    assert found.misses.sum() == found.false_alarms.sum() == table.sum() - np.trace(table)
    assert (found.frames == table.sum()).all()
    assert all((part >= 0).all() for part in found)


def test_batches_are_seen_like_single_tables():
    batch = np.stack([FIVE, FIVE.T, FIVE * 0]).reshape(1, 3, 5, 5)
    for n in range(3):
        for part, single in zip(binary(batch), binary(batch[0, n]), strict=True):
            np.testing.assert_array_equal(part[0, n], single)


def test_a_ratio_without_cases_is_unknown():
    np.testing.assert_array_equal(ratio([1, 0, 0, 3], [2, 0, 5, 0]), [0.5, np.nan, 0, np.nan])
    assert np.isnan(ratio(1, 0))
    np.testing.assert_array_equal(ratio([[1], [2]], [4, 0]), [[0.25, np.nan], [0.5, np.nan]])
