"""Reads a command line as tensorflow_model_server does, except that a typing error is one."""

from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches

from radar.errors import SnowmodeError
from serving.model_server.ignored_flags import IGNORED, IGNORED_SWITCHES

_VALUES = ("true", "false")
_BARE = ("help", "version")


class UnknownFlag(SnowmodeError):  # noqa: N818  (reads better than UnknownFlagError)
    """A flag that is neither ours nor TensorFlow Serving's."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What is left to parse as `--flag=value` or `--flag value`, and the flags that are set aside."""

    arguments: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_command_line(arguments: Collection[str], flags: Collection[str], switches: Collection[str]) -> CommandLine:
    """Sets flags without effect aside and completes `--switch` to `--switch=true`.

    Args:
        arguments: the command line.
        flags: every flag this server has, without dashes.
        switches: those that are true or false, and may stand alone.

    Raises:
        UnknownFlag: if a flag is neither ours nor TensorFlow Serving's.
    """
    line = CommandLine()
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, has_value, given = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not name or name in _BARE:
            line.arguments.append(argument)
            continue
        if name not in flags and name not in IGNORED:
            raise UnknownFlag(_unknown(name, [*flags, *IGNORED]))
        stands_alone = (name in switches or name in IGNORED_SWITCHES) and "".join(waiting[:1]) not in _VALUES
        if has_value:
            value = [given]
        elif stands_alone:
            value = ["true"]
        else:
            value = [waiting.pop(0)] if waiting else []  # without one, typer says what is missing
        if name in IGNORED:
            line.ignored.append(name)
        else:
            line.arguments.append("=".join([f"--{name}", *value]))
    return line


def _unknown(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean --{close[0]}?" if close else "See --help."
    return f"No such flag: --{name}, neither here nor in TensorFlow Serving. {hint}"
