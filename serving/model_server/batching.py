"""Gathers requests into batches, as TensorFlow Serving's `SharedBatchScheduler` does, and live ones ahead of bulk.

Each signature and set of outputs has a queue; one pool of threads serves the queues of all models in turn. A queue
has a lane for each priority: a bulk batch runs only when no live batch is due in any queue, the two are never mixed
(a live request would wait for the bulk rows beside it), and a full bulk lane does not shut out live requests. Bulk
has no guarantee: while live requests keep every thread busy, it waits.

TensorFlow's own batching op was measured first and left: `BatchFunction` around the same signature in the same
`Session`, 64 callers of one image of 32x32 on 2 cores, gave 2,900 images/s where this gives 4,400 (a batch of ours
costs one `Session.run`, one of the op's a `Session.run` for each request). It also has no priorities in the open
source build, no deadlines in the queue, other error messages, no padding of shapes, and fits only graphs whose
signature is a single function call.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from numpy.typing import NDArray

from serving.model_server import metrics
from serving.model_server.batching_lane import Batch, Lane, Task
from serving.model_server.batching_merge import Arrays
from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ServableError
from serving.protocol.priority import Priority


class BatchQueue:
    """The requests that may share a batch; made by `BatchScheduler.add_queue`."""

    def __init__(
        self, scheduler: "BatchScheduler", options: BatchingOptions, process: "Process", depth: metrics.Depth
    ) -> None:
        self._scheduler = scheduler
        self.process = process
        self.depth = depth
        self.lanes = {priority: Lane(options) for priority in Priority}

    def run(self, inputs: Mapping[str, NDArray[Any]], *, timeout: float | None, priority: Priority) -> Arrays:
        """Puts a request into the queue and waits for its answer.

        Args:
            inputs: the arrays, rows first.
            timeout: seconds it may take; None for as long as it takes.
            priority: its lane.

        Raises:
            ServableError: UNAVAILABLE if the lane is full, INVALID_ARGUMENT if the request is too large,
                RESOURCE_EXHAUSTED if its time and that of its whole batch ran out in the queue; or what `process`
                raised for its batch.
        """
        task = Task(inputs, None if timeout is None else time.monotonic() + timeout)
        metrics.note_batch_input(task.rows, len(inputs))
        self._scheduler.submit(self, task, priority)
        return task.result()


Process = Callable[[Sequence[Mapping[str, NDArray[Any]]], float | None], Sequence[Arrays]]
"""Runs a batch: the inputs of every request, and the seconds it may take; gives the outputs of every request."""


class BatchScheduler:
    """The threads that run batches, and the queues they take them from.

    Args:
        threads: batches that run at a time.
        name: of the threads, and the label of `queuing_latency`.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._queues: deque[BatchQueue] = deque()  # the next in turn first
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def add_queue(self, options: BatchingOptions, process: Process, depth: metrics.Depth) -> BatchQueue:
        """Makes a queue.

        Args:
            options: sizes and times; the number of threads is the scheduler's own.
            process: runs its batches, on a thread of the scheduler.
            depth: where the number of waiting requests is shown.
        """
        queue = BatchQueue(self, options, process, depth)
        with self._changed:
            self._queues.append(queue)
        return queue

    def remove_queue(self, queue: BatchQueue) -> None:
        """Forgets a queue; nobody may have a request in it."""
        with self._changed:
            self._queues.remove(queue)

    def close(self) -> None:
        """Ends the threads; batches that run are finished, nothing may wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, queue: BatchQueue, task: Task, priority: Priority) -> None:
        """Puts a request into a lane of a queue.

        Raises:
            ServableError: if it does not fit.
        """
        with self._changed:
            queue.lanes[priority].put(task)
            queue.depth[priority].inc()
            self._changed.notify()

    # A thread that waits must hold nothing of the batch before, not even in a local variable: it would keep the graph
    # of an unloaded version in memory. So what touches queues returns before anything waits.

    def _work(self) -> None:
        while self._wait_until_due():
            self._run_one()

    def _wait_until_due(self) -> bool:
        with self._changed:
            while not self._closed:
                due = min(self._due_times(), default=None)
                wait = None if due is None else due - time.monotonic()
                if wait is not None and wait <= 0:
                    return True
                self._changed.wait(wait)
            return False

    def _due_times(self) -> list[float]:
        times = [lane.due_at() for queue in self._queues for lane in queue.lanes.values()]
        return [due for due in times if due is not None]

    def _run_one(self) -> None:
        found = self._take()
        if found is None:
            return
        queue, batch = found
        # Without the lock: whoever is woken here may have the next request to put in.
        for part, answer in zip(batch.parts, self._run(queue, batch), strict=True):
            part.task.finish(part.start, answer)

    def _take(self) -> tuple[BatchQueue, Batch] | None:
        with self._changed:
            now = time.monotonic()
            for priority in Priority:
                for turn, queue in enumerate(self._queues):
                    due = queue.lanes[priority].due_at()
                    if due is not None and due <= now:
                        self._queues.rotate(-turn - 1)
                        batch = queue.lanes[priority].take()
                        queue.depth[priority].dec(sum(part.start == 0 for part in batch.parts))
                        return queue, batch
            return None  # another thread was faster

    def _run(self, queue: BatchQueue, batch: Batch) -> Sequence[Arrays | ServableError]:
        now = time.monotonic()
        deadlines = [part.task.deadline for part in batch.parts]
        for part in batch.parts:
            metrics.note_queued(self._name, now - part.task.queued_at)
        try:
            if None in deadlines:
                return queue.process([part.inputs for part in batch.parts], None)
            latest = max(deadline for deadline in deadlines if deadline is not None)
            if latest <= now:
                raise ServableError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue"
                )
            return queue.process([part.inputs for part in batch.parts], latest - now)
        except ServableError as error:
            return [error] * len(batch.parts)
        except Exception as error:  # whatever it is, a thread less would be felt by every request to come
            return [ServableError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")] * len(batch.parts)
