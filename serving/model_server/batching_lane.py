"""The requests that wait in a queue, cut into batches as TensorFlow Serving's `SharedBatchScheduler` cuts them."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.model_server.batching_merge import Arrays, count_rows
from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ServableError

_FULL = "The batch scheduling queue to which this task was submitted is full; "


class Part(NamedTuple):
    """The rows of a request that are in one batch: all of them unless it was split."""

    task: "Task"
    start: int
    stop: int

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """The rows themselves."""
        if self.stop - self.start == self.task.rows:
            return self.task.inputs
        return {alias: array[self.start : self.stop] for alias, array in self.task.inputs.items()}


class Task:
    """One request in a queue.

    Args:
        inputs: the arrays, rows first.
        deadline: when its time is up, on the monotonic clock; None for never.

    Raises:
        ServableError: INVALID_ARGUMENT if the inputs do not agree on a number of rows.
    """

    def __init__(self, inputs: Mapping[str, NDArray[Any]], deadline: float | None) -> None:
        self.inputs = inputs
        self.rows = count_rows(inputs)
        self.deadline = deadline
        self.queued_at = time.monotonic()
        self._parts_open = 0
        self._answers: dict[int, Arrays] = {}
        self._error: ServableError | None = None
        self._lock = threading.Lock()
        # Held until the answer is there. Not an Event, which is three locks and costs twice as much for each request.
        self._open = threading.Lock()
        self._open.acquire()

    def expect(self, parts: int) -> None:
        """Says how many times `finish` will be called."""
        self._parts_open = parts

    def finish(self, start: int, answer: Arrays | ServableError) -> None:
        """Takes the answer to the part that begins at a row."""
        with self._lock:
            if isinstance(answer, ServableError):
                self._error = self._error or answer
            else:
                self._answers[start] = answer
            self._parts_open -= 1
            if not self._parts_open:
                self._open.release()

    def result(self) -> Arrays:
        """Waits for the answer.

        Raises:
            ServableError: if the batch, or one of the batches, failed.
        """
        with self._open:
            pass
        if self._error is not None:
            # Not the object itself: its traceback would grow with every request of the batch that raises it.
            raise ServableError(self._error.code, self._error.message) from self._error
        answers = [self._answers[start] for start in sorted(self._answers)]
        if len(answers) == 1:
            return answers[0]
        return {alias: np.concatenate([answer[alias] for answer in answers]) for alias in answers[0]}


class Batch:
    """Requests, or parts of them, that run together.

    Attributes:
        parts: in the order they came in.
        rows: of all of them.
        opened_at: when the first came in, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.rows = 0
        self.opened_at = 0.0

    def add(self, part: Part) -> None:
        """Takes one more."""
        if not self.parts:
            self.opened_at = time.monotonic()
        self.parts.append(part)
        self.rows += part.stop - part.start


class Lane:
    """The batches of one priority; the last one is open, the others are full.

    Args:
        options: their sizes and times, and how many may wait.
    """

    def __init__(self, options: BatchingOptions) -> None:
        self._options = options
        self._batches: deque[Batch] = deque([Batch()])

    def put(self, task: Task) -> None:
        """Takes a request.

        Raises:
            ServableError: UNAVAILABLE if there is no room, INVALID_ARGUMENT if there never will be.
        """
        options, last = self._options, self._batches[-1]
        size, waiting, most = options.max_execution_batch_size, len(self._batches), options.max_enqueued_batches
        if task.rows > options.max_batch_size:
            raise ServableError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {task.rows} is larger than maximum input batch size {options.max_batch_size}",
            )
        if options.enable_large_batch_splitting:
            capacity = (most - waiting) * size + size - last.rows
            if task.rows > capacity:
                raise _unavailable(
                    f"task size is {task.rows} but scheduling capacity is only {capacity} "
                    f"(num_enqueued_batches={waiting}, max_enqueued_batches={most}, open_batch_size={last.rows}, "
                    f"max_execution_batch_size={size})"
                )
        elif last.rows + task.rows > size:
            if waiting >= most:
                raise _unavailable(f"currently {waiting} batches enqueued and max_enqueued_batches is {most}")
            self._batches.append(Batch())
        start, parts = 0, 0
        while start < task.rows or not parts:
            if self._batches[-1].rows >= size:
                self._batches.append(Batch())
            stop = min(task.rows, start + size - self._batches[-1].rows)
            self._batches[-1].add(Part(task, start, stop))
            start, parts = stop, parts + 1
        task.expect(parts)

    def due_at(self) -> float | None:
        """Tells when the first batch may run, on the monotonic clock; None if there is nothing."""
        first = self._batches[0]
        if not first.parts:
            return None
        if len(self._batches) > 1 or first.rows >= self._options.max_execution_batch_size:
            return 0.0
        return first.opened_at + self._options.batch_timeout_micros / 1e6

    def take(self) -> Batch:
        """Gives the first batch away, the open one if there is no other."""
        batch = self._batches.popleft()
        if not self._batches:
            self._batches.append(Batch())
        return batch


def _unavailable(reason: str) -> ServableError:
    return ServableError(grpc.StatusCode.UNAVAILABLE, _FULL + reason)
