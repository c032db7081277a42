"""Requests into a batch and back."""

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.model_server.batching_merge import merge, split
from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ServableError

CODE = grpc.StatusCode
TENSORS = {"a": "serving_default_a:0"}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((), [1, 2, 3]), ((4,), [1, 2, 3, 2]), ((3, 8), [1, 2, 3]), ((2, 8), [1, 2, 3, 2, 2, 2, 2, 2])],
)
def test_a_batch_is_padded_to_an_allowed_size_with_the_first_row_of_the_last_request(sizes, expected):
    options = BatchingOptions(allowed_batch_sizes=sizes, max_batch_size=sizes[-1] if sizes else 1000)
    merged = merge([{"a": np.array([1])}, {"a": np.array([2, 3])}], TENSORS, options)
    assert merged["a"].tolist() == expected


def test_a_batch_of_one_request_is_not_copied():
    array = np.arange(3)
    assert merge([{"a": array}], TENSORS, BatchingOptions())["a"] is array


def test_strings_stay_strings():
    requests = [{"a": np.array([b"x\0"], object)}, {"a": np.array([b"y", b""], object)}]
    merged = merge(requests, TENSORS, BatchingOptions(allowed_batch_sizes=(4,), max_batch_size=4))
    assert merged["a"].tolist() == [b"x\0", b"y", b"", b"y"]


def test_different_shapes_are_refused_for_all():
    with pytest.raises(ServableError) as refused:
        merge([{"a": np.zeros((1, 2))}, {"a": np.zeros((1, 3))}], TENSORS, BatchingOptions())
    assert (refused.value.code, refused.value.message) == (
        CODE.FAILED_PRECONDITION,
        "Tensors with name 'serving_default_a:0' from different tasks have different shapes and padding is turned "
        "off.Set pad_variable_length_inputs to true, or ensure that all tensors with the same namehave equal "
        "dimensions starting with the first dim.",
    )


PADDING = BatchingOptions(pad_variable_length_inputs=True)


def test_different_shapes_are_padded_with_the_first_value_where_that_is_wanted():
    merged = merge(
        [{"a": np.array([[1, 2]])}, {"a": np.array([[3], [4]])}, {"a": np.array([[5, 6]])}], TENSORS, PADDING
    )
    assert merged["a"].tolist() == [[1, 2], [3, 3], [4, 3], [5, 6]]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 2), (1, 2, 2)), "Batching Run() input tensors must have equal ranks to be padded"),
        (((1,) * 7, (1,) * 6 + (2,)), "Only tensors with rank from 1 to 6 can be padded."),
        (((1, 0), (1, 2)), "Got empty tensor in batch of non-empty tensors."),
    ],
)
def test_what_cannot_be_padded(shapes, message):
    with pytest.raises(ServableError) as refused:
        merge([{"a": np.zeros(shape)} for shape in shapes], TENSORS, PADDING)
    assert (refused.value.code, refused.value.message) == (CODE.INVALID_ARGUMENT, message)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.zeros(()), "Batched output tensor has 0 dimensions"),
        (
            np.zeros(3),
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_an_output_without_a_row_for_each_row(output, message):
    with pytest.raises(ServableError) as refused:
        split({"y": output}, [1, 1], 2)
    assert (refused.value.code, refused.value.message) == (CODE.FAILED_PRECONDITION, message)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 3))
def test_splitting_undoes_merging(sizes, more):
    arrays = [np.arange(size) + 100 * number for number, size in enumerate(sizes)]
    total = sum(sizes) + (more if sizes[-1] else 0)
    options = BatchingOptions(allowed_batch_sizes=(total,) if total else (), max_batch_size=total or 1)
    merged = merge([{"a": array} for array in arrays], TENSORS, options)
    assert len(merged["a"]) == total
    parts = split({"y": merged["a"]}, sizes, total)
    for part, array in zip(parts, arrays, strict=True):
        np.testing.assert_array_equal(part["y"], array)
