"""`training run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import fail, quiet_tensorflow, say


def run(
    frames: Annotated[
        list[Path],
        typer.Option("--frames", metavar="FOLDER", help="Labelled frames (labels.csv inside); may be repeated."),
    ],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="Name of a recipe, or a TOML file; see `training recipes`.")
    ] = "radar",
    models: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to publish: MODELS/snowmode/VERSION.")] = Path(
        "models"
    ),
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to keep the records of the run.")] = Path(
        "runs"
    ),
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: fit.epochs=5.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of every random draw.")] = 1,
) -> None:
    """Train a model, and publish it if it passes the release gate.

    Example: training run --recipe radar --frames build/hse20142015 --models models
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = load_recipe(recipe, overrides)
        quiet_tensorflow()
        say("Loading TensorFlow and frames")
        from training.run import run as train

        with Display.of("steps") as display:
            result = train(
                chosen,
                frames,
                models=models,
                runs=runs,
                seed=seed,
                say=display.say,
                report=display.epoch,
                tick=display.step,
            )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    say(f"\n{result.report.sentence}")
    for caveat in result.report.caveats:
        say(f"  Note: {caveat}")
    say(f"Published: {result.published}")
    say(f"Report:    {result.folder / 'verification.html'}")
