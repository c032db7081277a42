"""`training models`, `training promote`, `training rollback`: what is published, and what is in production."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import Models, fail, say

Note = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.", show_default=False)]


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
    from training import published

    try:
        shelf = published.look(folder)
    except (SnowmodeError, OSError) as error:
        fail(error)
    print(published.as_json(shelf) if as_json else published.as_text(shelf, history=history))  # noqa: T201


def promote(
    version: Annotated[int, typer.Argument(help="As `training models` lists it.", show_default=False)],
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
) -> None:
    """Put a published version into production.

    Model servers that were started with --model_config_file=MODELS/models.config and
    --model_config_file_poll_wait_seconds=10 take it over by themselves; running calls finish.

    Example: training promote 202611211820 --models models
    """
    from radar.errors import SnowmodeError
    from training import releases

    try:
        now = releases.promote(folder, version, note=note, served_at=served_at)
    except (SnowmodeError, OSError) as error:
        fail(error)
    before = f", instead of {now.before[-1]}" if now.before else ""
    say(f"{version} is in production{before}. Back: training rollback. For servers: {folder / releases.CONFIG_FILE}")


def rollback(folder: Models = Path("models"), note: Note = "") -> None:
    """Put the version back that was in production before.

    Example: training rollback --models models --note "misses vortices since Tuesday"
    """
    from radar.errors import SnowmodeError
    from training import releases

    try:
        now = releases.rollback(folder, note=note)
    except (SnowmodeError, OSError) as error:
        fail(error)
    say(f"{now.production} is in production again. For servers: {folder / releases.CONFIG_FILE}")
