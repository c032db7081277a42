"""`training crossval`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import (
    Frames,
    Overrides,
    Runs,
    Seed,
    fail,
    name_or_time,
    quiet_tensorflow,
    say,
)


class Group(enum.StrEnum):
    """What folds never cut."""

    EVENT = "event"
    SEASON = "season"
    FRAME = "frame"


def crossval(
    frames: Frames,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="Name of a recipe, or a TOML file.")] = "radar",
    folds: Annotated[int, typer.Option(min=2, max=50, metavar="N", help="How many.")] = 5,
    by: Annotated[Group, typer.Option(help="What no fold cuts; frame flatters.")] = Group.EVENT,
    overrides: Overrides = None,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the records. Started again with the same name, it goes on with the next fold.",
            show_default="crossval-RECIPE-TIME",
        ),
    ] = "",
    runs: Runs = Path("runs"),
    seed: Seed = 1,
) -> None:
    """Cross-validate a recipe: every event is predicted once, by a network that never saw it.

    The probabilities (validation.csv), the folds, the report, and the frames whose labels the networks believe least
    (doubtful.csv: look at them again) are kept in RUNS/NAME. With the same frames and seed the folds are the same for
    every recipe, so that `training compare` tells two of them apart, paired by event.

    Examples:
    training crossval --frames hse20172018/ --name radar-cv
    training crossval --frames hse20172018/ --recipe nakai2022 --name nakai-cv
    training compare runs/radar-cv runs/nakai-cv
    """
    from radar.errors import SnowmodeError
    from radar.verification.report_text import as_text
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = load_recipe(recipe, overrides)
        folder = runs / name_or_time(name, f"crossval-{chosen.name}")
        quiet_tensorflow()
        say("Loading TensorFlow and frames")
        from training.studies.crossval import cross_validate

        with Display.of("steps") as display:
            report = cross_validate(
                chosen,
                frames,
                folds=folds,
                by=by.value,
                folder=folder,
                seed=seed,
                say=display.say,
                tick=display.step,
                cache=runs / ".frames",
            )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    print(as_text(report), end="")  # noqa: T201
    say(f"Written: {folder}")
