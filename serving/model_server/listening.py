"""Opens the addresses of a model server: gRPC on a port and on a UNIX socket, both with TLS if that is asked for."""

import errno
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from serving.model_server.errors import ConfigurationError
from serving.model_server.flags import Settings
from serving.model_server.tls import credentials

_QUEUED_CALLS_PER_THREAD = 16
# With batching, a call holds its thread while it waits for others to share a batch with. It does nothing there, and
# without room to wait no batch would have more requests than --grpc_max_threads.
_WAITING_CALLS = 128
_LONGEST_SOCKET_PATH = 107  # Linux's
_OPTIONS: dict[str, int | str] = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    "grpc.so_reuseport": 0,  # else a second server takes the same port, and each gets half of the calls
    "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,  # clients that watch over a quiet channel
    "grpc.keepalive_permit_without_calls": 1,
}


def thread_pool(settings: Settings, name: str) -> ThreadPoolExecutor:
    """Makes the threads that answer calls."""
    return ThreadPoolExecutor(_threads(settings), thread_name_prefix=name)


def grpc_server(settings: Settings) -> grpc.Server:
    """Makes a server without services or ports."""
    return grpc.server(
        thread_pool(settings, "grpc"),
        options=[*(_OPTIONS | dict(settings.channel_arguments)).items()],
        maximum_concurrent_rpcs=_threads(settings) * _QUEUED_CALLS_PER_THREAD,
    )


def listen(server: grpc.Server, settings: Settings) -> int:
    """Gives a server its port and its UNIX socket.

    Returns:
        The port.

    Raises:
        ConfigurationError: if one of them cannot be had.
    """
    try:
        port = _add(server, _address(settings.host, settings.port), settings)
    except RuntimeError as error:
        # The address was good and the port free before TensorFlow was imported.
        raise _cannot_listen(settings, settings.port, str(error), errno.EADDRINUSE) from error
    if settings.grpc_socket_path:
        # Once more: loading took a while, and gRPC takes a path away from whoever listens there.
        _check_socket(settings.grpc_socket_path)
        try:
            _add(server, f"unix:{settings.grpc_socket_path}", settings)
        except RuntimeError as error:
            raise _no_socket(settings.grpc_socket_path, f"gRPC says {error}") from error
    return port


def check_address(settings: Settings) -> None:
    """Says that host, port or socket cannot be had before TensorFlow takes seconds to import, not after.

    Raises:
        ConfigurationError: if so.
    """
    _check_port(settings, settings.port)
    if settings.rest_api_port:
        _check_port(settings, settings.rest_api_port)
    if settings.grpc_socket_path:
        _check_socket(settings.grpc_socket_path)


def _add(server: grpc.Server, address: str, settings: Settings) -> int:
    if settings.ssl_config is None:
        return int(server.add_insecure_port(address))
    return int(server.add_secure_port(address, credentials(settings.ssl_config)))


def _threads(settings: Settings) -> int:
    return settings.grpc_max_threads + (_WAITING_CALLS if settings.enable_batching else 0)


def _check_port(settings: Settings, port: int) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, port))
    except UnicodeError as error:  # a text that can be no host name, such as "a..b"
        raise _cannot_listen(settings, port, str(error), None) from error
    except OSError as error:
        # A name that cannot be resolved has a number of its own series, which overlaps with those of errno.
        number = None if isinstance(error, socket.gaierror) else error.errno
        raise _cannot_listen(settings, port, error.strerror or str(error), number) from error


def _check_socket(text: str) -> None:
    path, size = Path(text), len(os.fsencode(text))
    if size > _LONGEST_SOCKET_PATH:
        raise _no_socket(
            text, f"it is {size} bytes long, and {_LONGEST_SOCKET_PATH} are the most; choose a shorter one"
        )
    if not path.parent.is_dir():
        raise _no_socket(text, f"there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _no_socket(text, f"the folder {path.parent} cannot be written to; choose another")
    if path.exists() and not path.is_socket():
        raise _no_socket(text, "that is no socket but something else; choose another path, or remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a server that is overwhelmed would let us wait
        try:
            probe.connect(text)
        except (FileNotFoundError, ConnectionRefusedError):  # nobody listens; one that was killed may have left it
            return
        except BlockingIOError:
            pass
        except OSError as error:
            raise _no_socket(text, f"{error.strerror or error}; choose another path") from error
    # gRPC would take the path away from that server, which would go on waiting for calls that never come.
    raise _no_socket(text, "another server listens there; stop it, or choose another path")


def _no_socket(path: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"Cannot listen on --grpc_socket_path={path}: {reason}")


def _cannot_listen(settings: Settings, port: int, reason: str, number: int | None) -> ConfigurationError:
    choices = "with --port, or any free one with --port=0"
    if port == settings.rest_api_port:
        choices = "with --rest_api_port"
    if number == errno.EADDRINUSE:
        advice = f"Is another model server running? Choose another port {choices}."
    elif number == errno.EACCES:
        advice = f"Choose a port above 1023 {choices}."
    else:
        advice = "Give an address of this machine with --host; 0.0.0.0 listens on all of them."
    return ConfigurationError(f"Cannot listen on port {port} of {settings.host}: {reason}. {advice}")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
