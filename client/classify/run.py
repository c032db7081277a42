"""`client classify`: folders of frames in, a result file for each out, over one connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from client.classify.folder import classify_folder
from client.classify.job import Job, Outcome, Settings, Summary
from client.classify.shadow import compare, disagreements_path, shadow_path
from client.display.console import Display
from client.errors import ConfigError, Interrupted
from client.results.file import check_target
from client.results.formats import check_formats
from client.sources import name_of
from radar.archive import Listing
from radar.errors import SnowmodeError
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.embedded import PREFIX as EMBEDDED
from serving.protocol.embedded import server_at, version_in_production
from serving.protocol.errors import ServingError
from serving.protocol.priority import Priority


def result_paths(folders: Sequence[Path], out: Path | None) -> list[Path]:
    """Gives the result file of each folder.

    Args:
        folders: One or several.
        out: For one folder the file, for several the folder they go to; None means here.

    Raises:
        ConfigError: Two folders would write the same file, or a file stands where a folder is wanted.
    """
    if len(folders) == 1:
        return [out or Path(f"{name_of(folders[0])}.csv")]
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: for {len(folders)} folders a folder is expected, received a file")
    paths = [(out or Path()) / f"{name_of(folder)}.csv" for folder in folders]
    for n, path in enumerate(paths):
        if path in paths[:n]:
            raise ConfigError(
                f"{folders[paths.index(path)]} and {folders[n]} would both write {path}; classify them one at a "
                "time, each with its own --out"
            )
    return paths


def check(job: Job, settings: Settings) -> Listing:
    """Checks what can be checked before anything is started; gives the frames.

    Raises:
        SnowmodeError: The folder cannot be classified, or its results cannot be written there.
    """
    check_target(settings.path(job.out))
    return job.folder.frames()


def classify(jobs: Sequence[Job], settings: Settings, display: Display) -> Summary:
    """Classifies folders, one after the other.

    A folder that cannot be classified is named, and the others are done all the same. Of a single folder, the error
    is raised.

    Args:
        jobs: What to do.
        settings: How.
        display: Where progress is shown.

    Returns:
        What became of each.

    Raises:
        SnowmodeError: The only folder failed; or the server did, and is everybody's; or the user asked to stop.
            Rows written so far are kept on disk.
    """
    check_formats(settings.formats)
    summary, good = Summary(), list[Job]()
    first: Listing | None = None
    for job in jobs:
        with _failures(job, summary, display, alone=len(jobs) == 1):
            listing = check(job, settings)
            # Of several, the listings are not kept: winters are long, and there may be many.
            first = first if good else listing
            good.append(job)
    if not good:
        return summary
    if settings.server.startswith(EMBEDDED):
        display.say("Starting a model server for this run, which takes some seconds")
    also = [int(settings.shadow)] if _is_number(settings.shadow) else []
    with server_at(settings.server, model=settings.model, also=also) as target, ExitStack() as stack:
        # Of two versions the newer one would answer, which may be the shadow.
        main = version_in_production(settings.server, settings.model) if also else None
        connection, served = stack.enter_context(_connected(target, settings, str(main or ""), display))
        shadow = (
            stack.enter_context(_connected(target, settings, settings.shadow, display, beside=True))
            if settings.shadow
            else None
        )
        if shadow is not None and shadow[1].version == served.version:
            raise ConfigError(
                f"--shadow-version {settings.shadow}: expected another version than {served.version}, which answers "
                "anyway"
            )
        for n, job in enumerate(good):
            with _failures(job, summary, display, alone=len(jobs) == 1):
                listing = first if n == 0 and first is not None else check(job, settings)
                display.say(_title(job, listing, settings, f"[{n + 1}/{len(good)}] " if len(good) > 1 else ""))
                try:
                    outcome = _classify_one(job, listing, settings, (connection, served), shadow, display)
                except (ServingError, Interrupted) as error:
                    if len(jobs) > 1:
                        error.add_note(f"{len(summary.outcomes)} of {len(jobs)} folders are complete.")
                    raise
                summary.outcomes.append(outcome)
    return summary


def _title(job: Job, listing: Listing, settings: Settings, number: str) -> str:
    of_shard = ""
    if settings.shard is not None:
        of_shard = f", {len(settings.share(listing)):,} of them in shard {settings.shard}"
    others = f" ({listing.others:,} other files left alone)" if listing.others else ""
    return f"{number}{len(listing.names):,} frames in {job.folder.path}{of_shard}{others}"


def _classify_one(
    job: Job,
    listing: Listing,
    settings: Settings,
    main: tuple[Connection, ServedModel],
    shadow: tuple[Connection, ServedModel] | None,
    display: Display,
) -> Outcome:
    out = settings.path(job.out)
    outcome = classify_folder(job.folder, listing, out, settings, *main, display)
    if shadow is not None:
        version = shadow[1].version
        other = settings.path(shadow_path(job.out, version))
        display.say(f"The same frames with version {version}")
        alone = replace(settings, formats=("csv",), heat_maps=())
        classify_folder(job.folder, listing, other, alone, *shadow, display)
        disagreements = settings.path(disagreements_path(job.out, version))
        versions = main[1].version, version
        outcome.shadow = compare(out, other, disagreements, versions=versions)
        outcome.files += [other, disagreements]
    return outcome


@contextmanager
def _connected(
    target: str, settings: Settings, version: str, display: Display, *, beside: bool = False
) -> Iterator[tuple[Connection, ServedModel]]:
    """Connects to one version, the newest if none is named, and stays with it.

    All of it is bulk: a forecast that asks meanwhile goes first.
    """
    number = int(version) if _is_number(version) else None
    label = version if number is None else ""
    with Connection(
        target,
        model=settings.model,
        version=number,
        label=label,
        priority=Priority.BULK,
        tls=settings.tls,
    ) as connection:
        try:
            served = connection.describe()
        except ServingError as error:
            if beside:
                error.add_note(
                    f"--shadow-version {version}: the server must serve both versions at a time. By default it "
                    "serves the newest alone; see model_version_policy and version_labels in its --model_config_file."
                )
            raise
        connection.version = served.version
        card = served.card
        display.say(
            f"{'Beside it' if beside else 'Model'} {card.model} version {served.version} at {target}: recipe "
            f"{card.recipe}, {card.input.width}x{card.input.height} pixels, modes {' '.join(card.codes)}"
        )
        yield connection, served


def failure_text(folder: Path, error: SnowmodeError) -> str:
    """Says why a folder was left out; most errors name it themselves."""
    return str(error) if str(folder) in str(error) else f"{folder}: {error}"


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


@contextmanager
def _failures(job: Job, summary: Summary, display: Display, *, alone: bool) -> Iterator[None]:
    """Notes that a folder failed and goes on; unless it is the only one, or the failure is everybody's."""
    try:
        yield
    except (ServingError, Interrupted):
        raise
    except SnowmodeError as error:
        if alone:
            raise
        summary.failures.append((job.folder.path, error))
        display.say(f"Left out: {failure_text(job.folder.path, error)}")
