"""The config file: what may stand in it, and how it becomes defaults of options.

    server = "gpu:8500"       # for every command that has the option --server

    [classify]                # for `client classify` alone
    threads = 4

Keys are the long names of options without the dashes. What the file says stands behind flags and the environment; the
command line's own mechanism (`default_map`) does that.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import os
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer

from client.config.settings import read_config
from client.errors import ConfigError

_NOT_IN_FILES = {"help", "config", "version"}


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of a command that may be set in the environment and in the config file.

    Attributes:
        command: Name of the command.
        key: Its name in the file: the long flag without dashes.
        option: The command line's own object.
        kind: Type of one value.
        several: Whether it may be given several times.
    """

    command: str
    key: str
    option: Any
    kind: Any
    several: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables it is read from, the first that is set counts."""
        named = self.option.envvar
        return (named,) if isinstance(named, str) else tuple(named or ())


def settings_of(name: str, command: Any) -> dict[str, Setting]:
    """Lists the settings of a command by key.

    Args:
        name: Name of the command.
        command: The command line's own object.
    """
    hints = typing.get_type_hints(inspect.unwrap(command.callback))
    return {
        key: Setting(name, key, option, *_kind(hints[option.name])) for key, option in _options_of(command).items()
    }


def _options_of(command: Any) -> dict[str, Any]:
    found = {}
    for option in command.params:
        flags = [flag.removeprefix("--") for flag in option.opts if flag.startswith("--")]
        if option.param_type_name == "option" and flags and flags[0] not in _NOT_IN_FILES:
            found[flags[0]] = option
    return found


def name_variables(group: Any) -> None:
    """Lets every option of every command be set by a variable: SNOWMODE_COMMAND_OPTION.

    Options that have a variable of their own keep it, and the help names only those.
    """
    for name, command in group.commands.items():
        for key, option in _options_of(command).items():
            if option.envvar is None:
                option.envvar = f"SNOWMODE_{name}_{key}".replace("-", "_").upper()
                option.show_envvar = False


def defaults_from(path: Path, context: Any) -> dict[str, dict[str, Any]]:
    """Reads and checks the whole config file.

    Args:
        path: The file; it need not be there unless somebody asked for it.
        context: Of the root command.

    Returns:
        Command to name of parameter to value, as `default_map` wants it.

    Raises:
        ConfigError: The file cannot be read, has a key that is none, or a value that is none.
    """
    table = read_config(path)
    if not table:
        return {}
    commands: Mapping[str, Any] = context.command.commands
    known = {name: settings_of(name, command) for name, command in commands.items()}
    shared = {key: value for key, value in table.items() if key not in known}
    names = sorted({key for settings in known.values() for key in settings})
    for key in shared:
        if key not in names:
            raise ConfigError(
                f"{path}: {key}: no command has this option or this name; "
                f"{_near(key, [*names, *known]) or 'expected an option of a command, without dashes, or [COMMAND]'}"
            )
    defaults: dict[str, dict[str, Any]] = {}
    for command, settings in known.items():
        own = table.get(command, {})
        if not isinstance(own, dict):
            raise ConfigError(f"{path}: {command}: expected a table, [{command}], received {own!r}")
        for key in own:
            if key not in settings:
                raise ConfigError(
                    f"{path}: [{command}] {key}: `client {command}` has no such option; "
                    f"{_near(key, list(settings)) or 'expected one of ' + ', '.join(sorted(settings))}"
                )
        chosen = {key: value for key, value in {**shared, **own}.items() if key in settings}
        defaults[command] = {
            settings[key].option.name: _checked(settings[key], value, path, context, shared=key not in own)
            for key, value in chosen.items()
        }
    return defaults


def _checked(setting: Setting, value: Any, path: Path, context: Any, *, shared: bool) -> Any:
    where = f"{path}: {setting.key}" if shared else f"{path}: [{setting.command}] {setting.key}"
    values = value if setting.several and isinstance(value, list) else [value]
    taken = [_converted(setting, entry, where) for entry in values]
    result = taken if setting.several else taken[0]
    try:
        setting.option.process_value(context, result)  # ranges and choices, as for flags
    except typer.BadParameter as error:
        raise ConfigError(f"{where}: {error.format_message()}") from error
    return result


def _converted(setting: Setting, value: Any, where: str) -> Any:
    """Gives a TOML value as the command line takes it, or says what was expected."""
    kind = setting.kind
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and type(value) is int:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is datetime and isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if kind is Path and isinstance(value, str):
        return os.path.expanduser(value)  # noqa: PTH111  (no shell does it here)
    if kind not in (bool, int, float, Path) and isinstance(value, str) and value in (choices_of(kind) or (value,)):
        return value
    several = "one or a list of " if setting.several else ""
    raise ConfigError(f"{where}: expected {several}{expected(kind)}, received {value!r}")


def expected(kind: Any) -> str:
    """Says in words what a value of a setting is."""
    words = {bool: "true or false", int: "a whole number", float: "a number", datetime: "a time", Path: "a path"}
    if choices := choices_of(kind):
        return ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
    return words.get(kind, "text in quotes")


def choices_of(kind: Any) -> tuple[str, ...]:
    """Lists the values a setting may have, none where they are not a list."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(str(member.value) for member in kind)
    if typing.get_origin(kind) is typing.Literal:
        return tuple(map(str, typing.get_args(kind)))
    return ()


def _kind(hint: Any) -> tuple[Any, bool]:
    """Takes `X | None` and `list[X]` apart."""
    several = False
    while True:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            hint = next(entry for entry in arguments if entry is not type(None))
        elif origin in (list, tuple):
            hint, several = arguments[0], True
        elif origin is typing.Annotated:
            hint = arguments[0]
        else:
            return hint, several


def _near(key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key.replace("_", "-"), allowed, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def in_force(context: Any, command: str, path: Path) -> Iterator[tuple[Setting, Any, str]]:
    """Tells every setting of a command as it would be used without flags.

    Args:
        context: Of the root command, after `defaults_from`.
        command: Name of the command.
        path: The config file.

    Yields:
        The setting, its value as it was written (None: nothing), and where it came from.
    """
    target = context.command.commands[command]
    inner = typer.Context(target, info_name=command, parent=context)
    own = read_config(path).get(command, {})
    for key, setting in settings_of(command, target).items():
        value, source = setting.option.consume_value(inner, {})
        where = "default"
        if source.name == "ENVIRONMENT":
            where = next(name for name in setting.variables if os.environ.get(name))
        elif source.name == "DEFAULT_MAP":
            where = f"{path} [{command}]" if key in own else str(path)
        yield setting, value, where
