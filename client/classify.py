"""`client classify`: one folder of frames in, one result file out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from client import nakai
from client.display import Display
from client.errors import ConfigError, Interrupted, OutputError
from client.pipeline import REFUSED, Classifier
from client.results import ResultFile, RunIdentity, check_target
from client.rows import columns_for, read_results
from client.tally import Clock, Tally
from radar import frames
from radar.archive import Listing, scan
from radar.errors import FrameError
from radar.seasons import SEASON_FILE, Gap, TimeRule, read_season
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.contract import ModelCard
from serving.protocol.embedded import PREFIX as EMBEDDED
from serving.protocol.embedded import server_at
from serving.protocol.errors import ServerUnavailable, ServingError

FORMATS: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "csv": (),
    "nakai": (nakai.write_long, nakai.write_short),
    "nakai-long": (nakai.write_long,),
    "nakai-short": (nakai.write_short,),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to classify, where and how; see `client classify --help`."""

    folder: Path
    server: str
    model: str
    out: Path
    formats: tuple[str, ...] = ("csv",)
    rule: TimeRule | None = None
    resume: bool = True
    overwrite: bool = False
    recursive: bool = False
    patience: float = 30.0
    threads: int | None = None


@dataclass(slots=True)
class Outcome:
    """What a run did.

    Attributes:
        served: The model that answered.
        tally: Counts of all rows of the result file, those of an earlier run included.
        frames: Frames in the folder.
        kept: Rows taken over from an unfinished or earlier run.
        seconds: Time from the first frame read to the finished result file.
        first_answer: Seconds until the first rows were written; None if there were none.
        retries: Batches sent again after a transient failure.
        gaps: Missing frames, by the time rule and its cadence.
        strangers: Frames whose names do not follow the time rule, and the first of them.
        files: What was written.
    """

    served: ServedModel
    tally: Tally
    frames: int
    kept: int = 0
    seconds: float = 0.0
    first_answer: float | None = None
    retries: int = 0
    gaps: list[Gap] = field(default_factory=list)
    strangers: tuple[int, str] = (0, "")
    files: list[Path] = field(default_factory=list)


def find_frames(folder: Path, *, recursive: bool) -> Listing:
    """Lists the frames of a folder.

    Raises:
        ArchiveError: There is no such folder.
        ConfigError: It holds no frames.
    """
    listing = scan(folder, recursive=recursive)
    if not listing.names:
        found = f"{listing.others} other files" if listing.others else "no files"
        hint = f" and {listing.folders} subfolders; give --recursive to look into them" if listing.folders else ""
        raise ConfigError(f"{folder}: expected PNG frames (*.png), found {found}{hint}")
    return listing


def season_rule(folder: Path) -> TimeRule | None:
    """Reads the time rule a folder carries in its `season.toml`; None if it carries none."""
    file = (folder if folder.is_dir() else folder.parent) / SEASON_FILE
    return read_season(file) if file.exists() else None


def check_rule(rule: TimeRule | None, listing: Listing) -> None:
    """Checks that the time rule is of these frames.

    Raises:
        ConfigError: Not one name follows it.
    """
    clock = Clock(rule)
    if rule is not None and not any(clock.time_of(name) for name in listing.names):
        raise ConfigError(
            f"Not one of the {len(listing.names):,} frames follows the time rule {rule.pattern!r}; the first is "
            f"{listing.names[0]!r}. Correct --pattern (or season.toml)."
        )


def classify(job: Job, display: Display) -> Outcome:
    """Classifies a folder and writes its results.

    Args:
        job: What to do.
        display: Where progress is shown.

    Returns:
        Counts, gaps, and the files written.

    Raises:
        SnowmodeError: One of its branches, each with what to do; rows written so far are kept on disk.
    """
    check_target(job.out)
    listing = find_frames(job.folder, recursive=job.recursive)
    check_rule(job.rule, listing)
    others = f" ({listing.others:,} other files left alone)" if listing.others else ""
    display.say(f"{len(listing.names):,} frames in {job.folder}{others}")
    if job.server.startswith(EMBEDDED):
        display.say("Starting a model server for this run, which takes some seconds")
    with server_at(job.server, model=job.model) as target, Connection(target, model=job.model) as connection:
        served = connection.describe()
        connection.version = served.version
        card = served.card
        display.say(
            f"Model {card.model} version {served.version} at {target}: recipe {card.recipe}, "
            f"{card.input.width}x{card.input.height} pixels, modes {' '.join(card.codes)}"
        )
        identity = RunIdentity(
            folder=os.path.realpath(job.folder),
            model=job.model,
            version=served.version,
            columns=columns_for(card.codes),
            rejection_threshold=card.rejection_threshold,
            time_rule=str(job.rule or ""),
        )
        outcome = Outcome(served, Tally(card.codes, card.rejection_threshold), len(listing.names))
        with ResultFile(
            job.out,
            card.codes,
            identity,
            listing.names,
            resume=job.resume,
            overwrite=job.overwrite,
            still_bad=lambda name, error: _still_bad(listing.root / name, error, card),
        ) as results:
            outcome.kept = results.kept
            _count_kept(results.partial, outcome)
            if outcome.kept:
                display.say(f"{outcome.kept:,} frames are done; continuing with the rest")
            _run(job, listing, connection, results, outcome, display)
            results.finish()
    outcome.files = [job.out, *_write_formats(job)]
    clock = Clock(job.rule)
    outcome.gaps = clock.survey(listing.names)
    outcome.strangers = clock.strangers, clock.first_stranger
    return outcome


def _run(
    job: Job, listing: Listing, connection: Connection, results: ResultFile, outcome: Outcome, display: Display
) -> None:
    names = listing.names[outcome.kept :]
    classifier = Classifier(connection, outcome.served.card, threads=job.threads, patience=job.patience)
    clock = Clock(job.rule)
    started = time.perf_counter()
    with (
        stopping(classifier.stop, display),
        display.progress(outcome.frames, outcome.kept, classifier.progress) as bar,
    ):
        try:
            for predictions in classifier.run(listing.root, names):
                results.write(predictions, clock.stamps([p.name for p in predictions]))
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


def _count_kept(partial: Path, outcome: Outcome) -> None:
    if not outcome.kept:
        return
    _, rows = read_results(partial)
    table = []
    for row in rows:
        if row.error:
            outcome.tally.add_failure(row.file, row.error)
        else:
            table.append(row.probabilities)
    if table:
        outcome.tally.add_probabilities(np.array(table))


def _still_bad(path: Path, error: str, card: ModelCard) -> bool:
    """Tells whether a frame that could not be classified in an earlier run would fail again."""
    if error.startswith(REFUSED):
        return False
    try:
        frames.load(path, card.input.frame_rule())
    except FrameError:
        return True
    return False


def _write_formats(job: Job) -> Iterator[Path]:
    for writer in dict.fromkeys(writer for name in job.formats for writer in FORMATS[name]):
        try:
            yield writer(job.out)
        except OSError as error:
            raise OutputError(
                f"{job.out} is complete, but {error.filename or 'another format of it'} cannot be written: "
                f"{error.strerror}. Make room and run the same command again."
            ) from error


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
