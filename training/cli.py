"""The `training` command: its subcommands, each in a thin module of `training.commands`."""

from __future__ import annotations

import os

import typer

from training.commands.compare import compare
from training.commands.draw import draw
from training.commands.gate import gate
from training.commands.models import models, promote, rollback
from training.commands.options import EXIT_CODES
from training.commands.publish import publish
from training.commands.recipes import recipes
from training.commands.run import run
from training.commands.synth import synth

app = typer.Typer(
    name="training",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Makes models: prepares frames, trains, compares, publishes, and looks after what is published.",
    epilog=EXIT_CODES,
)


def main() -> None:
    """Runs the command line."""
    # TensorFlow reports its CPU kernels and missing GPU drivers at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app()


for _command in (synth, run, compare, recipes, gate, publish, models, promote, rollback):
    app.command()(_command)

app.add_typer(draw, name="draw")
