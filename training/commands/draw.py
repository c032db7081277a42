"""`training draw`: pictures of a season or a frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import Server, fail, say

draw = typer.Typer(no_args_is_help=True, help="Draw pictures of a season or a frame.")

Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Picture to write: .png, .pdf or .svg.")]
Results = Annotated[Path, typer.Argument(help="Result file of `client classify`.", show_default=False)]


@draw.command(name="contact-sheet")
def draw_contact_sheet(
    results: Results,
    folder: Annotated[Path, typer.Option("--frames", help="Folder of the frames.")],
    server: Server = "localhost:8500",
    out: Out = Path("contact_sheet.png"),
) -> None:
    """Draw frames of each predicted mode, spread over the season."""
    from training import pictures

    _draw(server, out, lambda served, _: pictures.contact_sheet(results, folder, served.card, out))


@draw.command(name="heat-maps")
def draw_heat_maps(
    frame: Annotated[Path, typer.Argument(help="One PNG.", show_default=False)],
    server: Server = "localhost:8500",
    out: Out = Path("heat_maps.png"),
) -> None:
    """Draw a frame with the Grad-CAM of every mode."""
    from training import pictures

    _draw(server, out, lambda served, connection: pictures.heat_maps(frame, served, connection, out))


def _draw(server: str, out: Path, make: Callable[..., None]) -> None:
    from radar.errors import SnowmodeError
    from serving.protocol.connection import Connection
    from serving.protocol.embedded import server_at

    try:
        _check_out(out)
        with server_at(server) as target, Connection(target) as connection:
            make(connection.describe(), connection)
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    say(f"Written: {out}")


def _check_out(out: Path) -> None:
    """Refuses a picture that cannot be written before a server is started for it."""
    from training.errors import TrainingError
    from training.pictures import SUFFIXES

    if out.suffix.lower() not in SUFFIXES:
        raise TrainingError(f"--out: expected a file that ends in {', '.join(SUFFIXES)}, received {str(out)!r}")
    if not out.parent.is_dir():
        raise TrainingError(f"--out: expected a file in a folder that exists, received {str(out)!r}; make it first")
