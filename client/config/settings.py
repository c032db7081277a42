"""Where the client finds its server, its certificates and its config file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.errors import ConfigError
from serving.protocol.targets import TargetError, check_tls_target, read_target

if TYPE_CHECKING:
    from serving.protocol.tls import Tls

SERVER_VARIABLE = "SNOWMODE_SERVER"
CONFIG_VARIABLE = "SNOWMODE_CONFIG"
DEFAULT_SERVER = "localhost:8500"


def config_file() -> Path:
    """Gives the path of the config file, whether it exists or not."""
    if chosen := os.environ.get(CONFIG_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "snowmode" / "config.toml"


def read_config(path: Path) -> dict[str, Any]:
    """Reads the config file; see `client.config.file` for what may stand in it.

    Returns:
        Its contents; nothing if it is not there and nobody asked for it.

    Raises:
        ConfigError: It cannot be read, or the file somebody asked for is not there.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if os.environ.get(CONFIG_VARIABLE):
            raise ConfigError(
                f"{path}: there is no such config file. Write one: client --config {path} config --init"
            ) from error
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a config file: {error}") from error


def find_server(flag: str | None) -> tuple[str, str]:
    """Finds the model server's address: flag, environment, config file, default, in this order.

    Args:
        flag: Value of the option, whichever of the first three it came from; None if none of them has one.

    Returns:
        The address, and in words where it came from.

    Raises:
        ConfigError: It is no address, or the config file cannot be read or holds something else.
    """
    if flag and flag == os.environ.get(SERVER_VARIABLE):
        return _checked(flag, SERVER_VARIABLE), SERVER_VARIABLE
    if not flag and (from_environment := os.environ.get(SERVER_VARIABLE)):
        return _checked(from_environment, SERVER_VARIABLE), SERVER_VARIABLE
    path = config_file()
    if flag:
        source = str(path) if flag in _servers_in(path) else "--server"
        return _checked(flag, source), source
    server = read_config(path).get("server")
    if server is None:
        return DEFAULT_SERVER, "the default"
    if not isinstance(server, str) or not server:
        raise ConfigError(f'{path}: expected a line such as server = "localhost:8500", received {server!r}')
    return _checked(server, str(path)), str(path)


def find_tls(authority: Path | None, certificate: Path | None, key: Path | None, address: str) -> Tls | None:
    """Reads the certificates a server is spoken to with.

    Args:
        authority: PEM file of the option `--tls-ca`; None speaks plain text.
        certificate: Of `--tls-cert`; None shows none.
        key: Of `--tls-key`.
        address: The server; one embedded in this run always speaks plain text.

    Returns:
        None for plain text.

    Raises:
        ConfigError: A file cannot be read or holds something else, or they do not belong together.
    """
    from serving.protocol.tls import TlsError, read_tls

    if address.startswith("embedded:"):
        return None
    try:
        tls = read_tls(authority, certificate, key)
        if tls is not None:
            check_tls_target(address)
        return tls
    except (TlsError, TargetError) as error:
        raise ConfigError(str(error)) from error


def _servers_in(path: Path) -> list[object]:
    try:
        table = read_config(path)
    except ConfigError:
        return []  # whoever reads settings from it says so; here it only matters that the flag is not from there
    return [table.get("server"), *(part.get("server") for part in table.values() if isinstance(part, dict))]


def _checked(server: str, source: str) -> str:
    try:
        return read_target(server)
    except TargetError as error:
        raise ConfigError(f"{source}: {error}") from error
