"""`client config`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from client.commands.options import fail


def _complete_command(context: typer.Context, incomplete: str) -> list[str]:
    root = context.parent
    commands = [] if root is None else root.command.commands  # type: ignore[attr-defined]
    return [name for name in commands if name.startswith(incomplete)]


def config(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="COMMAND",
            help="Show every setting of this command; otherwise what is set for any of them.",
            show_default=False,
            autocompletion=_complete_command,
        ),
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write an example of a config file, with every setting as a comment.")
    ] = False,
    path: Annotated[bool, typer.Option("--path", help="Print where the config file is looked for.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the settings in force, and where each came from.

    A setting is taken from its flag, else from the environment, else from the
    config file, else its default stands. Variables are named after command and
    option: SNOWMODE_CLASSIFY_THREADS; a few, such as SNOWMODE_SERVER, are for
    every command. The file is ~/.config/snowmode/config.toml:

        server = "gpu:8500"

        [classify]
        threads = 4

    Examples:
    client config
    client config classify
    client config --init
    client --config winter.toml config classify
    """
    from client.config.file import defaults_from, in_force
    from client.config.settings import config_file
    from client.config.text import print_rows, rows_of, secret_rows, write_example
    from client.errors import ConfigError
    from radar.errors import SnowmodeError

    file = config_file()
    root = context.parent
    if root is None:
        raise RuntimeError("expected to run below the root command")
    commands = root.command.commands  # type: ignore[attr-defined]
    if path:
        print(file)  # noqa: T201
        return
    try:
        if init:
            write_example(file, commands)
            print(f"Written: {file}")  # noqa: T201
            return
        if command is not None and command not in commands:
            raise ConfigError(f"COMMAND: expected one of {', '.join(commands)}, received {command!r}")
        root.default_map = defaults_from(file, root)  # a file that is wrong is to be said here
        settings = [entry for name in ([command] if command else commands) for entry in in_force(root, name, file)]
    except SnowmodeError as error:
        fail(error)
    rows = rows_of(settings)
    if command is None:
        rows = [row for row in rows if row[3] != "default"]
    rows += secret_rows()
    if as_json:
        keys = ("command", "setting", "value", "from")
        content = {
            "file": str(file),
            "exists": file.is_file(),
            "settings": [dict(zip(keys, row, strict=True)) for row in rows],
        }
        print(json.dumps(content, ensure_ascii=False, indent=1))  # noqa: T201
        return
    print(f"Config file: {file}" + ("" if file.is_file() else " (not there; `client config --init` writes one)"))  # noqa: T201
    if not rows:
        print("Nothing is set: every command uses its defaults. `client config COMMAND` shows them.")  # noqa: T201
        return
    print_rows(rows, with_command=command is None)
