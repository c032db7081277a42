"""The `client` command: its subcommands, each in a thin module of `client.commands`."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from client.commands.classify import classify
from client.commands.describe import describe
from client.commands.evaluate import evaluate

app = typer.Typer(
    name="client",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Sorts radar composites of a winter into snowfall modes, with the help of a model server.",
    epilog="Exit codes: 0 done; 1 done, but --strict found bad frames or gaps, or no frame could be classified; "
    "2 wrong settings or input, nothing was started; 3 the model server; 4 the results cannot be written; "
    "130 interrupted. After 3, 4 and 130 the same command continues where it stopped.",
)


def main() -> None:
    """Runs the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal in another encoding shows what it can; the work is done and must not fail over a bar.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"snowmode {importlib.metadata.version('snowmode')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


for _command in (classify, evaluate, describe):
    app.command()(_command)
