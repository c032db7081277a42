"""`client render`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import RUN, TIMES, DryRun, Quiet, Recursive, Zone, fail

PICTURE = "The picture"


def render(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of composites, or single files: GRIB2 (.bin), gzipped (.gz), tars.",
            metavar="INPUT...",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the frames.")],
    window: Annotated[
        str,
        typer.Option(
            metavar="W,E,S,N",
            help="Edges in degrees: west, east, south, north; or hokushinetsu (135,141,35,40), or japan (all).",
            rich_help_panel=PICTURE,
        ),
    ] = "hokushinetsu",
    coverage: Annotated[
        bool,
        typer.Option(
            "--coverage",
            help="Hatch and outline what no radar sees. For people; a model must not see it.",
            rich_help_panel=PICTURE,
        ),
    ] = False,
    pattern: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="Names of the frames: a date, or pr2hse{index:05d}.png with --season-start.",
            rich_help_panel=TIMES,
        ),
    ] = "%Y%m%d%H%M.png",
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
            metavar="MINUTES",
            help="Minutes between frames; composites between are left out.",
            show_default="that of the composites; 10 where there are both of 10 and of 5",
            rich_help_panel=TIMES,
        ),
    ] = None,
    zone: Zone = "UTC",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Render frames again that are there.", rich_help_panel=RUN)
    ] = False,
    recursive: Recursive = False,
    dry_run: DryRun = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read every composite with eccodes too, and refuse what it reads differently "
            r"(pip install 'snowmode\[jma]').",
            rich_help_panel=RUN,
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 if any file is bad or any frame missing.", rich_help_panel=RUN),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Composites at a time.", show_default="one a core", rich_help_panel=RUN
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Draw JMA's radar composites as PNG frames.

    Reads the 1 km rain rate (RDR_JMAGPV, Prr10lv and Prr05lv); writes a PNG each, in JMA's palette, and season.toml.
    Frames that are there already stay; a file that cannot be used costs only itself and is named with the reason.

    Examples:
    client render 2016/03/ --recursive --out hse20152016
    client render radar.tar --window 136,140,36,39 --coverage --out look
    client render jma/ --cadence 10 --pattern "pr2hse{index:05d}.png" --season-start 2023-11-01T00:00Z --out winter
    """
    from client.display.console import Display
    from client.errors import ConfigError
    from client.render.plan import Settings, make_plan
    from client.render.report import announce, failures, preview, progress, summarise
    from client.render.run import render as run
    from radar import jma
    from radar.errors import SnowmodeError

    display = Display(quiet=quiet)
    try:
        if season_start is not None and "{index" not in pattern:
            raise ConfigError(f"--season-start belongs to a pattern with {{index}}, received --pattern {pattern!r}")
        plan = make_plan(
            Settings(
                inputs=tuple(inputs),
                out=out,
                window=jma.Window.parse(window),
                coverage=coverage,
                pattern=pattern,
                start=None if season_start is None else season_start.replace(tzinfo=UTC),
                cadence=cadence,
                zone=zone,
                overwrite=overwrite,
                recursive=recursive,
            )
        )
        if dry_run:
            display = Display()
            announce(plan, display)
            preview(plan, display)
            return
        announce(plan, display)
        with progress(len(plan.items), quiet=quiet) as bar:
            outcome = run(plan, verify=verify, threads=threads, advance=bar.advance)
    except SnowmodeError as error:
        fail(error)
    summarise(plan, outcome, display)
    if quiet:
        failures(outcome.failures, Display())
    if not outcome.rendered + outcome.kept or (strict and (outcome.failures or outcome.gaps)):
        raise typer.Exit(1)
