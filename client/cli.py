"""The `client` command: its subcommands, each in a thin module of `client.commands`."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from client.commands.bench import bench
from client.commands.cam import cam
from client.commands.classify import classify
from client.commands.config import config as show_config
from client.commands.describe import describe
from client.commands.doctor import doctor
from client.commands.evaluate import evaluate
from client.commands.merge import merge
from client.commands.models import models
from client.commands.record import record
from client.commands.render import render
from client.commands.sort import sort
from client.commands.stats import stats
from client.commands.watch import watch

app = typer.Typer(
    name="client",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Sorts radar composites of a winter into snowfall modes, with the help of a model server.",
    epilog="Exit codes: 0 done; 1 done, but --strict found bad frames or gaps, or no frame could be classified; "
    "2 wrong settings or input, nothing was started (of several folders, those that failed were left out); "
    "3 the model server; 4 the results cannot be written; "
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
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="SNOWMODE_CONFIG",
            metavar="FILE",
            help="Config file, instead of ~/.config/snowmode/config.toml. `client config --init` writes one.",
            show_default=False,
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Takes the options that stand before a command, and lets the config file give the others defaults."""
    from client.commands.options import fail
    from client.config.file import defaults_from, name_variables
    from client.config.settings import CONFIG_VARIABLE, config_file
    from client.errors import ConfigError

    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)  # whoever looks for settings later looks there
    name_variables(context.command)
    try:
        context.default_map = defaults_from(config_file(), context)
    except ConfigError as error:
        # Help is wanted most when something is wrong; the other two say themselves what is.
        if context.invoked_subcommand in {"config", "doctor"} or {"-h", "--help"} & set(sys.argv):
            return
        fail(error)


for _command in (
    *(classify, watch, render, merge, evaluate, stats, record, sort, cam),
    *(describe, models, doctor, bench),
):
    app.command()(_command)

app.command("config")(show_config)
