"""`training models`, `training promote`, `training rollback`: what is published, and what is in production."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.options import Models, fail, say

if TYPE_CHECKING:
    from training.publishing.releases import Change

Note = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.", show_default=False)]
Once = Annotated[
    str,
    typer.Option(
        envvar="SNOWMODE_ONCE",
        metavar="KEY",
        help="Do nothing if it was done with this key before: for jobs that may be started again.",
        show_default=False,
    ),
]


def models(
    folder: Models = Path("models"),
    history: Annotated[bool, typer.Option("--history", help="Show everything that was done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the published versions: recipe, scores, labels, where the card lies.

    What a running server hosts is shown by `client models`.

    Example: training models --models models
    """
    from radar.errors import SnowmodeError
    from training.publishing import published

    try:
        shelf = published.look(folder)
    except (SnowmodeError, OSError) as error:
        fail(error)
    print(published.as_json(shelf) if as_json else published.as_text(shelf, history=history))  # noqa: T201


def promote(
    version: Annotated[
        int | None, typer.Argument(help="As `training models` lists it.", show_default="the candidate")
    ] = None,
    folder: Models = Path("models"),
    note: Note = "",
    served_at: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Path of MODELS as model servers see it, if another: /models. Kept for the next time.",
            show_default=False,
        ),
    ] = None,
    once: Once = "",
) -> None:
    """Put the candidate into production, or another published version.

    Model servers that were started with --model_config_file=MODELS/models.config and
    --model_config_file_poll_wait_seconds=10 take it over by themselves; running calls finish. With nothing to
    promote, or the version in production already, it says so and ends well.

    Examples:
    training promote --models models

    training promote 202611211820 --models models --note "vortices of January"
    """
    from radar.errors import SnowmodeError
    from training.publishing import releases

    try:
        change = releases.promote(folder, version, note=note, served_at=served_at, once=once)
    except (SnowmodeError, OSError) as error:
        fail(error)
    _tell(folder, change, back=True)


def rollback(folder: Models = Path("models"), note: Note = "", once: Once = "") -> None:
    """Put the version back that was in production before.

    Each time it is run it goes one version further back; a job that may be started again gives it --once.

    Example: training rollback --models models --note "misses vortices since Tuesday"
    """
    from radar.errors import SnowmodeError
    from training.publishing import releases

    try:
        change = releases.rollback(folder, note=note, once=once)
    except (SnowmodeError, OSError) as error:
        fail(error)
    _tell(folder, change, back=False)


def _tell(folder: Path, change: Change, *, back: bool) -> None:
    """Says what is served, before and after."""
    from radar.verification.report_text import columns
    from training.publishing import releases

    if change.nothing:
        say(f"{change.nothing}. Nothing was changed in what is released.")
    before, after = releases.served(folder, change.before), releases.served(folder, change.after)
    rows = [("served as", "before", "now")]
    rows += [(name, _versions(before.get(name)), _versions(after.get(name))) for name in sorted({*before, *after})]
    say(columns(rows, indent=0))
    if change.nothing:
        return
    if any(len(numbers) > 1 for numbers in after.values()):
        say("The one in brackets stays loaded, for calls that began with it; it answers only who names it.")
    if back:
        say(f"{change.after.production} is in production. The way back: training rollback --models {folder}")
    else:
        say(f"{change.after.production} is in production again.")
    say(f"Model servers read it from {folder / releases.CONFIG_FILE}")


def _versions(numbers: list[int] | None) -> str:
    if not numbers:
        return "-"
    *earlier, answers = numbers
    return f"{answers}" + (f" (and {earlier[0]})" if earlier else "")
