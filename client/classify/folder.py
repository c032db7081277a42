"""One folder of frames in, one result file out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from client.classify.job import Outcome, Settings
from client.display.console import Display
from client.errors import Interrupted
from client.explain.maps import MapsFile
from client.results.file import ResultFile
from client.results.formats import NETCDF, write_formats
from client.results.rows import columns_for, read_results
from client.results.runs import Record, RunIdentity
from client.sources import Folder, Source
from client.tally import Clock, Tally, Timeline
from radar import jma
from radar.archive import Listing
from radar.errors import FrameError
from radar.seasons import format_utc
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.errors import ServerUnavailable, ServingError
from serving.protocol.pipeline import REFUSED, Classifier, Prediction
from serving.protocol.targets import count_servers


def classify_folder(
    folder: Folder,
    listing: Listing,
    out: Path,
    settings: Settings,
    connection: Connection,
    served: ServedModel,
    display: Display,
) -> Outcome:
    """Classifies a folder with one version of the model and writes its results.

    Args:
        folder: What to classify.
        listing: Its frames.
        out: Result file.
        settings: How.
        connection: To that version.
        served: What it said of itself.
        display: Where progress is shown.

    Returns:
        Counts, gaps, and the files written.

    Raises:
        SnowmodeError: One of its branches, each with what to do; rows written so far are kept on disk.
    """
    return _Run(folder, listing, out, settings, connection, served, display).run()


class _Run:
    def __init__(
        self,
        folder: Folder,
        listing: Listing,
        out: Path,
        settings: Settings,
        connection: Connection,
        served: ServedModel,
        display: Display,
    ) -> None:
        card = served.card
        self._root, self._out, self._settings = listing.root, out, settings
        self._connection, self._card, self._display = connection, card, display
        self._names = settings.share(listing)
        self._source, self._clock = Source(settings.window), Clock(folder.rule)
        composites = any(map(jma.is_composite, listing.names))
        self._timeline = Timeline(expected=composites or folder.rule is not None)
        self._cadence = folder.cadence
        identity = RunIdentity(
            folder=os.path.realpath(folder.path),
            model=settings.model,
            version=served.version,
            columns=columns_for(card.codes),
            rejection_threshold=card.rejection_threshold,
            time_rule=str(folder.rule or ""),
            shard=str(settings.shard or ""),
            window=str(settings.window) if composites else "",
            heat_maps=" ".join(settings.heat_maps),
        )
        minutes = None if folder.cadence is None else folder.cadence.total_seconds() / 60
        self._record = Record(identity, card, settings.command, minutes)
        tally = Tally(card.codes, card.rejection_threshold)
        self._outcome = Outcome(Path(identity.folder).name, served, tally, len(self._names))

    def run(self) -> Outcome:
        outcome, settings = self._outcome, self._settings
        with (
            ResultFile(
                self._out,
                self._card.codes,
                self._record.identity,
                self._names,
                record=self._record,
                resume=settings.resume,
                overwrite=settings.overwrite,
                still_bad=self._still_bad,
            ) as results,
            self._open_maps(results) as maps,
        ):
            self._count_kept(results)
            self._classify(results, maps)
            files = [] if maps is None else [maps.finish(results.partial, results.record)]
            results.finish()
            if maps is not None:
                maps.clean()
        outcome.files = [self._out, *files, *write_formats(self._out, settings.formats)]
        if settings.shard is None:  # between the frames of a shard there are those of the others
            outcome.gaps = self._timeline.gaps(self._cadence)
        outcome.strangers, outcome.repeated = self._timeline.strangers, self._timeline.repeated()
        outcome.odd_shape = self._source.odd_shape
        return outcome

    def _open_maps(self, results: ResultFile) -> Any:
        """Opens the heat maps, and lets go of rows whose maps are lost."""
        settings = self._settings
        if not settings.heat_maps:
            return nullcontext()
        kept = self._names[: results.kept]
        maps = MapsFile(self._out, self._card, settings.heat_maps, kept, netcdf=NETCDF in settings.formats)
        if maps.kept < results.kept:
            lost = results.kept - maps.kept
            self._display.say(f"{lost:,} frames are classified again: their heat maps are not there")
            results.keep(maps.kept)
        return closing(maps)

    def _count_kept(self, results: ResultFile) -> None:
        outcome = self._outcome
        outcome.kept = results.kept
        if not outcome.kept:
            return
        _, rows = read_results(results.partial)
        table = []
        for row in rows:
            self._timeline.add(row.file, row.time_utc)
            if row.error:
                outcome.tally.add_failure(row.file, row.error)
            else:
                table.append(row.probabilities)
        if table:
            outcome.tally.add_probabilities(np.array(table))
        self._display.say(f"{outcome.kept:,} frames are done; continuing with the rest")

    def _classify(self, results: ResultFile, maps: MapsFile | None) -> None:
        outcome, settings, display = self._outcome, self._settings, self._display
        classifier = Classifier(
            self._connection,
            self._card,
            threads=settings.threads,
            servers=count_servers(self._connection.target),
            patience=settings.patience,
            heat_maps=settings.heat_maps,
            load=self._source.load,
        )
        started = time.perf_counter()
        with (
            stopping(classifier.stop, display),
            display.progress(outcome.frames, outcome.kept, classifier.progress) as bar,
        ):
            try:
                for predictions in classifier.run(self._root, self._names[outcome.kept :]):
                    if maps is not None:
                        maps.write(predictions)
                    results.write(predictions, self._stamps(predictions))
                    outcome.tally.add(predictions)
                    if outcome.first_answer is None:
                        outcome.first_answer = time.perf_counter() - started
                    bar.advance(len(predictions))
            except (ServingError, Interrupted) as error:
                done = outcome.tally.classified + outcome.tally.failed
                note = f"{done:,} of {outcome.frames:,} frames are safe in {results.partial}"
                if isinstance(error, ServerUnavailable | Interrupted):
                    note += "; run the same command again to continue there"
                error.add_note(f"{note}.")
                raise
        outcome.seconds = time.perf_counter() - started
        outcome.retries = classifier.progress.retries

    def _stamps(self, predictions: list[Prediction]) -> list[str]:
        stamps = []
        for prediction in predictions:
            name = prediction.name
            # The message knows better than the name, which somebody may have changed.
            time_of = self._source.take_time(f"{self._root}/{name}") or self._clock.time_of(name)
            stamps.append("" if time_of is None else format_utc(time_of))
            self._timeline.add(name, stamps[-1])
        return stamps

    def _still_bad(self, name: str, error: str) -> bool:
        """Tells whether a frame that could not be classified in an earlier run would fail again."""
        if error.startswith(REFUSED):
            return False
        path = f"{self._root}/{name}"
        try:
            self._source.load(path, self._card.input.frame_rule())
        except FrameError:
            return True
        finally:
            self._source.take_time(path)
        return False


@contextmanager
def stopping(stop: Callable[[], None], display: Display) -> Iterator[None]:
    """Lets the first Ctrl-C or SIGTERM drain the run; a second Ctrl-C ends it at once."""

    def drain(number: int, _frame: Any) -> None:
        signal.signal(number, before[number])
        display.say("Stopping: finishing what is in flight (Ctrl-C again ends at once)")
        stop()

    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, drain)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
