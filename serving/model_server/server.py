"""Starts and stops the embedded model server.

The port opens when a version answers, and not before: an open port means a usable model. SIGTERM and SIGINT let
running calls finish. TensorFlow is imported on the way, after everything that can be refused without it.
"""

import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from serving.model_server.errors import ConfigurationError, StartError
from serving.model_server.flags import Settings

if TYPE_CHECKING:
    from serving.model_server.health import Health
    from serving.model_server.manager import VersionManager

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 30.0
_TICK_SECONDS = 0.05
_QUEUED_CALLS_PER_THREAD = 16
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else a second server takes the same port, and each gets half of the calls
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # clients that watch over a quiet channel
    ("grpc.keepalive_permit_without_calls", 1),
)


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serves until told to stop.

    Args:
        settings: the flags.
        announce: takes the one line that says the server is ready.

    Returns:
        2 for settings that cannot work. Once TensorFlow is there it does not return but ends the process: with 0
        after an orderly stop, 1 if no model could be served, 2 if the port has been taken meanwhile.
    """
    stop = _StopWish(exit_with_parent=settings.exit_with_parent)
    manager = None
    try:
        if settings.port_file is not None:
            settings.port_file.unlink(missing_ok=True)  # of a server that was killed
        _check_address(settings)
        manager = _start_manager(settings)
        if not stop.wait_unless(manager.is_ready):
            return _leave(manager, settings, 0)
        server, health, where = _open(settings, manager)
    except ConfigurationError as error:
        _log.error("%s", error)
        return _leave(manager, settings, 2)
    except StartError as error:
        _log.error("Failed to start server. Error: %s", error)
        return _leave(manager, settings, 1)
    versions = ", ".join(map(str, manager.available()))
    announce(f"Serving {settings.model_name} version {versions} on {where}")
    stop.wait_unless(lambda: False)
    _log.info("stopping: no new calls, up to %.0f s for the running ones", _DRAIN_SECONDS)
    health.drain()
    server.stop(_DRAIN_SECONDS).wait()
    return _leave(manager, settings, 0)


class _StopWish:
    """Whether the server has been told to stop: by a signal, or by the end of its parent."""

    def __init__(self, *, exit_with_parent: bool) -> None:
        self._asked = False
        # Polled and not PR_SET_PDEATHSIG, which fires when the parent's starting *thread* ends.
        self._parent = os.getppid() if exit_with_parent else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def wait_unless(self, done: Callable[[], bool]) -> bool:
        """Waits for `done`, which may raise; False if told to stop before."""
        while not done():
            if self._asked or (self._parent is not None and os.getppid() != self._parent):
                return False
            time.sleep(_TICK_SECONDS)
        return True

    def _ask(self, number: int, _: object) -> None:
        if self._asked and number == signal.SIGINT:
            os._exit(128 + number)  # the second Ctrl-C: somebody does not want to wait for running calls
        self._asked = True


def _start_manager(settings: Settings) -> "VersionManager":
    from serving.model_server.manager import VersionManager

    manager = VersionManager(settings)
    manager.start()
    return manager


def _open(settings: Settings, manager: "VersionManager") -> tuple[grpc.Server, "Health", str]:
    from serving.model_server.health import Health
    from serving.model_server.services import handlers

    threads = settings.grpc_max_threads
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        options=_OPTIONS,
        maximum_concurrent_rpcs=threads * _QUEUED_CALLS_PER_THREAD,
    )
    server.add_generic_rpc_handlers(handlers(manager))
    health = Health()
    health.add_to(server)
    try:
        port = server.add_insecure_port(_address(settings.host, settings.port))
    except RuntimeError as error:
        # The address was good and the port free before TensorFlow was imported.
        raise _cannot_listen(settings, str(error), errno.EADDRINUSE) from error
    if settings.grpc_socket_path:
        try:
            server.add_insecure_port(f"unix:{settings.grpc_socket_path}")
        except RuntimeError as error:
            raise ConfigurationError(
                f"Cannot listen on --grpc_socket_path={settings.grpc_socket_path}: {error}. Expected a path in a "
                "folder that exists, of up to 107 bytes, that no running server uses."
            ) from error
    server.start()
    if settings.port_file is not None:
        _write_whole(settings.port_file, f"{port}\n")
    where = f"port {port}" + (f" and {settings.grpc_socket_path}" if settings.grpc_socket_path else "")
    return server, health, where


def _check_address(settings: Settings) -> None:
    """Says that host or port cannot be had before TensorFlow takes seconds to import, not after."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except UnicodeError as error:  # a text that can be no host name, such as "a..b"
        raise _cannot_listen(settings, str(error), None) from error
    except OSError as error:
        # A name that cannot be resolved has a number of its own series, which overlaps with those of errno.
        number = None if isinstance(error, socket.gaierror) else error.errno
        raise _cannot_listen(settings, error.strerror or str(error), number) from error


def _cannot_listen(settings: Settings, reason: str, number: int | None) -> ConfigurationError:
    if number == errno.EADDRINUSE:
        advice = "Is another model server running? Choose another port with --port, or any free one with --port=0."
    elif number == errno.EACCES:
        advice = "Choose a port above 1023 with --port, or any free one with --port=0."
    else:
        advice = "Give an address of this machine with --host; 0.0.0.0 listens on all of them."
    return ConfigurationError(f"Cannot listen on port {settings.port} of {settings.host}: {reason}. {advice}")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def _leave(manager: "VersionManager | None", settings: Settings, code: int) -> int:
    if settings.port_file is not None:
        settings.port_file.unlink(missing_ok=True)
    if manager is None:
        return code
    # Not Python's orderly end: under a load in progress, which cannot be interrupted, it crashes, and otherwise it
    # spends 2 to 5 seconds on taking TensorFlow apart. Every call has its answer; there is nothing left to save.
    manager.stop()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
