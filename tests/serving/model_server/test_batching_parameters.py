"""The parameters of batching: defaults, and what contradicts itself."""

import os

import pytest
from google.protobuf import text_format

from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ConfigurationError
from serving.protocol import wire


def parsed(text):
    return BatchingOptions.from_proto(text_format.Parse(text, wire.BatchingParameters()))


def test_what_is_left_out_has_tensorflow_servings_defaults():
    options = parsed("")
    assert options == BatchingOptions()
    assert (options.max_batch_size, options.batch_timeout_micros, options.max_enqueued_batches) == (1000, 0, 10)
    assert (options.num_batch_threads, options.thread_pool_name) == (os.cpu_count(), "batch_threads")
    assert (options.allowed_batch_sizes, options.pad_variable_length_inputs) == ((), False)
    assert (options.enable_large_batch_splitting, options.max_execution_batch_size) == (False, 1000)


def test_everything_said():
    options = parsed(
        """
        max_batch_size { value: 64 }  batch_timeout_micros { value: 2000 }  max_enqueued_batches { value: 7 }
        num_batch_threads { value: 4 }  thread_pool_name { value: "pool" }
        allowed_batch_sizes: 8  allowed_batch_sizes: 16
        pad_variable_length_inputs: true
        enable_large_batch_splitting { value: true }  max_execution_batch_size { value: 16 }
        """
    )
    assert options == BatchingOptions(
        max_batch_size=64,
        batch_timeout_micros=2000,
        max_enqueued_batches=7,
        num_batch_threads=4,
        thread_pool_name="pool",
        allowed_batch_sizes=(8, 16),
        pad_variable_length_inputs=True,
        enable_large_batch_splitting=True,
        max_execution_batch_size=16,
    )
    assert [options.padded(rows) for rows in (1, 8, 9, 16)] == [8, 8, 16, 16]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        ("max_enqueued_batches { value: -1 }", "max_enqueued_batches must be non-negative; was -1"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        (
            "allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 1000",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 8 allowed_batch_sizes: 8",
            "allowed_batch_sizes must be positive and increasing; was [8, 8]",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 0 allowed_batch_sizes: 8",
            "allowed_batch_sizes must be positive and increasing; was [0, 8]",
        ),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 4 } allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must be equal to max_execution_batch_size; last entry was 8; "
            "expected 4",
        ),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 9 }",
            "max_execution_batch_size must be less than or equal to max_batch_size; was 9; expected at most 8",
        ),
    ],
)
def test_contradictions(text, message):
    with pytest.raises(ConfigurationError) as refused:
        parsed(text)
    assert str(refused.value) == message
