"""Where the client finds its server: flag, environment, config file, default, in this order."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from client.errors import ConfigError

SERVER_VARIABLE = "SNOWMODE_SERVER"
DEFAULT_SERVER = "localhost:8500"

_ADDRESS = re.compile(r"embedded:.+|(unix|unix-abstract|dns|ipv4|ipv6):.+|[^/:]+:[0-9]+|\[[0-9A-Fa-f:.]+\]:[0-9]+")


def config_file() -> Path:
    """Gives the path of the config file, whether it exists or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "snowmode" / "config.toml"


def find_server(flag: str | None) -> tuple[str, str]:
    """Finds the model server's address.

    Args:
        flag: What the user wrote on the command line, if anything. Its option reads the environment too.

    Returns:
        The address, and in words where it came from.

    Raises:
        ConfigError: The config file cannot be read or holds something else.
    """
    if flag:
        # The option reads the variable too.
        source = SERVER_VARIABLE if flag == os.environ.get(SERVER_VARIABLE) else "--server"
        return _checked(flag, source), source
    if from_environment := os.environ.get(SERVER_VARIABLE):
        return _checked(from_environment, SERVER_VARIABLE), SERVER_VARIABLE
    path = config_file()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return DEFAULT_SERVER, "the default"
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a config file: {error}") from error
    unknown = sorted(set(table) - {"server"})
    if unknown:
        raise ConfigError(f"{path}: expected only the key server, received {', '.join(unknown)}")
    server = table.get("server", DEFAULT_SERVER)
    if not isinstance(server, str) or not server:
        raise ConfigError(f'{path}: expected a line such as server = "localhost:8500", received {server!r}')
    return _checked(server, str(path)), str(path)


def _checked(server: str, source: str) -> str:
    if not _ADDRESS.fullmatch(server):
        raise ConfigError(f"{source}: expected HOST:PORT or embedded:FOLDER, received {server!r}")
    return server
