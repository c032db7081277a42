"""`training preview`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import fail, say


def preview(
    frames: Annotated[
        Path,
        typer.Argument(
            help="Labelled frames: a folder with labels.csv or manifest.csv, or such a file.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the pictures go, one a mode: LT.png.")
    ] = Path("preview"),
    rows: Annotated[int, typer.Option(min=1, max=40, metavar="N", help="Rows of eight frames.")] = 6,
) -> None:
    """Draw a contact sheet for each mode, to see what the labels say.

    The frames of a sheet come from as many events as there is room for.

    Example: training preview hse20172018/ --out preview/
    """
    from radar.errors import SnowmodeError
    from radar.modes import SNOWFALL_MODES
    from training.data.preview import contact_sheets
    from training.data.sources import any_synthetic, read_labels

    try:
        labels = read_labels([frames], tuple(mode.code for mode in SNOWFALL_MODES), say=say)
        for path in contact_sheets(labels, out, rows=rows, synthetic=any_synthetic(labels, [frames])):
            say(f"Written: {path}")
    except (SnowmodeError, OSError) as error:
        fail(error)
