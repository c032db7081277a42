"""Shows settings in force, and writes an example of a config file."""

from __future__ import annotations

import enum
import json
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.config.file import Setting, choices_of, settings_of
from client.config.settings import DEFAULT_SERVER
from client.errors import ConfigError, OutputError
from radar import durable

Row = tuple[str, str, str, str]  # command, key, value, where from

_SECRET = re.compile(r"token|secret|password|passphrase|private", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET_VARIABLES = ("SNOWMODE_TOKEN",)

_EXAMPLES = {"server": DEFAULT_SERVER, "sidecar": "http://localhost:8080"}
_SHARED = ("server", "model", "tls-ca", "tls-cert", "tls-key", "sidecar", "zone")

_HEAD = """\
# Settings of the `client` command. Take the # away from lines you want; the values are examples, mostly the defaults.
# Flags and variables of the environment (SNOWMODE_SERVER, SNOWMODE_CLASSIFY_THREADS, ...) go before this file.
# `client config` shows what is in force and where it came from.

# For every command that has the option:
"""


def rows_of(settings: Sequence[tuple[Setting, Any, str]]) -> list[Row]:
    """Writes settings in force as text; what is secret is not among it."""
    return [(setting.command, setting.key, _value(setting, value), where) for setting, value, where in settings]


def secret_rows() -> list[Row]:
    """Tells which secrets are set, not what they are."""
    return [("", name, "(set, not shown)", name) for name in _SECRET_VARIABLES if os.environ.get(name)]


def print_rows(rows: Sequence[Row], *, with_command: bool) -> None:
    """Prints a table of settings."""
    console = Console(soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("command",) * with_command + ("setting", "value", "from"):
        table.add_column(name, overflow="fold")
    for command, key, value, where in rows:
        style = "dim" if where == "default" else ""
        cells = (command,) * with_command + (key, value, where)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    console.print(table)


def _value(setting: Setting, value: Any) -> str:
    if value in (None, [], ""):
        if setting.key == "server":
            return DEFAULT_SERVER
        return setting.option.show_default if isinstance(setting.option.show_default, str) else "-"
    if _SECRET.search(setting.key):
        return "(set, not shown)"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(entry) for entry in value)
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value.value if isinstance(value, enum.Enum) else value)
    return _CREDENTIALS.sub("***@", text)


def example(commands: Mapping[str, Any]) -> str:
    """Makes a config file in which every setting stands as a comment.

    Args:
        commands: The command line's own objects by name.
    """
    known = {name: settings_of(name, command) for name, command in commands.items()}
    parts = [_HEAD]
    for key in _SHARED:
        setting = next((settings[key] for settings in known.values() if key in settings), None)
        if setting is not None:
            parts.append(_entry(setting))
    for name, settings in known.items():
        own = [_entry(setting) for key, setting in settings.items() if key not in _SHARED]
        if own:
            parts += [f"\n[{name}]\n", *own]
    return "".join(parts)


def _entry(setting: Setting) -> str:
    explanation = " ".join((setting.option.help or "").split())
    lines = textwrap.wrap(explanation, 100, initial_indent="#   ", subsequent_indent="#   ")
    return "\n".join([f"# {setting.key} = {_example_value(setting)}", *lines, ""])


def _example_value(setting: Setting) -> str:
    value = _EXAMPLES.get(setting.key, setting.option.default)
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or value == []:
        choices = choices_of(setting.kind)
        numbers = {bool: False, int: 1, float: 10.0}
        if choices:
            value = choices[0]
        elif setting.kind is datetime:
            value = "2015-11-01T00:00Z"
        else:
            value = numbers.get(setting.kind, setting.option.metavar or "TEXT")
    if setting.several and not isinstance(value, list | tuple):
        value = [value]
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)  # as TOML writes it too


def write_example(path: Path, commands: Mapping[str, Any]) -> None:
    """Writes the example where no file is yet.

    Raises:
        ConfigError: There is a file already.
        OutputError: It cannot be written.
    """
    if path.exists():
        raise ConfigError(f"{path} is there already and stays as it is; edit it, or name another with --config FILE")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_text(path, example(commands))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
