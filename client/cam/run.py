"""`client cam`: pictures and numbers of heat maps, for frames and folders of frames."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.cam.folders import Group, check_out, claim, find_groups
from client.cam.means import write_means
from client.cam.numbers import Numbers
from client.cam.pictures import Kind, Painter, Scale, picture_name
from client.classify.folder import stopping
from client.display.console import Bar, Display
from client.errors import Interrupted, OutputError
from client.sources import Source
from radar import jma
from radar.errors import FrameError
from radar.heat_map_means import HeatMapMeans
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.contract import GRADCAM
from serving.protocol.embedded import PREFIX as EMBEDDED
from serving.protocol.embedded import server_at
from serving.protocol.errors import ServingError
from serving.protocol.pipeline import Classifier, Prediction
from serving.protocol.priority import Priority
from serving.protocol.targets import count_servers
from serving.protocol.tls import Tls

NUMBERS = "heat_maps.npz"
IN_HAND = 64  # frames being drawn or waiting for it

Painted = tuple[int, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Job:
    """What to draw, where to and how; see `client cam --help`."""

    inputs: tuple[Path, ...]
    server: str
    model: str
    out: Path
    tls: Tls | None = None
    kinds: tuple[Kind, ...] = (Kind.PANEL,)
    method: str = GRADCAM
    scale: Scale = Scale.FRAME
    numbers: bool = False
    means: bool = True
    recursive: bool = False
    overwrite: bool = False
    patience: float = 30.0
    threads: int | None = None
    window: jma.Window = jma.HOKUSHINETSU


@dataclass(slots=True)
class Outcome:
    """What became of the frames.

    Attributes:
        served: The model that answered.
        frames: How many there were.
        done: How many have their heat maps.
        pictures: How many pictures were written, sheets of means aside.
        by_mode: Frames by predicted mode, shape (K,).
        empty: Heat maps that are zero everywhere, by mode, shape (K,).
        failures: Frames that could not be done, with the reason.
        files: What was written beside the pictures.
        seconds: From the first frame to the last file.
    """

    served: ServedModel
    frames: int
    done: int = 0
    pictures: int = 0
    by_mode: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    empty: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    failures: list[tuple[str, str]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0


def run(job: Job, display: Display) -> Outcome:
    """Asks for heat maps and draws them.

    Args:
        job: What to do.
        display: Where progress is shown.

    Returns:
        Counts, failures, and the files written.

    Raises:
        SnowmodeError: One of its branches, each with what to do. Pictures drawn so far stay.
    """
    check_out(job.out)
    groups = find_groups(job.inputs, recursive=job.recursive)
    if job.server.startswith(EMBEDDED):
        display.say("Starting a model server for this run, which takes some seconds")
    with (
        server_at(job.server, model=job.model) as target,
        Connection(target, model=job.model, priority=Priority.BULK, tls=job.tls) as connection,
    ):
        served = connection.describe()
        connection.version = served.version
        card = served.card
        display.say(f"Model {card.model} version {served.version} at {target}: recipe {card.recipe}")
        try:
            with _Run(job, served, groups) as work:
                work.go(connection, display)
                return work.outcome
        except OSError as error:
            raise OutputError(
                f"{error.filename or job.out}: cannot be written: {error.strerror or error}. Make room and run the "
                "same command again; pictures drawn so far stay."
            ) from error


class _Run:
    """One run: what was asked for, and what has come of it so far."""

    def __init__(self, job: Job, served: ServedModel, groups: Sequence[Group]) -> None:
        self._job, self._groups = job, groups
        card = served.card
        self.outcome = Outcome(served, sum(len(group.names) for group in groups))
        self.outcome.by_mode = np.zeros(len(card.modes), np.int64)
        self.outcome.empty = np.zeros(len(card.modes), np.int64)
        self._painter = Painter(job.out, card, job.method, job.kinds, job.scale, window=job.window)
        shape = len(card.modes), card.heat_map.height, card.heat_map.width
        self._means = HeatMapMeans(shape) if job.means else None
        self._numbers: Numbers | None = None
        self._in_hand: deque[tuple[str, int, Future[Painted]]] = deque()
        self._stopped = False
        self._stack = ExitStack()

    def __enter__(self) -> _Run:
        job, served = self._job, self.outcome.served
        kind = {
            "model": job.model,
            "version": served.version,
            "method": job.method,
            "scale": str(job.scale),
            "window": str(job.window),
        }
        claim(job.out, kind, overwrite=job.overwrite)
        for folder in self._painter.folders():
            for group in self._groups:
                for inner in {name.rpartition("/")[0] for name in group.names}:
                    (folder / group.prefix / inner).mkdir(parents=True, exist_ok=True)
        # More threads than cores: some wait for the disk.
        threads = (job.threads or len(os.sched_getaffinity(0))) + 2
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="draw")
        self._stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        if job.numbers:
            self._numbers = Numbers(job.out / NUMBERS, served.card, job.method, served.version)
            self._stack.callback(self._numbers.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def go(self, connection: Connection, display: Display) -> None:
        """Does all the work."""
        job, outcome = self._job, self.outcome
        source = Source(job.window)
        classifier = Classifier(
            connection,
            outcome.served.card,
            threads=job.threads,
            servers=count_servers(connection.target),
            patience=job.patience,
            heat_maps=(job.method,),
            load=source.load,
        )

        def stop() -> None:
            self._stopped = True
            classifier.stop()

        started = time.perf_counter()
        with (
            stopping(stop, display),
            display.progress(outcome.frames, 0, classifier.progress) as bar,
        ):
            try:
                for group in self._groups:
                    for predictions in classifier.run(group.root, group.names):
                        self._take(group, predictions, bar)
                        for prediction in predictions:
                            source.take_time(f"{group.root}/{prediction.name}")
                self._collect(bar, leave=0)
            except (ServingError, Interrupted) as error:
                self._collect(bar, leave=0)
                error.add_note(f"{outcome.done:,} frames are drawn; there are no means yet, and no numbers.")
                raise
        if self._numbers is not None:
            outcome.files.append(self._numbers.finish())
        if self._means is not None and outcome.done:
            title = ", ".join(group.root.name for group in self._groups[:3])
            title += ", ..." if len(self._groups) > 3 else ""
            outcome.files += write_means(self._means, job.out, outcome.served, method=job.method, title=title)
        outcome.seconds = time.perf_counter() - started

    def _take(self, group: Group, predictions: Sequence[Prediction], bar: Bar) -> None:
        good = [p for p in predictions if p.probabilities is not None]
        for p in predictions:
            if p.probabilities is None:
                self.outcome.failures.append((group.prefix + p.name, p.error))
                bar.advance(1)
        if not good:
            return
        maps = np.stack([p.heat_maps[self._job.method] for p in good])
        table = np.stack([p.probabilities for p in good if p.probabilities is not None])
        self.outcome.by_mode += np.bincount(table.argmax(axis=1), minlength=table.shape[1])
        self.outcome.empty += (maps.max(axis=(2, 3)) <= 0).sum(axis=0)
        if self._means is not None:
            self._means.add(maps, table.argmax(axis=1))
        if self._numbers is not None:
            self._numbers.add(good, [group.prefix + p.name for p in good])
        if not self._job.kinds and self._means is None:
            self.outcome.done += len(good)
            bar.advance(len(good))
            return
        for p, winner in zip(good, table.argmax(axis=1).tolist(), strict=True):
            if self._stopped:  # what the server has answered may be a thousand pictures
                raise Interrupted(f"Stopped on request after {self.outcome.done:,} of {self.outcome.frames:,} frames")
            name = group.prefix + picture_name(p.name)
            future = self._pool.submit(self._painter.paint, f"{group.root}/{p.name}", name, p)
            self._in_hand.append((group.prefix + p.name, winner, future))
            self._collect(bar, leave=IN_HAND)

    def _collect(self, bar: Bar, *, leave: int) -> None:
        """Waits for the oldest pictures until not more than so many are in hand."""
        while len(self._in_hand) > leave:
            name, winner, future = self._in_hand.popleft()
            bar.advance(1)
            try:
                pictures, echo = future.result()
            except FrameError as error:  # it went away between being classified and being drawn
                self.outcome.failures.append((name, str(error)))
                continue
            self.outcome.done += 1
            self.outcome.pictures += pictures
            if self._means is not None:
                self._means.add_echo(echo, winner)
