"""What `--batching_parameters_file` says: TensorFlow Serving's `BatchingParameters`, its defaults and its rules."""

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from serving.model_server.errors import ConfigurationError
from serving.protocol import wire

PER_MODEL_FILE = "batching_params.pbtxt"
"""Beside a version's `saved_model.pb`; read with `--enable_per_model_batching_parameters`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingOptions:
    """How requests are gathered into batches.

    Attributes:
        max_batch_size: rows of the largest request; without splitting also of the largest batch.
        batch_timeout_micros: microseconds an incomplete batch waits for more.
        max_enqueued_batches: batches that may wait, for each queue and priority.
        num_batch_threads: batches that run at a time, all models together.
        thread_pool_name: the label of `queuing_latency`.
        allowed_batch_sizes: a batch is padded up to the next of these; empty allows every size.
        pad_variable_length_inputs: whether requests of different shapes are padded to the largest, or refused.
        enable_large_batch_splitting: whether a request may be spread over several batches.
        max_execution_batch_size: rows of the largest batch.

    Raises:
        ConfigurationError: in TensorFlow Serving's words, if the values contradict each other.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    thread_pool_name: str = "batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self) -> None:
        if not self.enable_large_batch_splitting or not self.max_execution_batch_size:
            object.__setattr__(self, "max_execution_batch_size", self.max_batch_size)
        for name, least, words in (
            ("max_batch_size", 1, "positive"),
            ("batch_timeout_micros", 0, "non-negative"),
            ("max_enqueued_batches", 0, "non-negative"),
            ("num_batch_threads", 1, "positive"),
            ("max_execution_batch_size", 1, "positive"),
        ):
            value = getattr(self, name)
            if value < least:
                raise ConfigurationError(f"{name} must be {words}; was {value}")
        if self.max_execution_batch_size > self.max_batch_size:
            raise ConfigurationError(
                "max_execution_batch_size must be less than or equal to max_batch_size; "
                f"was {self.max_execution_batch_size}; expected at most {self.max_batch_size}"
            )
        if self.allowed_batch_sizes:
            self._check_allowed()

    def _check_allowed(self) -> None:
        sizes, last = self.allowed_batch_sizes, self.allowed_batch_sizes[-1]
        if sizes[0] < 1 or any(a >= b for a, b in pairwise(sizes)):
            raise ConfigurationError(f"allowed_batch_sizes must be positive and increasing; was {list(sizes)}")
        if self.enable_large_batch_splitting:
            if last != self.max_execution_batch_size:
                raise ConfigurationError(
                    "Last entry in allowed_batch_sizes must be equal to max_execution_batch_size; last entry was "
                    f"{last}; expected {self.max_execution_batch_size}"
                )
        elif last != self.max_batch_size:
            raise ConfigurationError(
                f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {last}; "
                f"expected {self.max_batch_size}"
            )

    @classmethod
    def from_proto(cls, proto: wire.BatchingParameters) -> "BatchingOptions":
        """Reads the message; what it leaves out keeps its default.

        Raises:
            ConfigurationError: see the class.
        """
        given: dict[str, Any] = {
            "allowed_batch_sizes": tuple(proto.allowed_batch_sizes),
            "pad_variable_length_inputs": proto.pad_variable_length_inputs,
            "enable_large_batch_splitting": proto.enable_large_batch_splitting.value,
        }
        for name in (
            *("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"),
            *("thread_pool_name", "max_execution_batch_size"),
        ):
            if proto.HasField(name):
                given[name] = getattr(proto, name).value
        return cls(**given)

    def padded(self, rows: int) -> int:
        """Gives the size a batch of so many rows runs with."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)
