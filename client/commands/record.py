"""`client record`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.commands.options import DryRun, Quiet, fail


def record(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Result files of `client classify`, one a season.", metavar="RESULTS...", show_default=False
        ),
    ],
    sidecar: Annotated[
        str,
        typer.Option(
            envvar="SNOWMODE_SIDECAR",
            metavar="URL",
            help="Where `serving sidecar` listens. Its bearer token is taken from SNOWMODE_TOKEN.",
        ),
    ] = "http://localhost:8080",
    season: Annotated[
        str,
        typer.Option(metavar="NAME", help="Name of the season.", show_default="the classified folder's"),
    ] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the model.", show_default="the run's")] = "",
    revision: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Of the frames; a higher one replaces what this model version said before."
        ),
    ] = 1,
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a sidecar that is away.")
    ] = 60.0,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Send result files to the sidecar, for its pages, its statistics and the review.

    A winter classified offline becomes one more season there. Sending twice
    changes nothing, and an interrupted command sends the rest. Frames are known
    by season, name and model version.

    Examples:
    client record hse20152016.csv --sidecar http://localhost:8080
    client record hse20*.csv --dry-run
    """
    from client.display.console import Display
    from client.errors import ConfigError
    from client.record import Job, plan, refused_lines
    from client.record import record as send
    from client.sidecar import check_token, check_url
    from radar.errors import SnowmodeError
    from serving.protocol.pipeline import Progress

    display = Display(quiet=quiet)
    try:
        token = check_token(os.environ.get("SNOWMODE_TOKEN", ""))
        if season and len(results) > 1:
            raise ConfigError(f"--season: expected one result file, received {len(results)}")
        job = Job(check_url(sidecar), token, season, model, revision, patience)
        planned = plan(results, job)
        if dry_run:
            for one in planned:
                versions = ", ".join(map(str, one.versions))
                print(f"{one.results}: {one.rows:,} frames of season {one.season}, model version {versions}")  # noqa: T201
            return
        with display.progress(sum(one.rows for one in planned), 0, Progress()) as bar:
            sent = [send(one, job, bar.advance, display.say) for one in planned]
    except SnowmodeError as error:
        fail(error)
    except KeyboardInterrupt:
        print("Interrupted; the same command sends the rest.", file=sys.stderr)  # noqa: T201
        raise typer.Exit(130) from None
    for one in sent:
        more = f", {one.replaced:,} replaced" if one.replaced else ""
        refused = f", {len(one.refused):,} refused" if one.refused else ""
        if not quiet:
            print(f"{one.season}: {one.new:,} new, {one.unchanged:,} there already{more}{refused}")  # noqa: T201
    for line in refused_lines(sent):
        print(f"Refused: {line}", file=sys.stderr)  # noqa: T201
    if not quiet:
        print(f"See {job.url}/seasons", file=sys.stderr)  # noqa: T201
    if any(one.refused for one in sent):
        raise typer.Exit(1)
