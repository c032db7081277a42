"""Options that several commands share, what a command says, and how it fails."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

Server = Annotated[
    str,
    typer.Option(
        envvar="SNOWMODE_SERVER",
        metavar="HOST:PORT",
        help="Model server; or embedded:MODELS to start one for this command.",
    ),
]


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's Python warnings from the terminal."""
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def say(text: str) -> None:
    """Tells on standard error; standard output is for results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def fail(error: Exception) -> NoReturn:
    """Shows an error as its text alone, and leaves with the code that belongs to its kind."""
    from serving.protocol.errors import ServingError
    from training.errors import GateError

    say(f"Error: {error}")
    raise typer.Exit(3 if isinstance(error, ServingError) else 1 if isinstance(error, GateError) else 2)
