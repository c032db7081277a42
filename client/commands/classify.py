"""`client classify`."""

from __future__ import annotations

import enum
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.options import Cadence, Model, Pattern, SeasonStart, Server, Zone, fail, time_rule

if TYPE_CHECKING:
    from client.classify import Outcome

RESULTS, RUN = "Results", "The run"


class Format(enum.StrEnum):
    """Result formats of `classify`."""

    CSV = "csv"
    NAKAI = "nakai"
    NAKAI_LONG = "nakai-long"
    NAKAI_SHORT = "nakai-short"


def classify(
    folder: Annotated[
        Path, typer.Argument(help="Folder of PNG frames, or one frame.", metavar="FOLDER", show_default=False)
    ],
    server: Server = None,
    model: Model = "snowmode",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Result file.",
            show_default="FOLDER.csv, here",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv: always written. nakai: the original's text formats beside it, nakai-long (gzipped) and "
            "nakai-short. May be given several times.",
            show_default="csv",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Classify again; the old result file is replaced when the new one is complete.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume",
            help="Continue an unfinished run, or drop it and start afresh.",
            rich_help_panel=RESULTS,
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=RESULTS)
    ] = False,
    pattern: Pattern = None,
    season_start: SeasonStart = None,
    cadence: Cadence = None,
    zone: Zone = "UTC",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 if any frame is bad or missing (the latter needs times).",
            rich_help_panel=RUN,
        ),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into subfolders too.", rich_help_panel=RUN)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be done, and leave.", rich_help_panel=RUN)
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to wait for a server that goes away meanwhile.",
            rich_help_panel=RUN,
        ),
    ] = 30.0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Decode threads.", show_default="one a core", rich_help_panel=RUN),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show nothing but errors.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Classify a folder of frames.

    Streams every PNG of FOLDER through the model server and writes one row a frame.
    A bad frame costs only itself and is named with the reason.
    A killed run is continued by the same command.

    Examples:
    client classify hse20152016/
    client classify hse20152016/ --server embedded:models --format nakai
    client classify incoming/ --pattern "%Y%m%d%H%M.png" --cadence 5 --strict
    """
    from client.classify import Job, check_rule, find_frames, season_rule
    from client.classify import classify as run
    from client.display import Display
    from client.results import check_target
    from client.settings import find_server
    from client.tally import Clock
    from radar.errors import SnowmodeError

    display = Display(quiet=quiet or as_json)
    try:
        address, source = find_server(server)
        rule = time_rule(pattern, season_start, cadence, zone) or season_rule(folder)
        job = Job(
            folder=folder,
            server=address,
            model=model,
            out=out or Path(f"{Path(os.path.realpath(folder)).name}.csv"),
            formats=tuple(formats or [Format.CSV]),
            rule=rule,
            resume=resume,
            overwrite=overwrite,
            recursive=recursive,
            patience=patience,
            threads=threads,
        )
        if dry_run:
            check_target(job.out)
            listing = find_frames(folder, recursive=recursive)
            check_rule(rule, listing)
            clock, display = Clock(rule), Display()
            gaps = clock.survey(listing.names)
            display.say(f"{len(listing.names):,} frames in {folder}: {listing.names[0]} ... {listing.names[-1]}")
            display.say(f"Server: {address} (from {source}); results: {job.out}")
            display.say(f"Time rule: {rule}" if rule else "No time rule: frames have no time")
            display.strangers(clock.strangers, clock.first_stranger)
            display.gaps(gaps)
            return
        outcome = run(job, display)
    except SnowmodeError as error:
        fail(error)
    if as_json:
        print(json.dumps(_as_json(outcome), ensure_ascii=False))  # noqa: T201
    display.summary(outcome)
    if not outcome.tally.classified or (strict and (outcome.tally.failed or outcome.gaps or outcome.strangers[0])):
        raise typer.Exit(1)


def _as_json(outcome: Outcome) -> dict[str, object]:
    tally, served = outcome.tally, outcome.served
    return {
        "model": served.card.model,
        "version": served.version,
        "frames": outcome.frames,
        "classified": tally.classified,
        "failed": tally.failed,
        "kept": outcome.kept,
        "counts": dict(zip(tally.codes, tally.counts.tolist(), strict=True)),
        "accepted": dict(zip(tally.codes, tally.accepted.tolist(), strict=True)),
        "missing": sum(gap.missing for gap in outcome.gaps),
        "seconds": round(outcome.seconds, 3),
        "first_answer_seconds": outcome.first_answer,
        "files": [str(path) for path in outcome.files],
    }
