"""`training synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import fail, say


def synth(
    folder: Annotated[
        Path, typer.Argument(help="Folder to make, named like a season: hse20152016.", show_default=False)
    ],
    frames: Annotated[int, typer.Option(min=1, help="How many frames; a whole winter has about 21,800.")] = 2500,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another winter.")] = 0,
    year: Annotated[int, typer.Option(help="The winter begins on 1 November of this year.")] = 2015,
    height: Annotated[int, typer.Option(min=64, help="Rows of a frame.")] = 400,
    width: Annotated[int, typer.Option(min=64, help="Columns of a frame.")] = 400,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier synthetic winter; real frames are never removed.")
    ] = False,
) -> None:
    """Make a labelled synthetic winter, to try the system with.

    The frames look like JMA's and behave like weather, but no skill on them says anything about real snow.

    Example: training synth build/hse20142015 --frames 2500 --seed 1 --year 2014
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.synth import make_winter

    try:
        with Display.of("frames") as display:
            summary = make_winter(
                folder,
                frames=frames,
                seed=seed,
                year=year,
                size=(height, width),
                overwrite=overwrite,
                progress=display.advance,
            )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    counts = ", ".join(f"{code} {count:,}" for code, count in summary.modes.items())
    say(f"{summary.frames:,} frames of {summary.events:,} events in {folder}: {counts}")
