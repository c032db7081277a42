"""The `client` command. Thin: it reads options, calls the function that does the work, and shows what came of it."""

from __future__ import annotations

import enum
import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from client.classify import Outcome
    from radar.seasons import TimeRule

app = typer.Typer(
    name="client",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Sorts radar composites of a winter into snowfall modes, with the help of a model server.",
    epilog="Exit codes: 0 done; 1 done, but --strict found bad frames or gaps, or no frame could be classified; "
    "2 wrong settings or input, nothing was started; 3 the model server; 4 the results cannot be written; "
    "130 interrupted. After 3, 4 and 130 the same command continues where it stopped.",
)


class Format(enum.StrEnum):
    """Result formats of `classify`."""

    CSV = "csv"
    NAKAI = "nakai"
    NAKAI_LONG = "nakai-long"
    NAKAI_SHORT = "nakai-short"


Server = Annotated[
    str | None,
    typer.Option(
        envvar="SNOWMODE_SERVER",
        metavar="HOST:PORT",
        help="Model server; or embedded:MODELS to start one for this run from a folder of published models. "
        "Otherwise the config file's, otherwise localhost:8500.",
        show_default=False,
    ),
]
Model = Annotated[str, typer.Option(metavar="NAME", help="Name of the model on the server.")]


def main() -> None:
    """Runs the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal in another encoding shows what it can; the work is done and must not fail over a bar.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"snowmode {importlib.metadata.version('snowmode')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


RESULTS, TIMES, RUN = "Results", "Times of frames", "The run"


@app.command()
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
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="How a name tells the time: %Y%m%d%H%M.png, or pr2hse{index}.png with the two options below. "
            "Otherwise season.toml in the folder; otherwise frames have no time.",
            rich_help_panel=TIMES,
        ),
    ] = None,
    season_start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d"],
            metavar="TIME",
            help="Time of index 0, UTC: 2015-11-01T00:00Z.",
            rich_help_panel=TIMES,
        ),
    ] = None,
    cadence: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES", help="Minutes between frames; tells which are missing.", rich_help_panel=TIMES
        ),
    ] = None,
    zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE",
            help="Time zone of dates in names: UTC, JST or one like Asia/Tokyo.",
            rich_help_panel=TIMES,
        ),
    ] = "UTC",
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
        rule = _time_rule(pattern, season_start, cadence, zone) or season_rule(folder)
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
        _fail(error)
    if as_json:
        print(json.dumps(_as_json(outcome), ensure_ascii=False))  # noqa: T201
    display.summary(outcome)
    if not outcome.tally.classified or (strict and (outcome.tally.failed or outcome.gaps or outcome.strangers[0])):
        raise typer.Exit(1)


class Split(enum.StrEnum):
    """Which frames are scored, seen from the model's training."""

    SEASON = "season"
    EVENT = "event"
    FRAME = "frame"
    UNKNOWN = "unknown"


@app.command()
def evaluate(
    results: Annotated[
        Path, typer.Argument(help="Result file of `client classify`.", metavar="RESULTS", show_default=False)
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            help="What people saw: a CSV with the columns file,label (and event, time_utc), or start,end,mode.",
            metavar="LABELS",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write the report there: text, JSON, HTML, figures.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    split: Annotated[
        Split,
        typer.Option(
            help="Which frames these are: a season that was not trained on, whole events, single frames of trained "
            "winters."
        ),
    ] = Split.UNKNOWN,
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of periods whose times carry none: UTC, JST, Asia/Tokyo.")
    ] = "UTC",
    outside: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="Mode of frames that lie in no period.", show_default="not scored"),
    ] = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="LABEL", help="Leave out frames with this label; may be repeated."),
    ] = None,
    synthetic: Annotated[
        bool | None,
        typer.Option(
            "--synthetic/--real", help="Whether a computer made the frames.", show_default="as season.toml says"
        ),
    ] = None,
    gap: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Longest gap between two frames of one event.")
    ] = 30.0,
    tolerance: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Events this far apart still count as seen.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resampling of events.")] = 0,
) -> None:
    """Score a classified season against what people saw.

    Prints the contingency table, POD, FAR, CSI and more by mode, with intervals that resample whole events, beside
    climatology, random and persistence; events with their onset errors; calibration; and what to know about it all.

    Examples:
    client evaluate hse20152016.csv labels.csv --split season --out report/
    client evaluate hse20152016.csv periods.csv --zone JST --outside NO
    """
    from datetime import timedelta

    from client.errors import OutputError
    from client.evaluate import Options
    from client.evaluate import evaluate as run
    from radar.errors import SnowmodeError
    from radar.verification.report_files import FIGURES_HINT, can_draw, write_report
    from radar.verification.report_json import as_dict
    from radar.verification.report_text import as_text

    options = Options(
        zone=zone,
        outside=outside,
        ignored=tuple(ignored or ()),
        split=split.value,
        synthetic=synthetic,
        longest_gap=timedelta(minutes=gap),
        tolerance=timedelta(minutes=tolerance),
        seed=seed,
    )
    try:
        report = run(results, labels, options)
        try:
            written = write_report(report, out) if out is not None else []
        except OSError as error:
            raise OutputError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    except SnowmodeError as error:
        _fail(error)
    print(json.dumps(as_dict(report), indent=1, ensure_ascii=False) if as_json else as_text(report), end="")  # noqa: T201
    for path in written:
        print(f"Written: {path}", file=sys.stderr)  # noqa: T201
    if out is not None and not can_draw():
        print(FIGURES_HINT, file=sys.stderr)  # noqa: T201


@app.command()
def describe(
    server: Server = None,
    model: Model = "snowmode",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole model card as JSON.")] = False,
) -> None:
    """Show what the model on the server says of itself."""
    from client.display_card import print_card
    from client.settings import find_server
    from radar.errors import SnowmodeError
    from serving.protocol.connection import Connection
    from serving.protocol.embedded import server_at

    try:
        address, _ = find_server(server)
        with server_at(address, model=model) as target, Connection(target, model=model) as connection:
            served = connection.describe()
    except SnowmodeError as error:
        _fail(error)
    if as_json:
        card = {"version": served.version, **served.card.model_dump(mode="json")}
        print(json.dumps(card, ensure_ascii=False, indent=1))  # noqa: T201
    else:
        print_card(served)


def _time_rule(pattern: str | None, start: datetime | None, cadence: float | None, zone: str) -> TimeRule | None:
    from client.errors import ConfigError
    from radar.seasons import TimeRule

    if pattern is not None:
        if start is not None and "{index" not in pattern:
            raise ConfigError(f"--season-start belongs to a pattern with {{index}}, received --pattern {pattern!r}")
        start = None if start is None else start.replace(tzinfo=UTC)
        return TimeRule(pattern, start=start, cadence_minutes=cadence, zone=zone)
    if start is not None or cadence is not None or zone != "UTC":
        raise ConfigError(
            "--season-start, --cadence and --zone need --pattern, which says where the time stands in a name"
        )
    return None


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


def _fail(error: Exception) -> NoReturn:
    """Shows an error as its text alone, and leaves with the code that belongs to its kind."""
    from client.errors import Interrupted, OutputError
    from serving.protocol.errors import ServingError

    codes: dict[type[Exception], int] = {ServingError: 3, OutputError: 4, Interrupted: 130}
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), 2)
    label = "" if isinstance(error, Interrupted) else "Error: "
    print(f"{label}{error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)
