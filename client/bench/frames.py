"""Batches for `client bench`: synthetic ones made beforehand, or real frames decoded as `classify` decodes them."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from client.errors import ConfigError
from client.sources import Source, find_frames
from radar.errors import FrameError
from radar.frames import FrameRule, Picture

_DIFFERENT = 4  # synthetic batches: enough that no cache on the way answers, few enough for memory
_AHEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch to be sent.

    Attributes:
        images: uint8 RGB, shape (N, H, W, 3).
        ready: When it was complete, by `time.perf_counter`.
        decode_seconds: What decoding took, summed over its frames; None for synthetic ones.
    """

    images: Picture
    ready: float
    decode_seconds: float | None


class Supply:
    """Synthetic batches: random pixels, which cost a server as much as any.

    Args:
        rule: Size of the model's input.
        batch: Frames a batch.

    Attributes:
        batch: See above.
        bad: Names of frames that could not be decoded; they are left out.
    """

    def __init__(self, rule: FrameRule, batch: int) -> None:
        self.batch = batch
        self.bad: set[str] = set()
        self._rule = rule
        self._made: Iterator[Picture] = iter(())

    def __enter__(self) -> Self:
        rng = np.random.default_rng(self.batch)
        shape = (self.batch, self._rule.height, self._rule.width, 3)
        self._made = itertools.cycle([rng.integers(0, 256, shape, np.uint8) for _ in range(_DIFFERENT)])
        return self

    def __exit__(self, *_: object) -> None:
        self._made = iter(())

    def take(self) -> Ready:
        """Gives a batch."""
        return Ready(next(self._made), time.perf_counter(), None)


class DecodedSupply(Supply):
    """Batches of real frames, over and over, decoded by a pool of threads while calls are in flight.

    Args:
        rule: The model's preprocessing.
        batch: Frames a batch.
        folder: Where the frames are.
        names: Their names.
        load: How a path becomes a picture; raises FrameError.
        threads: Decode threads.
    """

    def __init__(
        self,
        rule: FrameRule,
        batch: int,
        *,
        folder: Path,
        names: Sequence[str],
        load: Callable[[str, FrameRule], Picture],
        threads: int,
    ) -> None:
        super().__init__(rule, batch)
        self._folder, self._names, self._load, self._threads = folder, names, load, threads
        self._stop = threading.Event()
        self._ready: queue.Queue[Ready | Exception] = queue.Queue()

    def __enter__(self) -> Self:
        rule = self._rule
        ahead = max(2, min(8, _AHEAD_BYTES // (self.batch * rule.height * rule.width * 3)))
        self._stop = threading.Event()
        self._ready = queue.Queue(ahead)
        self._thread = threading.Thread(target=self._fill, args=(self._stop, self._ready), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.1)  # it may wait for room
            except queue.Empty:
                continue

    def take(self) -> Ready:
        """Gives the next batch; waits until it is decoded.

        Raises:
            ConfigError: Not one frame of the folder can be decoded.
        """
        batch = self._ready.get()
        if isinstance(batch, Exception):
            raise batch
        return batch

    def _fill(self, stop: threading.Event, ready: queue.Queue[Ready | Exception]) -> None:
        names = itertools.cycle(self._names)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="decode") as pool:
            waiting: list[Future[tuple[Picture | None, float]]] = []
            images: list[Picture] = []
            spent = 0.0
            try:
                while not stop.is_set():
                    while len(waiting) < 4 * self._threads:
                        waiting.append(pool.submit(self._decode, next(names)))
                    picture, seconds = waiting.pop(0).result()
                    if picture is None:
                        if len(self.bad) >= len(self._names):
                            raise ConfigError(f"--frames {self._folder}: not one frame can be decoded")
                        continue
                    images.append(picture)
                    spent += seconds
                    if len(images) == self.batch:
                        ready.put(Ready(np.stack(images), time.perf_counter(), spent))
                        images, spent = [], 0.0
            except Exception as error:  # a fault of ours must not leave the sender waiting for ever
                ready.put(error)
            for future in waiting:
                future.cancel()

    def _decode(self, name: str) -> tuple[Picture | None, float]:
        began = time.thread_time()
        try:
            return self._load(os.fspath(self._folder / name), self._rule), time.thread_time() - began
        except FrameError:
            self.bad.add(name)
            return None, 0.0


@dataclass(frozen=True, slots=True)
class Supplies:
    """Supplies of several batch sizes.

    Attributes:
        batches: One a size.
        names: Names of the real frames; none for synthetic ones.
    """

    batches: tuple[Supply, ...]
    names: tuple[str, ...] = ()

    @property
    def bad(self) -> int:
        """Number of frames that could not be decoded."""
        return max((len(supply.bad) for supply in self.batches), default=0)


def supplies(rule: FrameRule, sizes: Sequence[int], *, folder: Path | None, threads: int) -> Supplies:
    """Makes a supply for every batch size.

    Args:
        rule: The model's preprocessing.
        sizes: Frames a batch.
        folder: Real frames; None makes synthetic ones.
        threads: Decode threads.

    Raises:
        ArchiveError: There is no such folder.
        ConfigError: It holds no frames.
    """
    if folder is None:
        return Supplies(tuple(Supply(rule, size) for size in sizes))
    place, names = (folder.parent, [folder.name]) if folder.is_file() else (folder, find_frames(folder).names)
    load = Source().load
    batches = (DecodedSupply(rule, size, folder=place, names=names, load=load, threads=threads) for size in sizes)
    return Supplies(tuple(batches), tuple(names))
