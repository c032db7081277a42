"""Queues and batches by themselves: what runs together, in which order, and what is refused."""

import threading

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.model_server import metrics
from serving.model_server.batching import BatchScheduler
from serving.model_server.batching_lane import Task
from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ServableError
from serving.protocol.priority import Priority
from tests.serving.model_server.toy_server import DEADLINE

CODE = grpc.StatusCode
LIVE, BULK = Priority.LIVE, Priority.BULK


class Bench:
    """A scheduler with one queue; its batches wait at a gate, and are written down."""

    def __init__(self, threads=1, answer=None, **options):
        self.gate, self.runs, self.timeouts, self.started = threading.Event(), [], [], threading.Semaphore(0)
        self.answer = answer or (lambda values: values)
        self.scheduler = BatchScheduler(threads, "bench")
        self.depth = metrics.queue_depth("bench", 1, "s")
        self.queue = self.add_queue(**options)

    def add_queue(self, **options):
        return self.scheduler.add_queue(BatchingOptions(**options), self._process, self.depth)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.scheduler.close()

    def _process(self, requests, timeout):
        self.runs.append([request["x"].tolist() for request in requests])
        self.timeouts.append(timeout)
        self.started.release()
        if not self.gate.wait(DEADLINE):
            raise TimeoutError("nobody opened the gate")
        return [{"y": self.answer(request["x"])} for request in requests]

    def send(self, *values, priority=LIVE, queue=None, deadline=None):
        task = Task({"x": np.array(values)}, deadline)
        self.scheduler.submit(queue or self.queue, task, priority)
        return task

    def plug(self):
        """Keeps the thread busy until the gate opens, so that what comes after has to queue."""
        task = self.send(-1)
        assert self.started.acquire(timeout=DEADLINE)
        return task


def values_of(task):
    return task.result()["y"].tolist()


def test_requests_that_wait_share_a_batch_and_each_gets_its_own_rows():
    with Bench(max_batch_size=8) as bench:
        bench.plug()
        tasks = [bench.send(1), bench.send(2, 3), bench.send(4, 5, 6)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1], [2, 3], [4, 5, 6]]
        assert bench.runs[1:] == [[[1], [2, 3], [4, 5, 6]]]


def test_a_request_that_does_not_fit_starts_the_next_batch():
    with Bench(max_batch_size=4) as bench:
        bench.plug()
        tasks = [bench.send(1, 2, 3), bench.send(4, 5), bench.send(6, 7), bench.send(8)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1, 2, 3], [4, 5], [6, 7], [8]]
        assert bench.runs[1:] == [[[1, 2, 3]], [[4, 5], [6, 7]], [[8]]]


def test_live_requests_go_first_and_each_priority_keeps_its_order():
    with Bench(max_batch_size=2) as bench:
        bench.plug()
        tasks = [bench.send(number, priority=BULK) for number in (1, 2, 3)]
        tasks += [bench.send(number) for number in (4, 5, 6)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1], [2], [3], [4], [5], [6]]
        assert bench.runs[1:] == [[[4], [5]], [[6]], [[1], [2]], [[3]]]


def test_live_requests_of_one_queue_go_before_bulk_ones_of_another():
    with Bench(max_batch_size=2) as bench:
        other = bench.add_queue(max_batch_size=2)
        bench.plug()
        tasks = [bench.send(1, priority=BULK, queue=other), bench.send(2)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1], [2]]
        assert bench.runs[1:] == [[[2]], [[1]]]


def test_queues_take_turns():
    with Bench(max_batch_size=1, max_enqueued_batches=3) as bench:
        other = bench.add_queue(max_batch_size=1, max_enqueued_batches=3)
        bench.plug()
        tasks = [bench.send(number) for number in (1, 2)] + [bench.send(number, queue=other) for number in (3, 4)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1], [2], [3], [4]]
        assert bench.runs[1:] == [[[3]], [[1]], [[4]], [[2]]]


def test_a_full_queue_refuses_and_a_full_bulk_lane_leaves_room_for_live():
    with Bench(max_batch_size=2, max_enqueued_batches=2) as bench:
        bench.plug()
        tasks = [bench.send(number, number, priority=BULK) for number in (1, 2)]
        with pytest.raises(ServableError) as refused:
            bench.send(3, priority=BULK)
        assert (refused.value.code, refused.value.message) == (
            CODE.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
            "max_enqueued_batches is 2",
        )
        tasks.append(bench.send(4))
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1, 1], [2, 2], [4]]


def test_a_request_larger_than_a_batch_is_refused():
    with Bench(max_batch_size=2) as bench:
        with pytest.raises(ServableError) as refused:
            bench.send(1, 2, 3)
        assert (refused.value.code, refused.value.message) == (
            CODE.INVALID_ARGUMENT,
            "Task size 3 is larger than maximum input batch size 2",
        )


def test_a_large_request_is_split_over_batches_and_put_together_again():
    with Bench(
        max_batch_size=8, max_execution_batch_size=3, enable_large_batch_splitting=True, max_enqueued_batches=4
    ) as bench:
        bench.plug()
        tasks = [bench.send(1, 2), bench.send(3, 4, 5, 6, 7, 8), bench.send(9)]
        with pytest.raises(ServableError) as refused:
            bench.send(1, 2, 3, 4)
        assert (refused.value.code, refused.value.message) == (
            CODE.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full; task size is 4 but scheduling "
            "capacity is only 3 (num_enqueued_batches=3, max_enqueued_batches=4, open_batch_size=3, "
            "max_execution_batch_size=3)",
        )
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1, 2], [3, 4, 5, 6, 7, 8], [9]]
        assert bench.runs[1:] == [[[1, 2], [3]], [[4, 5, 6]], [[7, 8], [9]]]


