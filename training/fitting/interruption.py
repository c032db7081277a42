"""Interruption: what a run does when it is told to stop.

Kubernetes sends SIGTERM before it takes a node away, and a person presses Ctrl-C. While weights are learned the run
stops after the step it is in, and the checkpoint of the last finished epoch holds; at any other time it stops at
once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.errors import Interrupted

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Whether a run was told to stop."""

    def __init__(self) -> None:
        self._told = False
        self._waits = False

    def told(self) -> bool:
        """Tells whether the run was told to stop."""
        return self._told

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While inside, being told to stop is only noted; who works there asks `told`."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self._told:
            raise Interrupted("Told to stop; the same command with the same --name goes on where this one was")

    def listen_again(self) -> None:
        """Takes the signals back from a library that has claimed them meanwhile, as TensorFlow does with SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                signal.signal(number, self._answer)

    def _answer(self, number: int, _: FrameType | None) -> None:
        again, self._told = self._told, True
        # Whoever presses Ctrl-C twice means it.
        if not self._waits or (again and number == signal.SIGINT):
            raise Interrupted("Told to stop; the same command with the same --name goes on where this one was")


@contextmanager
def listening() -> Iterator[Interruption]:
    """Listens to SIGTERM and Ctrl-C while inside; elsewhere than in the main thread, to nothing."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = [signal.signal(number, interruption._answer) for number in _NUMBERS]
    try:
        yield interruption
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)
