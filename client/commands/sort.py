"""`client sort`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from client.commands.options import fail

if TYPE_CHECKING:
    from client.sort import Job, Plan

NAMED = 10  # on the screen, of each kind of trouble
FILES = "How frames get there"


def sort(
    results: Annotated[
        Path, typer.Argument(help="Result file of `client classify`.", metavar="RESULTS", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Where the folders by mode go.", show_default=False),
    ],
    frames: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The classified frames.", show_default="the folder that was classified"),
    ] = None,
    by: Annotated[
        Literal["predicted", "observed", "pair"],
        typer.Option(
            help="A folder for each mode the model gave (LT); each mode people saw (LT); each pair, observed first "
            "(LT_DM)."
        ),
    ] = "predicted",
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="What people saw, for observed and pair: columns file,label or start,end,mode.",
            show_default=False,
        ),
    ] = None,
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of periods whose times carry none: UTC, JST, Asia/Tokyo.")
    ] = "UTC",
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="LABEL", help="Leave out frames with this label; may be repeated."),
    ] = None,
    accepted_only: Annotated[
        bool, typer.Option("--accepted-only", help="Leave out frames the model was not sure enough of.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it. Without it only what would be done is shown.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would be done, also with --yes.")
    ] = False,
    link: Annotated[
        bool,
        typer.Option("--link", help="Symbolic links, the default: no space needed.", rich_help_panel=FILES),
    ] = False,
    hardlink: Annotated[
        bool,
        typer.Option(
            "--hardlink", help="Hard links: no space needed, on one file system only.", rich_help_panel=FILES
        ),
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copies, with their times of change.", rich_help_panel=FILES)
    ] = False,
) -> None:
    """Put frames into folders by mode, as links or copies.

    Shows how many frames would go where; with --yes it does so.
    The frames themselves stay where they are, and nothing is ever overwritten.
    An interrupted run is continued by the same command.
    Frames that could not be classified go to unclassified, those without a
    label to unlabelled.

    Examples:
    client sort hse20152016.csv --out sorted/
    client sort hse20152016.csv --out sorted/ --accepted-only --copy --yes
    client sort hse20152016.csv --out pairs/ --by pair --labels labels.csv --yes
    """
    from client.display.console import Display
    from client.errors import ConfigError
    from client.sort import By, How, Job, carry_out, make_plan
    from radar.errors import SnowmodeError
    from serving.protocol.pipeline import Progress

    display = Display()
    try:
        ways = [how for how, wanted in ((How.LINK, link), (How.HARDLINK, hardlink), (How.COPY, copy)) if wanted]
        if len(ways) > 1:
            raise ConfigError(f"Expected one of --link, --hardlink and --copy, received {len(ways)} of them")
        job = Job(
            results=results,
            out=out,
            frames=frames,
            by=By(by),
            how=ways[0] if ways else How.LINK,
            labels=labels,
            zone=zone,
            ignored=tuple(ignored or ()),
            accepted_only=accepted_only,
        )
        plan = make_plan(job)
        _show(job, plan)
        if dry_run or not yes:
            if plan.todo:
                display.say("Nothing was done. Give --yes to do it.")
            return
        with display.progress(len(plan.todo), 0, Progress()) as bar:
            carry_out(job, plan, bar.advance)
    except SnowmodeError as error:
        fail(error)
    print(f"Done: {len(plan.todo):,} frames in {out}")  # noqa: T201
    if plan.missing or plan.conflicts:
        raise typer.Exit(1)


def _show(job: Job, plan: Plan) -> None:
    from radar.verification.report_text import columns

    verb = {"link": "link", "hardlink": "hard link", "copy": "copy"}[job.how]
    print(f"{plan.frames} -> {job.out}, by {job.by}, a {verb} each")  # noqa: T201
    rows = [("folder", "frames"), *((folder, f"{count:,}") for folder, count in sorted(plan.folders.items()))]
    print(columns(rows))  # noqa: T201
    print(f"{len(plan.todo):,} to do, {plan.done:,} there already")  # noqa: T201
    if plan.left_out:
        print(f"{plan.left_out:,} left out: not accepted, or of a label to be ignored")  # noqa: T201
    if plan.unseen:
        print(f"{plan.unseen:,} labels of frames that are not in the results")  # noqa: T201
    troubles = (
        (f"{len(plan.missing):,} frames are not in {plan.frames}:", [(name, "is missing") for name in plan.missing]),
        (f"{len(plan.conflicts):,} frames are left alone:", plan.conflicts),
    )
    for title, entries in troubles:
        if entries:
            print(title, *(f"  {name} {reason}" for name, reason in entries[:NAMED]), sep="\n", file=sys.stderr)  # noqa: T201
            if len(entries) > NAMED:
                print(f"  ... and {len(entries) - NAMED:,} more", file=sys.stderr)  # noqa: T201
