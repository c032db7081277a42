"""How `client watch` classifies: with whatever version the server hosts, each file known by its content."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.errors import Interrupted
from client.results.rows import Row
from client.sources import Source
from client.watch.folder import Arrival
from client.watch.state import Before
from radar.errors import FrameError
from radar.frames import FrameRule, Picture
from radar.seasons import format_utc
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.errors import ServerError, ServerUnavailable
from serving.protocol.pipeline import NOT_FINITE, REFUSED, Classifier, Prediction

_ASK_SECONDS = 60.0  # how often the server is asked whether it has a new version
_PATIENCE = 2.0  # with a server that is away; the loop has more of it

_AT_ONCE_BYTES = 1 << 24  # in pieces it takes twice as long, and a frame is small

_UNREADABLE = "cannot be read"
_FAULT = "cannot be decoded, through a fault of this program"
_TRY_AGAIN = (REFUSED, NOT_FINITE, _UNREADABLE, _FAULT, "was written to while it was read")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a file.

    Attributes:
        arrival: The file.
        sha256: Of its content; empty if it could not be read.
        row: What is to be recorded; None if its content is what was recorded before.
        codes: Of the modes, in the order of the row's probabilities.
        final: Whether another attempt at the same content would give the same.
    """

    arrival: Arrival
    sha256: str
    row: Row | None
    codes: tuple[str, ...]
    final: bool


class _Unchanged(FrameError):  # noqa: N818
    """The content is what was recorded before: nothing to decode."""


class Worker:
    """Classifies the files of one folder.

    Args:
        connection: Where the model is.
        folder: Where the files are.
        source: Reads frames.
        threads: Decode threads; None means one a core.
        clock: Monotonic seconds.

    Attributes:
        served: What the server hosts, as far as is known.
    """

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        source: Source,
        *,
        threads: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.served: ServedModel | None = None
        self._connection = connection
        self._folder = folder
        self._source = source
        self._threads = threads
        self._clock = clock
        self._asked = 0.0
        self._classifier: Classifier | None = None

    def stop(self) -> None:
        """Asks a run to end after what is in flight. Safe in a signal handler."""
        if self._classifier is not None:
            self._classifier.stop()

    def ask(self) -> ServedModel:
        """Asks the server what it hosts, now and then; a new version is taken at once.

        Raises:
            ServingError: It gives no answer that can be used.
        """
        if self.served is not None and self._clock() - self._asked < _ASK_SECONDS:
            return self.served
        self._connection.version = None
        served = self._connection.describe()
        if self.served is None or served.version != self.served.version:
            card = served.card
            _log.info("model %s version %d, modes %s", card.model, served.version, " ".join(card.codes))
        self._connection.version = served.version
        self.served, self._asked = served, self._clock()
        return served

    def run(self, arrivals: Sequence[Arrival], before: Mapping[str, Before]) -> Iterator[list[Answer]]:
        """Classifies files.

        Args:
            arrivals: The files.
            before: What was recorded of them earlier, by name.

        Yields:
            What came of them, in their order. Fewer than all if `stop` was called, or if the server took another
            version meanwhile.

        Raises:
            ServingError: The server is away, or cannot be used.
        """
        served = self.ask()
        reader = _Reader(self._folder, self._source, before)
        by_name = {arrival.name: arrival for arrival in arrivals}
        classifier = Classifier(
            self._connection, served.card, threads=self._threads, patience=_PATIENCE, load=reader.load
        )
        self._classifier = classifier
        try:
            for predictions in classifier.run(self._folder, list(by_name)):
                yield [reader.answer(by_name[p.name], p, served) for p in predictions]
        except Interrupted:
            pass
        except ServerUnavailable:
            raise
        except ServerError:
            # Most likely the version was replaced: its successor gets the rest with the next look.
            self._asked = -_ASK_SECONDS
            if self.ask().version == served.version:
                raise
        finally:
            self._classifier = None


class _Reader:
    """Reads frames for one run, and turns what comes of them into rows."""

    def __init__(self, folder: Path, source: Source, before: Mapping[str, Before]) -> None:
        self._prefix = f"{folder}/"
        self._source = source
        self._before = before
        self._digests: dict[str, str] = {}  # of frames on their way through the pipeline, and of no others

    def load(self, path: str, rule: FrameRule) -> Picture:
        """Reads and prepares one frame; fit for many threads."""
        name = path.removeprefix(self._prefix)
        try:
            digest = _digest(path)
        except OSError as error:
            raise FrameError(f"{_UNREADABLE}: {error.strerror or error}") from error
        self._digests[name] = digest
        before = self._before.get(name)
        if before is not None and before.final and before.sha256 == digest:
            raise _Unchanged
        try:
            return self._source.load(path, rule)
        except FrameError:
            raise
        except Exception as error:  # one file must not end a program that runs for a winter, and each restart of it
            raise FrameError(f"{_FAULT}: {type(error).__name__}: {error}") from error

    def answer(self, arrival: Arrival, prediction: Prediction, served: ServedModel) -> Answer:
        """Takes what came of a frame."""
        digest = self._digests.pop(arrival.name, "")
        moment = self._source.take_time(self._prefix + arrival.name)
        before = self._before.get(arrival.name)
        if prediction.probabilities is None and before is not None and before.final and before.sha256 == digest:
            return Answer(arrival, digest, None, (), final=True)
        time_utc = arrival.time_utc if moment is None else format_utc(moment)
        row = _row(prediction, time_utc, served)
        return Answer(arrival, digest, row, served.card.codes, final=not row.error.startswith(_TRY_AGAIN))


def _digest(path: str) -> str:
    with Path(path).open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < _AT_ONCE_BYTES:
            return hashlib.sha256(file.read()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def _row(prediction: Prediction, time_utc: str, served: ServedModel) -> Row:
    p, card = prediction.probabilities, served.card
    if p is None:
        return Row(prediction.name, time_utc, "", (), None, False, served.version, prediction.error)
    values = p.astype(np.float64).tolist()
    largest = max(values)
    return Row(
        file=prediction.name,
        time_utc=time_utc,
        label=card.codes[values.index(largest)],
        probabilities=tuple(values),
        entropy=-sum(value * math.log(max(value, 1e-12)) for value in values),
        accepted=largest >= card.rejection_threshold,
        model_version=served.version,
        error="",
    )
