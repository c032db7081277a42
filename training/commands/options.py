"""Options that several commands share, what a command says, and how it fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

# 74 and 75 are EX_IOERR and EX_TEMPFAIL of sysexits.h.
REFUSED, WRONG, SERVER, MACHINE, INTERRUPTED = 1, 2, 3, 74, 75
EXIT_CODES = (
    "Exit codes: 0 done; 1 the release gate or the model in production stood against it, nothing was published; "
    "2 wrong settings or input: another try ends the same; 3 the model server; 74 the machine (full disk, lost "
    "peer): try again; 75 interrupted: the same command continues."
)

Server = Annotated[
    str,
    typer.Option(
        envvar="SNOWMODE_SERVER",
        metavar="HOST:PORT",
        help="Model server; or embedded:MODELS to start one for this command.",
    ),
]
Models = Annotated[
    Path,
    typer.Option("--models", metavar="FOLDER", help="Folder of published models: MODELS/snowmode/VERSION."),
]

Frames = Annotated[
    list[Path],
    typer.Option(
        "--frames",
        "--manifest",
        metavar="FOLDER",
        help="Labelled frames: a folder with labels.csv, one that `training prepare` made, or a manifest.csv; may be "
        "repeated.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: fit.epochs=5; may be repeated."),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where to keep the records: RUNS/NAME.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of every random draw.")]


def name_or_time(name: str, default: str) -> str:
    """Gives what somebody called it, else a name of its kind and the time.

    Raises:
        TrainingError: It is no name of a folder.
    """
    from datetime import UTC, datetime

    from training.errors import TrainingError

    if name in {".", ".."} or "/" in name:
        raise TrainingError(f"--name: expected the name of a folder, without a slash, received {name!r}")
    return name or f"{default}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's Python warnings from the terminal."""
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def say(text: str) -> None:
    """Tells on standard error; standard output is for results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def fail(error: Exception) -> NoReturn:
    """Shows an error as its text alone, and leaves with the code that belongs to its kind."""
    say(str(error) if exit_code(error) == INTERRUPTED else f"Error: {error}")
    raise typer.Exit(exit_code(error))


def exit_code(error: Exception) -> int:
    """Gives the exit code of an error; a Kubernetes Job's podFailurePolicy tells by it whether to try again."""
    from serving.protocol.errors import ServingError
    from training.errors import OF_THE_MACHINE, GateError, Interrupted, MachineError, RefusedError

    if isinstance(error, GateError | RefusedError):
        return REFUSED
    if isinstance(error, ServingError):
        return SERVER
    if isinstance(error, Interrupted):
        return INTERRUPTED
    # What another error was raised from tells its kind: a TrainingError that names a file may stem from a full disk.
    chain = [link for link in (error, error.__cause__) if link is not None]
    if any(isinstance(link, MachineError | MemoryError) for link in chain):
        return MACHINE
    if any(isinstance(link, OSError) and link.errno in OF_THE_MACHINE for link in chain):
        return MACHINE
    return WRONG
