"""`training study`."""

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


class Baseline(enum.StrEnum):
    """Classifiers on measurements of the echo."""

    LOGISTIC = "logistic"
    BOOSTING = "boosting"


def study(
    frames: Frames,
    test: Annotated[
        list[Path], typer.Option(metavar="FOLDER", help="Labelled winter nobody trains on; may be repeated.")
    ],
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            help="To compare; the first is held against all others. May be repeated.",
            show_default="radar, nakai2022, mlp",
        ),
    ] = None,
    baselines: Annotated[
        list[Baseline] | None,
        typer.Option("--baseline", help="Without a neural network; may be repeated.", show_default="both"),
    ] = None,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Networks only.")] = False,
    foreign: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Frames that are none of the known weather; may be repeated.", show_default=False
        ),
    ] = None,
    overrides: Overrides = None,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the records. Started again with the same name, it goes on with the next model.",
            show_default="study-TIME",
        ),
    ] = "",
    runs: Runs = Path("runs"),
    seed: Seed = 1,
) -> None:
    """Compare recipes and non-neural baselines on an unseen winter, and with what a random split would have said.

    Each is trained twice, split by frame and by event. --set changes all recipes, for a quick look:
    --set fit.epochs=2 --set data.per_mode=50.

    Example: training study --frames hse20142015/ --test hse20152016/ --foreign summer/ --name first
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = [load_recipe(recipe, overrides) for recipe in recipes or ("radar", "nakai2022", "mlp")]
        folder = runs / name_or_time(name, "study")
        quiet_tensorflow()
        say("Loading TensorFlow and frames")
        from training.studies import study_text
        from training.studies.study import study as compare_all

        kinds = [] if no_baseline else [kind.value for kind in baselines or Baseline]
        with Display.of("steps") as display:
            rows = compare_all(
                chosen,
                frames,
                test,
                baselines=kinds,  # type: ignore[arg-type]  # the values of an enumeration of them
                foreign_folders=foreign or (),
                folder=folder,
                seed=seed,
                say=display.say,
                tick=display.step,
                cache=runs / ".frames",
            )
        written = study_text.write(rows, folder)
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    print(study_text.as_text(rows), end="")  # noqa: T201
    for path in written:
        say(f"Written: {path}")
