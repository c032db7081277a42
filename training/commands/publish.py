"""`training publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import Models, fail, quiet_tensorflow, say


def publish(
    run: Annotated[
        Path, typer.Argument(help="Folder of a finished run: RUNS/NAME.", metavar="RUN", show_default=False)
    ],
    models: Models = Path("models"),
    even_if_worse: Annotated[
        bool, typer.Option("--even-if-worse", help="Publish a model that is worse than the one in production, too.")
    ] = False,
    served_at: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Path of MODELS as model servers see it, if another: /models. Kept for the next time.",
            show_default=False,
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Publish it once more, as a new version, though it is there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Compare with the model in production, and leave.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resampling of events.")] = 0,
) -> None:
    """Publish the model of a finished run as a candidate, if nothing stands against it.

    It must pass the release gate, and must not be clearly worse than the model in production: on frames that neither
    was trained on, the interval of the difference in HSS, resampled by whole events, must reach 0. The very first
    model goes into production, later ones with `training promote`. A model that is there already is left as it is.

    Example: training publish runs/radar-20261121T182018 --models models
    """
    from radar.errors import SnowmodeError

    try:
        quiet_tensorflow()
        from training.publishing.release import judge_run, publish_run
        from training.records import read_card

        if dry_run:
            verdict = judge_run(run, models, read_card(run), seed=seed)
            say(verdict.sentence)
            verdict.refuse_worse(even_if_worse=even_if_worse)
            return
        released = publish_run(
            run, models, say=say, seed=seed, even_if_worse=even_if_worse, served_at=served_at, again=again
        )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    say(released.sentence)
