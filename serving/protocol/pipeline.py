"""The streaming client: a folder of frames goes in, ordered predictions come out, memory stays flat.

Stages, each bounded: names -> decode pool (one thread a core) -> batches (about 1 MB) -> a window of gRPC calls
in flight -> predictions in the order of the names.

One coordinator (the caller's thread) owns all state. Decode threads and gRPC's threads only put events on its queue,
so there are no locks.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from radar import frames
from radar.errors import FrameError
from radar.frames import FrameRule, Picture
from serving.protocol.batches import NOT_FINITE, Batch, Cut, Part, Prediction
from serving.protocol.connection import Arrays, Connection
from serving.protocol.contract import CLASSIFY, EXPLAIN, GRADCAM, HIRESCAM, PROBABILITIES, ModelCard
from serving.protocol.errors import (
    ContractError,
    Interrupted,
    RequestRefused,
    ServerError,
    ServerUnavailable,
    VersionMissing,
)

__all__ = ["NOT_FINITE", "REFUSED", "Classifier", "Prediction", "Progress"]

BATCH_BYTES = 1 << 20
ANSWER_BYTES = 1 << 22  # gRPC's own limit for answers; ours is higher, a proxy's on the way may not be
MAX_BATCH = 512
REFUSED = "was refused by the server"
CHUNK = 16  # frames a decode task: long enough to hide the cost of a task, short enough to keep two cores even
FIRST_BATCHES = (8, 32, 96)  # the first answers come early, then batches grow
CALLS_A_SERVER = 2  # one is worked on, the next one is on its way
FEWEST_CALLS = 3  # in flight when servers are overloaded, and with one server always
MOST_CALLS = 32  # however many servers there are: each call holds some 3 MB here
READ_AHEAD = 3  # batches decoded or being decoded beyond the window
FEWEST_TRIES = 4  # of several servers one may hang, and each try with it takes as long as a call may at the most
REFUSED_LIMIT = 32  # so many frames refused alone or answered without finite numbers, and none well between
TOO_MUCH = "RESOURCE_EXHAUSTED"  # servers say so when they are busy, and of a batch they have no memory for
MOST_HALVINGS = 4  # in case it is the latter: of 341 frames to 21; more would be calls without end


@dataclass(slots=True)
class Progress:
    """Numbers for a progress display; read them at any time.

    Attributes:
        decoded: Frames decoded.
        classified: Frames answered.
        failed: Frames that could not be classified.
        in_flight: Calls the server is working on.
        window: How many calls may be in flight.
        retries: Batches sent again after a transient failure.
    """

    decoded: int = 0
    classified: int = 0
    failed: int = 0
    in_flight: int = 0
    window: int = FEWEST_CALLS
    retries: int = 0


class Classifier:
    """Streams frames through a model server.

    Args:
        connection: Where the model is.
        card: What it said of itself.
        threads: Decode threads; None means one a core.
        servers: How many share the calls. Each of them is kept busy, unless too few of them are there to bear it.
        patience: Seconds to wait for a server that went away, or for one of several that has the version of this
            run, before the run stops.
        heat_maps: Which heat maps to ask for, ``"gradcam"`` or ``"hirescam"``; none by default.
        load: How a path becomes the model's input; raises FrameError for a frame that cannot be used.

    Raises:
        ValueError: There is no such heat map.

    Example:
        >>> classifier = Classifier(connection, connection.describe().card)  # doctest: +SKIP
        >>> for prediction in classifier.run(folder, names): ...  # doctest: +SKIP
    """

    def __init__(
        self,
        connection: Connection,
        card: ModelCard,
        *,
        threads: int | None = None,
        servers: int = 1,
        patience: float = 30.0,
        heat_maps: Sequence[str] = (),
        load: Callable[[str, FrameRule], Picture] | None = None,
    ) -> None:
        if unknown := set(heat_maps) - {GRADCAM, HIRESCAM}:
            raise ValueError(f"heat_maps: expected {GRADCAM} or {HIRESCAM}, received: {', '.join(sorted(unknown))}")
        self._most_calls = min(max(CALLS_A_SERVER * servers, FEWEST_CALLS), MOST_CALLS)
        self.progress = Progress(window=self._most_calls)
        self._connection = connection
        self._card = card
        self._rule = card.input.frame_rule()
        self._threads = threads or len(os.sched_getaffinity(0))
        self._patience = patience
        self._load = load or frames.load
        self._signature = EXPLAIN if heat_maps else CLASSIFY
        field = (len(card.modes), card.heat_map.height, card.heat_map.width)
        self._shapes: dict[str, tuple[int, ...]] = {PROBABILITIES: field[:1], **dict.fromkeys(heat_maps, field)}
        answer = 4 * sum(map(prod, self._shapes.values()))
        self._batch_size = max(1, min(MAX_BATCH, BATCH_BYTES // card.frame_bytes, ANSWER_BYTES // answer))
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._in_vain = 0  # frames in a row
        self._failure: Exception | None = None

    def stop(self) -> None:
        """Asks a run to drain: nothing new is started, what is in flight is finished. Safe in a signal handler."""
        self._stop.set()
        self._events.put(None)

    def run(self, folder: Path, names: Sequence[str]) -> Iterator[list[Prediction]]:
        """Classifies frames.

        Args:
            folder: Where they lie.
            names: Their names relative to it.

        Yields:
            Lists of predictions, in the order of the names. A frame that cannot be read, or that the server
            refuses, is in its place with the reason.

        Raises:
            ServerUnavailable: The server went away for longer than the patience allows.
            VersionMissing: No server had the version for as long.
            ServerError: The server cannot serve this model.
            ContractError: It refuses every frame, or answers nonsense.
            Interrupted: `stop` was called, and what was in flight has been yielded.
        """
        queued: deque[Batch] = deque()
        to_send: deque[Part] = deque()
        sizes = iter(FIRST_BATCHES)
        position = 0
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        try:
            while True:
                limit = self.progress.window + READ_AHEAD
                while position < len(names) and len(queued) < limit and not self._stop.is_set():
                    size = min(next(sizes, MAX_BATCH), self._batch_size)
                    batch = self._start_batch(pool, folder, names[position : position + size])
                    queued.append(batch)
                    position += len(batch.names)
                self._send_decoded(queued, to_send)
                while queued and queued[0].done:
                    yield self._finish(queued.popleft())
                if not queued and (position >= len(names) or self._stop.is_set()):
                    break
                if queued and not queued[0].done:
                    event = self._events.get()
                    if event is not None:
                        event()
                    if self._failure is not None:
                        raise self._failure
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if position < len(names):
            raise Interrupted(f"Stopped on request after {position:,} of {len(names):,} frames")

    def _start_batch(self, pool: ThreadPoolExecutor, folder: Path, names: Sequence[str]) -> Batch:
        shape = (len(names), self._rule.height, self._rule.width, 3)
        batch = Batch(names, np.empty(shape, np.uint8))
        starts = range(0, len(names), CHUNK)
        batch.chunks_left = len(starts)
        for start in starts:
            pool.submit(self._decode_chunk, batch, folder, start)
        return batch

    def _decode_chunk(self, batch: Batch, folder: Path, start: int) -> None:
        errors: dict[int, str] = {}
        stop = min(start + CHUNK, len(batch.names))
        try:
            for row in range(start, stop):
                try:
                    batch.images[row] = self._load(f"{folder}/{batch.names[row]}", self._rule)
                except FrameError as error:
                    errors[row] = str(error)
        except Exception as error:  # a fault of ours must not leave the coordinator waiting for ever
            failure = error
            self._events.put(lambda: self._fail(failure))
            return

        def decoded() -> None:
            batch.errors.update(errors)
            batch.chunks_left -= 1
            self.progress.decoded += stop - start

        self._events.put(decoded)

    def _send_decoded(self, queued: deque[Batch], to_send: deque[Part]) -> None:
        for batch in queued:
            if batch.parts_left == -1 and batch.decoded:
                batch.open(self._shapes)
                if batch.parts_left:
                    to_send.append(Part(batch, 0, len(batch.images)))
            elif batch.parts_left == -1:
                break
        while to_send and self.progress.in_flight < self.progress.window:
            self._send(to_send.popleft(), to_send)

    def _send(self, part: Part, to_send: deque[Part]) -> None:
        self.progress.in_flight += 1
        part.handle = self._connection.send(
            self._signature,
            part.batch.images[part.low : part.high],
            outputs=tuple(self._shapes),
            done=lambda: self._events.put(lambda: self._receive(part, to_send)),
        )

    def _receive(self, part: Part, to_send: deque[Part]) -> None:
        self.progress.in_flight -= 1
        try:
            answer = self._connection.result(part.handle, self._signature, len(part), tuple(self._shapes))
            self._check(answer, len(part))
        except (ServerUnavailable, VersionMissing) as error:
            self._send_later(part, to_send, error)
        except RequestRefused as error:
            self._bisect(part, to_send, error)
        except Exception as error:
            self._fail(error)
        else:
            if part.batch.store(part, answer):
                self._in_vain = 0
            else:
                self._count_in_vain(len(part), NOT_FINITE)
            self.progress.window = min(self.progress.window + 1, self._most_calls)
            if part.cut is not None:
                part.cut.accepted += 1
                if part.cut.accepted == 2:  # no frame was bad: the batch was too large for the server
                    self._batch_size = min(self._batch_size, part.cut.half)

    def _check(self, answer: Arrays, count: int) -> None:
        for name, shape in self._shapes.items():
            array = answer[name]
            if array.shape != (count, *shape) or array.dtype != np.float32:
                raise ContractError(
                    f"The model answers {name!r} with shape {array.shape} of {array.dtype}; expected "
                    f"{(count, *shape)} of float32 for the modes {', '.join(self._card.codes)}"
                )

    def _send_later(self, part: Part, to_send: deque[Part], error: ServerError) -> None:
        now = time.monotonic()
        part.unavailable_since = part.unavailable_since or now
        part.failures += 1
        slow = error.code == "DEADLINE_EXCEEDED" and part.failures < FEWEST_TRIES
        if (now - part.unavailable_since >= self._patience and not slow) or self._stop.is_set():
            self._fail(error)
            return
        self.progress.retries += 1
        if isinstance(error, ServerUnavailable):
            # The calls may have been meant for servers of which most are gone: those left would be late with all.
            self.progress.window = max(self.progress.window // 2, FEWEST_CALLS)
        waited = now - part.unavailable_since
        # Of several servers that change their version one after the other, the next one may have it: the call goes
        # to whoever is next in turn, and costs the one that has not next to nothing.
        pause = min(0.05 + waited / 8, 1.0) if isinstance(error, VersionMissing) else min(0.2 + waited / 2, 3.0)
        halve = error.code == TOO_MUCH and part.failures <= MOST_HALVINGS and len(part) > 1
        parts = part.halves() if halve else (part,)
        timer = threading.Timer(pause, lambda: self._events.put(lambda: to_send.extend(parts)))
        timer.daemon = True
        timer.start()

    def _bisect(self, part: Part, to_send: deque[Part], error: RequestRefused) -> None:
        """Cuts a refused batch down to the frame that is to blame."""
        part.unavailable_since, part.failures = 0.0, 0  # who refuses is there
        if len(part) > 1:
            to_send.extendleft(reversed(part.halves(Cut(half=len(part) // 2))))
            return
        reason = f"{REFUSED}: {error}"
        self._count_in_vain(1, reason)
        part.batch.refuse(part, reason)

    def _count_in_vain(self, frames: int, reason: str) -> None:
        """Ends the run when so many frames in a row came to nothing that they cannot be to blame."""
        self._in_vain += frames
        if self._in_vain >= REFUSED_LIMIT:
            self._fail(
                ContractError(
                    f"The server had no answer of use for {self._in_vain} frames in a row: each was refused alone, "
                    f"or answered with numbers that are not finite. The last {reason}"
                )
            )

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    def _finish(self, batch: Batch) -> list[Prediction]:
        predictions = batch.predictions()
        self.progress.failed += len(batch.errors)
        self.progress.classified += len(predictions) - len(batch.errors)
        return predictions
