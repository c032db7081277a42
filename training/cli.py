"""The `training` command: its subcommands, each in a thin module of `training.commands`."""

from __future__ import annotations

import os
from collections.abc import Callable

import typer

from training.commands.compare import compare
from training.commands.crossval import crossval
from training.commands.draw import draw
from training.commands.gate import gate
from training.commands.learning_curve import learning_curve
from training.commands.look import look
from training.commands.models import models, promote, rollback
from training.commands.options import EXIT_CODES
from training.commands.prepare import prepare
from training.commands.preview import preview
from training.commands.publish import publish
from training.commands.recipes import recipes
from training.commands.run import run
from training.commands.study import study
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


_COMMANDS: tuple[Callable[..., None], ...] = (
    *(synth, prepare, preview, run, recipes, compare, crossval, learning_curve, study),
    *(gate, publish, models, promote, rollback),
)
for _command in _COMMANDS:
    app.command()(_command)

app.add_typer(draw, name="draw")
app.add_typer(look, name="look")
