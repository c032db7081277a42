"""The job that sums the heat maps of a season up, a day at a time.

All frames go through one stream (`serving.protocol.pipeline`), in the order of days: batches are full, several are
in flight, and pictures are decoded meanwhile. When the last frame of a day is through, its sums are written in one
transaction. A day whose frames are the same as the last time is left as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from radar.errors import FrameError
from radar.frame_pictures import undecorated, undecorated_rule
from radar.frames import FrameRule, Picture, prepare
from radar.heat_map_means import HeatMapMeans
from radar.heat_maps import coarse_echo, has_echo
from serving.protocol.batches import Prediction
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.errors import Interrupted, ServerError, ServerUnavailable
from serving.protocol.pipeline import Classifier
from serving.sidecar.archive import Archive
from serving.sidecar.errors import Conflict, NotFound
from serving.sidecar.jobs import Control
from serving.sidecar.model_server import ModelServer
from serving.sidecar.store import heat_sums as store
from serving.sidecar.store.database import Database
from serving.sidecar.store.seasons import Series, find_series

KIND = "heat_maps"
ECHO_CELLS = 100  # longer side of the mean echo; a picture of 400 pixels has 16 of them in a cell
_OUTAGE = 3.0  # seconds without a server after which the job says that it waits
_NOT_HOSTED = 60.0  # a server that starts says for a while that it hosts nothing

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Day:
    """Frames of one day.

    Attributes:
        day: Since 1970, UTC.
        frames: In the order of time.
    """

    day: int
    frames: tuple[store.Frame, ...]

    @property
    def fingerprint(self) -> str:
        """Changes with the frames and their contents."""
        told = repr([(one.id, one.revision, one.sha256, one.mode) for one in self.frames])
        return hashlib.sha256(told.encode()).hexdigest()


class HeatMapJob:
    """Sums heat maps up.

    Args:
        database: Where frames are known, and sums are kept.
        archive: Where frames lie.
        model_server: Who makes heat maps.
        threads: That decode; None means one a core.
    """

    def __init__(
        self, database: Database, archive: Archive, model_server: ModelServer, *, threads: int | None = None
    ) -> None:
        self._database, self._archive, self._model_server = database, archive, model_server
        self._threads = threads

    def __call__(self, control: Control) -> None:
        """Does a job.

        Raises:
            Ended: It is to end; days that are through stay.
            SidecarError, ServingError: It cannot be done.
        """
        request = control.job.request
        if not self._archive.is_named:
            self._archive.check()  # says what to do; nobody is to wait for it
        series, days = control.patiently(lambda: self._plan(control, request))
        control.patiently(lambda: self._archive.folder_of(series.season))
        if not days:
            return
        served = _ask(control, lambda: self._model_server.served(series.version))
        run = _Run(control, self._archive, served, series, request["method"], days)
        with self._model_server.bulk_connection(series.version) as connection:
            _ask(control, lambda: self._stream(control, connection, run))

    def _stream(self, control: Control, connection: Connection, run: _Run) -> None:
        """Sends the frames that are left through the model once, as far as it gets."""
        classifier = Classifier(
            connection,
            run.card,
            threads=self._threads,
            patience=_OUTAGE,
            heat_maps=(run.method,),
            load=run.load,
        )
        with control.ending(classifier.stop):
            run.go(classifier)

    def _plan(self, control: Control, request: dict[str, Any]) -> tuple[Series, list[Day]]:
        """Finds out which days are to be done."""
        method = request["method"]
        with self._database.reading() as connection:
            series = find_series(connection, request["season"], request["version"], request["model"])
            frames = store.frames_of(connection, series)
            kept = store.kept_days(connection, series, method)
        days = [Day(day, tuple(some)) for day, some in itertools.groupby(frames, lambda one: one.day)]
        # Days with bad frames are tried again, but not twice by one job.
        fresh = {
            one.day
            for one in days
            if (before := kept.get(one.day)) is not None
            and before.fingerprint == one.fingerprint
            and (before.failed == 0 or before.made >= control.job.created)
        }
        if gone := sorted(set(kept) - {one.day for one in days}):
            with control.writing() as connection:
                store.drop_days(connection, series, method, gone)
        control.total = len(frames)
        control.done = sum(len(one.frames) for one in days if one.day in fresh)
        return series, [one for one in days if one.day not in fresh]


class _Run:
    """The frames of the days that are left, on their way through the model."""

    def __init__(
        self, control: Control, archive: Archive, served: ServedModel, series: Series, method: str, days: list[Day]
    ) -> None:
        card = served.card
        if set(series.codes) != set(card.codes):
            raise Conflict(
                f"{series.season}: expected frames of the modes {', '.join(card.codes)}, as version {series.version} "
                f"that is hosted has them; those recorded of that version have {', '.join(series.codes)}"
            )
        self.card, self.method = card, method
        self._control, self._archive, self._series = control, archive, series
        self._shape = len(card.modes), card.heat_map.height, card.heat_map.width
        self._modes = np.array([card.codes.index(code) for code in series.codes])
        self._days = days
        self._folder = Path(series.season)
        self._echo: dict[str, NDArray[np.float16]] = {}  # of frames on their way

    def load(self, path: str, rule: FrameRule) -> Picture:
        """Reads a frame for the model, and notes where it has echo."""
        name = path.removeprefix(f"{self._folder}/")
        try:
            shown = undecorated(self._archive.picture(self._series.season, name, rule), rule)
        except NotFound as error:
            raise FrameError(str(error)) from error
        picture = prepare(shown, undecorated_rule(rule))
        # Half precision is exact for cells of 2^n pixels, and as good as that for all others.
        self._echo[path] = coarse_echo(has_echo(shown, rule.no_echo), ECHO_CELLS).astype(np.float16)
        return picture

    def go(self, classifier: Classifier) -> None:
        """Does the days that are left; what is through is not done again after an exception."""
        self._echo.clear()
        control = self._control
        names = [frame.name for day in self._days for frame in day.frames]
        sums = _Sums(self._shape)
        try:
            for predictions in classifier.run(self._folder, names):
                control.check()
                while predictions:
                    day = self._days[0]
                    room = len(day.frames) - sums.taken
                    some, predictions = predictions[:room], predictions[room:]
                    self._take(sums, day.frames[sums.taken : sums.taken + len(some)], some)
                    control.done += len(some)
                    control.advance(len(some))
                    if sums.taken == len(day.frames):
                        self._keep(day, sums)
                        sums = _Sums(self._shape)
        except Interrupted:
            control.check()
            raise
        finally:  # what was taken of an unfinished day is thrown away
            control.done = control.total - sum(len(one.frames) for one in self._days)

    def _take(self, sums: _Sums, frames: Sequence[store.Frame], predictions: Sequence[Prediction]) -> None:
        good, modes = [], []
        for frame, prediction in zip(frames, predictions, strict=True):
            echo = self._echo.pop(f"{self._folder}/{frame.name}", None)
            if prediction.probabilities is None or echo is None:
                sums.failures.append((frame.name, prediction.error))
                continue
            mode = int(self._modes[frame.mode])
            sums.means.add_echo(echo.astype(np.float32), mode)
            good.append(prediction.heat_maps[self.method])
            modes.append(mode)
        if good:
            sums.means.add(np.stack(good), np.array(modes))
        sums.taken += len(frames)

    def _keep(self, day: Day, sums: _Sums) -> None:
        def write() -> None:
            with self._control.writing() as connection:
                store.keep_day(
                    connection,
                    self._series,
                    self.method,
                    day.day,
                    sums.means,
                    failed=len(sums.failures),
                    fingerprint=day.fingerprint,
                )

        for name, reason in sums.failures:
            self._control.fail(name, reason)
        self._control.patiently(write)
        del self._days[0]


class _Sums:
    """Of one day, as far as its frames are through."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.means = HeatMapMeans(shape)
        self.failures: list[tuple[str, str]] = []
        self.taken = 0


def _ask(control: Control, work: Callable[[], _Result]) -> _Result:
    """Does something with the model server, and again as long as it is away."""
    tries, done, absent_since = 0, control.done, None
    while True:
        try:
            return control.patiently(work)
        except (ServerError, NotFound) as error:
            if control.done > done:
                tries, done, absent_since = 0, control.done, None
            if isinstance(error, ServerUnavailable):
                absent_since = None
            elif isinstance(error, NotFound) or error.code == "NOT_FOUND":
                absent_since = absent_since or time.monotonic()
                if time.monotonic() - absent_since > _NOT_HOSTED:
                    raise
            else:
                raise
            first = str(error).splitlines()[0]
            control.wait(f"model server: {first}", tries)
            tries += 1