def test_one_failed_part_fails_a_split_request():
    def answer(values):
        if 5 in values:
            raise ServableError(CODE.INVALID_ARGUMENT, "five")
        return values

    with Bench(
        answer=answer, max_batch_size=8, max_execution_batch_size=2, enable_large_batch_splitting=True
    ) as bench:
        bench.gate.set()
        with pytest.raises(ServableError, match="five"):
            bench.send(1, 2, 3, 4, 5, 6, 7).result()
        assert values_of(bench.send(1, 2, 3)) == [1, 2, 3]


def test_an_incomplete_batch_waits_for_more_until_it_is_full():
    with Bench(max_batch_size=2, batch_timeout_micros=3_600_000_000) as bench:
        bench.gate.set()
        first = bench.send(1)
        second = bench.send(2)
        assert [values_of(first), values_of(second)] == [[1], [2]]
        assert bench.runs == [[[1], [2]]]


def test_an_incomplete_batch_runs_when_its_time_is_up():
    with Bench(max_batch_size=1000, batch_timeout_micros=1000) as bench:
        bench.gate.set()
        assert values_of(bench.send(1)) == [1]


def test_when_the_time_of_every_request_ran_out_in_the_queue():
    with Bench(max_batch_size=4) as bench:
        bench.plug()
        tasks = [bench.send(1, deadline=1.0), bench.send(2, deadline=2.0)]
        bench.gate.set()
        for task in tasks:
            with pytest.raises(ServableError) as late:
                task.result()
            assert (late.value.code, late.value.message) == (
                CODE.RESOURCE_EXHAUSTED,
                "Run() timeout exceeded while waiting in batching queue",
            )
        assert len(bench.runs) == 1, "the batch must not run"


@pytest.mark.parametrize(("deadline", "unlimited"), [(None, True), (1e12, False)])
def test_a_batch_has_the_time_of_its_most_patient_request(deadline, unlimited):
    with Bench(max_batch_size=4) as bench:
        bench.plug()
        tasks = [bench.send(1, deadline=1.0), bench.send(2, deadline=deadline)]
        bench.gate.set()
        assert [values_of(task) for task in tasks] == [[1], [2]]
        assert bench.timeouts[1] is None if unlimited else bench.timeouts[1] > 1e10


def test_a_failed_batch_fails_its_requests_and_nobody_else():
    def answer(values):
        if 13 in values:
            raise ZeroDivisionError("thirteen")
        return values

    with Bench(answer=answer, max_batch_size=2) as bench:
        bench.plug()
        tasks = [bench.send(number) for number in (12, 13, 14)]
        bench.gate.set()
        for task in tasks[:2]:
            with pytest.raises(ServableError, match="ZeroDivisionError: thirteen") as failed:
                task.result()
            assert failed.value.code is CODE.INTERNAL
        assert values_of(tasks[2]) == [14]


def test_the_depth_of_the_queue_is_shown():
    with Bench(max_batch_size=2) as bench:
        bench.plug()
        tasks = [bench.send(1), bench.send(2), bench.send(3), bench.send(4, priority=BULK)]
        shown = 'queue_depth{model_name="bench",version="1",signature_name="s",priority='
        assert f'{shown}"live"}} 3\n' in metrics.page()
        assert f'{shown}"bulk"}} 1\n' in metrics.page()
        bench.gate.set()
        for task in tasks:
            task.result()
        assert f'{shown}"live"}} 0\n' in metrics.page()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "Batching Run() must have at least one input tensor"),
        ({"a": np.zeros(())}, "Batching Run() input tensors must have at least one dimension"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_what_has_no_number_of_rows_is_refused(inputs, message):
    with pytest.raises(ServableError) as refused:
        Task(inputs, None)
    assert (refused.value.code, refused.value.message) == (CODE.INVALID_ARGUMENT, message)


@given(
    requests=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(Priority)), min_size=1, max_size=60),
    threads=st.integers(1, 4),
    size=st.integers(1, 9),
    splitting=st.booleans(),
    micros=st.sampled_from([0, 0, 100]),
)
def test_nothing_is_lost_or_mixed_up_between_callers(requests, threads, size, splitting, micros):
    options = {"max_batch_size": 9, "max_enqueued_batches": 1000, "batch_timeout_micros": micros}
    if splitting:
        options |= {"max_execution_batch_size": size, "enable_large_batch_splitting": True}
    answers = {}
    with Bench(threads, answer=lambda values: values * 2, **options) as bench:
        bench.gate.set()

        def call(number, rows, priority):
            values = np.arange(rows) + 1000 * number
            answers[number] = bench.queue.run({"x": values}, timeout=None, priority=priority)["y"], values

        callers = [threading.Thread(target=call, args=(n, *request)) for n, request in enumerate(requests)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(DEADLINE)
        assert len(answers) == len(requests)
        for answer, values in answers.values():
            np.testing.assert_array_equal(answer, values * 2)
        for run in bench.runs:
            assert sum(map(len, run)) <= (size if splitting else 9)
        assert sum(len(part) for run in bench.runs for part in run) == sum(rows for rows, _ in requests)
