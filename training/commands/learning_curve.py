"""`training learning-curve`."""

from __future__ import annotations

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


def learning_curve(
    frames: Frames,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Another labelled winter to score on; may be repeated.",
            show_default="events held out of --frames",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="Name of a recipe, or a TOML file.")] = "radar",
    sizes: Annotated[
        int, typer.Option(min=1, max=10, metavar="N", help="How many sizes: all events, a half, a quarter ...")
    ] = 4,
    repeats: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Draws of events of each size.")] = 3,
    overrides: Overrides = None,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the records. Started again with the same name, it goes on with the next network.",
            show_default="learning-curve-RECIPE-TIME",
        ),
    ] = "",
    runs: Runs = Path("runs"),
    seed: Seed = 1,
) -> None:
    """Train on ever more events: would more labels help?

    Whole events are drawn, never single frames: frames of one event are near copies. Writes RUNS/NAME/
    learning_curve.csv and .png; N sizes and M draws are N x M trainings.

    Example: training learning-curve --frames hse20172018/ --sizes 4 --repeats 3
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = load_recipe(recipe, overrides)
        folder = runs / name_or_time(name, f"learning-curve-{chosen.name}")
        quiet_tensorflow()
        say("Loading TensorFlow and frames")
        from training.studies import event_curve

        with Display.of("steps") as display:
            curve = event_curve.learning_curve(
                chosen,
                frames,
                test=test or (),
                sizes=sizes,
                repeats=repeats,
                folder=folder,
                seed=seed,
                say=display.say,
                tick=display.step,
                cache=runs / ".frames",
            )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    print(event_curve.as_text(curve), end="")  # noqa: T201
    say(f"Picture: {folder / event_curve.PICTURE_FILE}")
