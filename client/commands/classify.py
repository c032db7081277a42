"""`client classify`."""

from __future__ import annotations

import enum
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from client.commands.options import (
    RUN,
    Cadence,
    DryRun,
    Model,
    Patience,
    Pattern,
    Quiet,
    Recursive,
    SeasonStart,
    Server,
    Threads,
    TlsCa,
    TlsCert,
    TlsKey,
    Zone,
    fail,
    time_rule,
)

if TYPE_CHECKING:
    from client.classify.job import Outcome, Summary

RESULTS, MORE = "Results", "More than results"


class Format(enum.StrEnum):
    """Result formats of `classify`."""

    CSV = "csv"
    PARQUET = "parquet"
    NETCDF = "netcdf"
    NAKAI = "nakai"
    NAKAI_LONG = "nakai-long"
    NAKAI_SHORT = "nakai-short"


class HeatMaps(enum.StrEnum):
    """Heat maps of `classify`."""

    GRADCAM = "gradcam"
    HIRESCAM = "hirescam"
    BOTH = "both"


def classify(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of frames, PNGs and JMA composites (GRIB2, .gz, .tar) alike; or one frame.",
            metavar="FOLDER",
            show_default=False,
        ),
    ],
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Result file; for several folders the folder their result files go to.",
            show_default="FOLDER.csv, here",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv: always written. Beside it: parquet; netcdf (CF-1.8); nakai, the original's text formats, or "
            "nakai-long (gzipped) and nakai-short alone. May be given several times.",
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
    heat_maps: Annotated[
        HeatMaps | None,
        typer.Option(
            "--explain",
            help="Write heat maps of every frame and mode too: FOLDER.maps.npz, or with --format netcdf "
            "FOLDER.maps.nc. --dry-run says how large.",
            show_default=False,
            rich_help_panel=MORE,
        ),
    ] = None,
    shadow: Annotated[
        str,
        typer.Option(
            "--shadow-version",
            metavar="VERSION",
            help="Classify with this version or label too (FOLDER.vVERSION.csv), and show where the two disagree.",
            show_default=False,
            rich_help_panel=MORE,
        ),
    ] = "",
    pattern: Pattern = None,
    season_start: SeasonStart = None,
    cadence: Cadence = None,
    zone: Zone = "UTC",
    window: Annotated[
        str,
        typer.Option(
            metavar="W,E,S,N",
            help="Part of JMA composites, in degrees or by name: hokushinetsu, japan. As for `client render`.",
            rich_help_panel=RUN,
        ),
    ] = "hokushinetsu",
    shard: Annotated[
        str,
        typer.Option(
            metavar="I/N",
            help="Classify only part I of N, from 0: several machines share a folder, `client merge` puts their "
            "results together. /N takes I from JOB_COMPLETION_INDEX, as Kubernetes sets it.",
            show_default=False,
            rich_help_panel=RUN,
        ),
    ] = "",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 if any frame is bad or missing (the latter needs times).",
            rich_help_panel=RUN,
        ),
    ] = False,
    recursive: Recursive = False,
    dry_run: DryRun = False,
    patience: Patience = 30.0,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Classify folders of frames.

    Streams every frame of a FOLDER through the model server and writes one row a frame, FOLDER.csv.
    A bad frame costs only itself and is named with the reason, and so does a bad folder among several.
    A killed run is continued by the same command.

    Examples:
    client classify hse20152016/
    client classify hse*/ --out results/ --format parquet --format netcdf
    client classify hse20152016/ --server embedded:models --format nakai
    client classify incoming/ --pattern "%Y%m%d%H%M.png" --cadence 5 --strict
    client classify jma/ --window 135,141,35,40 --cadence 10
    client classify hse20152016/ --explain gradcam --dry-run
    client classify hse20152016/ --shadow-version 202611211820
    client classify hse20152016/ --shard 0/8
    """
    from client.classify.job import Job, Settings
    from client.classify.plan import show_plan
    from client.classify.run import classify as run
    from client.classify.run import result_paths
    from client.config.settings import find_server, find_tls
    from client.display.console import Display
    from client.explain.maps import KINDS
    from client.shard import Shard
    from client.sources import Folder
    from radar import jma
    from radar.errors import SnowmodeError

    display = Display(quiet=quiet or as_json)
    try:
        address, source = find_server(server)
        # Composites carry their time, so that the cadence alone makes sense for them.
        lone_cadence = pattern is None and season_start is None and zone == "UTC"
        rule = None if lone_cadence else time_rule(pattern, season_start, cadence, zone)
        jobs = [
            Job(Folder(folder, rule, cadence, recursive), path)
            for folder, path in zip(folders, result_paths(folders, out), strict=True)
        ]
        settings = Settings(
            server=address,
            model=model,
            tls=find_tls(tls_ca, tls_cert, tls_key, address),
            formats=tuple(formats or [Format.CSV]),
            resume=resume,
            overwrite=overwrite,
            patience=patience,
            threads=threads,
            shard=Shard.parse(shard) if shard else None,
            window=jma.Window.parse(window),
            heat_maps=KINDS[heat_maps] if heat_maps else (),
            shadow=shadow,
            command=shlex.join(["client", *sys.argv[1:]]),
        )
        if dry_run:
            raise typer.Exit(2 if show_plan(jobs, settings, source, Display()) else 0)
        summary = run(jobs, settings, display)
    except SnowmodeError as error:
        fail(error)
    if as_json:
        print(json.dumps(_as_json(summary, several=len(folders) > 1), ensure_ascii=False))  # noqa: T201
    display.summary(summary)
    if summary.failures:
        _fail_for(summary, len(folders))
    if any(_is_bad(outcome, strict=strict) for outcome in summary.outcomes):
        raise typer.Exit(1)


def _fail_for(summary: Summary, folders: int) -> NoReturn:
    """Leaves with the code of the first folder that failed, and names them all."""
    from client.classify.run import failure_text

    (_, error), *others = summary.failures
    for folder, other in others:
        error.add_note(failure_text(folder, other))
    if folders > 1:
        error.add_note(f"{len(summary.failures)} of {folders} folders were left out; the others are done.")
    fail(error)


def _is_bad(outcome: Outcome, *, strict: bool) -> bool:
    """Tells whether the exit code must say that something is amiss; a shard may well be empty."""
    if outcome.frames and not outcome.tally.classified:
        return True
    return strict and bool(outcome.tally.failed or outcome.gaps or outcome.strangers[0])


def _as_json(summary: Summary, *, several: bool) -> dict[str, object]:
    folders = [_folder_as_json(outcome) for outcome in summary.outcomes]
    if not several:
        return folders[0]
    failures = {str(folder): str(error) for folder, error in summary.failures}
    return {"folders": folders, "failures": failures}


def _folder_as_json(outcome: Outcome) -> dict[str, object]:
    tally, served, shadow = outcome.tally, outcome.served, outcome.shadow
    content: dict[str, object] = {
        "folder": outcome.folder,
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
    if shadow is not None:
        content["shadow"] = {
            "version": shadow.shadow_version,
            "compared": shadow.compared,
            "agreed": shadow.agreed,
            "one_sided": shadow.one_sided,
            "codes": shadow.codes,
            "shadow_codes": shadow.shadow_codes,
            "table": shadow.table.tolist(),
        }
    return content
