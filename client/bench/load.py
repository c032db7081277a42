"""Load for a model server: calls in flight against frames a second, and where the time goes.

A closed loop, as `client classify` is one: so many calls are in flight at any time, the next starts when one ends.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.bench.frames import Ready, Supply
from serving.protocol.connection import Connection
from serving.protocol.errors import ServerError, ServingError

FEWEST_FOR_P99 = 100
_ERRORS_IN_A_ROW = 20
_WARM_UP_SHARE, _WARM_UP_SECONDS = 0.25, 2.0
_STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one combination of calls in flight and batch size gave.

    Attributes:
        concurrency: Calls in flight.
        batch: Frames a call.
        seconds: Length of the measurement, warm-up excluded.
        calls: Calls answered in that time.
        frames: Frames answered in that time.
        latencies: Seconds from sending to the answer, of each such call.
        decode: Seconds of one core to decode a batch, mean; None with synthetic frames.
        queue: Seconds a decoded batch waited for its turn, mean; None with synthetic frames.
        errors: Calls that failed in that time, by gRPC code.
        client_cores: Processor seconds of this process a second.
        stopped: Why it was cut short, or empty.
    """

    concurrency: int
    batch: int
    seconds: float
    calls: int
    frames: int
    latencies: NDArray[np.float64]
    decode: float | None
    queue: float | None
    errors: dict[str, int] = field(default_factory=dict)
    client_cores: float = 0.0
    stopped: str = ""

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def percentile(self, percent: float) -> float | None:
        """Gives a percentile of the latencies in seconds; None where the calls are too few to tell."""
        if not len(self.latencies) or (percent > 95 and len(self.latencies) < FEWEST_FOR_P99):
            return None
        return float(np.percentile(self.latencies, percent))


@dataclass(slots=True)
class _Call:
    """One call on its way; times by `time.perf_counter`, in seconds."""

    batch: Ready
    sent: float
    handle: Any = None
    answered: float = 0.0


class _Tally:
    """Counts answers."""

    def __init__(self) -> None:
        self.frames = 0
        self.latencies: list[float] = []
        self.decoded: list[float] = []
        self.queued: list[float] = []
        self.errors: Counter[str] = Counter()

    @property
    def answers(self) -> int:
        return len(self.latencies) + self.errors.total()

    def add(self, call: _Call, code: str) -> None:
        if code:
            self.errors[code] += 1
            return
        self.frames += len(call.batch.images)
        self.latencies.append(call.answered - call.sent)
        if call.batch.decode_seconds is not None:
            self.decoded.append(call.batch.decode_seconds)
            self.queued.append(call.sent - call.batch.ready)


class Load:
    """Keeps calls in flight.

    Args:
        connection: To the server; it must not send calls again by itself, or errors hide in latencies.
        signature: Which to call.
        outputs: Which outputs to ask for.
    """

    def __init__(self, connection: Connection, signature: str, outputs: Sequence[str]) -> None:
        self._connection = connection
        self._signature = signature
        self._outputs = tuple(outputs)
        self._answers: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ends the measurement that runs. Safe in a signal handler."""
        self._stop.set()
        self._answers.put(None)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()

    def measure(
        self, supply: Supply, concurrency: int, seconds: float, tick: Callable[[int], None] = lambda _: None
    ) -> Measured:
        """Measures one combination.

        Args:
            supply: Of batches.
            concurrency: Calls in flight.
            seconds: How long, after a warm-up of a quarter of that, at most 2 s, and of at least one answer.
            tick: Called with the frames of every answer.

        Raises:
            ConfigError: The supply has not one frame.
        """
        warm_up = min(_WARM_UP_SHARE * seconds, _WARM_UP_SECONDS)
        tally, measuring, stopped = _Tally(), False, ""
        in_flight = in_a_row = 0
        begun, processor = time.perf_counter(), time.process_time()
        while not stopped and not self.stopped:
            now = time.perf_counter()
            if not measuring and now - begun >= warm_up and tally.answers:
                measuring, tally = True, _Tally()
                begun, processor = now, time.process_time()
            elif measuring and now - begun >= seconds:
                break
            while in_flight < concurrency:
                self._send(supply.take())
                in_flight += 1
            call = self._next()
            if call is None:
                stopped = "" if self.stopped else f"no answer within {_STALLED_SECONDS:g} s"
                break
            in_flight -= 1
            code = self._outcome(call)
            tally.add(call, code)
            in_a_row = in_a_row + 1 if code else 0
            if in_a_row >= _ERRORS_IN_A_ROW:
                stopped = f"{in_a_row} errors in a row"
            tick(0 if code else len(call.batch.images))
        # Both are as of the last answer: what is still in flight counts for nothing.
        length, used = time.perf_counter() - begun, time.process_time() - processor
        while in_flight and self._next() is not None:  # the next combination must not meet calls of this one
            in_flight -= 1
        return Measured(
            concurrency=concurrency,
            batch=supply.batch,
            seconds=length,
            calls=len(tally.latencies),
            frames=tally.frames,
            latencies=np.array(tally.latencies),
            decode=float(np.mean(tally.decoded)) if tally.decoded else None,
            queue=float(np.mean(tally.queued)) if tally.queued else None,
            errors=dict(tally.errors),
            client_cores=used / length if length > 0 else 0.0,
            stopped=stopped,
        )

    def _send(self, batch: Ready) -> None:
        call = _Call(batch, time.perf_counter())

        def answered() -> None:
            call.answered = time.perf_counter()
            self._answers.put(call)

        call.handle = self._connection.send(self._signature, batch.images, outputs=self._outputs, done=answered)

    def _next(self) -> _Call | None:
        try:
            return self._answers.get(timeout=_STALLED_SECONDS)
        except queue.Empty:
            return None

    def _outcome(self, call: _Call) -> str:
        """Gives the code of a call's error, empty for a good answer."""
        try:
            self._connection.result(call.handle, self._signature, len(call.batch.images), self._outputs)
        except ServerError as error:
            return error.code
        except ServingError as error:
            return type(error).__name__
        return ""


def sweep(
    load: Load,
    supplies: Sequence[Supply],
    concurrencies: Sequence[int],
    seconds: float,
    tick: Callable[[int], None] = lambda _: None,
) -> Iterator[Measured]:
    """Measures every combination, and stops between them when asked to."""
    for supply in supplies:
        for concurrency in concurrencies:
            if load.stopped:
                return
            with supply:
                yield load.measure(supply, concurrency, seconds, tick)


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0))
