"""Running the sidecar as a process: the parts opened, the port listened on, and all of it ended in peace."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from radar.durable import write_text
from serving.protocol.embedded import server_at
from serving.sidecar.app import create_app
from serving.sidecar.errors import SettingsError
from serving.sidecar.services import open_services
from serving.sidecar.settings import Settings

_KEEP_ALIVE_SECONDS = 30
_BACKLOG = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how the sidecar listens.

    Attributes:
        host: Address or name of this machine.
        port: 0 picks a free one.
        port_file: Gets the port once it answers.
        proxies: Whose X-Forwarded-For and X-Forwarded-Proto are believed.
        stop_within: Seconds that requests may take to finish.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    port_file: Path | None = None
    proxies: tuple[str, ...] = ()
    stop_within: float = 20.0


def run(settings: Settings, listening: Listening) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        SettingsError: The port, the archive or the database cannot be used; nothing was started.
        EmbeddedServerError: The model server of its own did not start.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listener(listening))  # first: nothing else is worth starting without it
        address = stack.enter_context(server_at(settings.server, model=settings.model))
        settings = settings.model_copy(update={"server": address})
        services = stack.enter_context(open_services(settings))
        host, port = listener.getsockname()[:2]

        def announce() -> None:
            shown = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1", "::1") else host
            _log.info(
                "listening on %s port %d: http://%s:%d/", host, port, f"[{shown}]" if ":" in shown else shown, port
            )
            if listening.port_file is not None:
                write_text(listening.port_file, f"{port}\n")

        _warn(settings, host)
        config = uvicorn.Config(
            create_app(services),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=bool(listening.proxies),
            forwarded_allow_ips=list(listening.proxies),
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(listening.stop_within)),
        )
        server = _Server(config, announce)
        with _stopped_by_signals(server):
            server.run(sockets=[listener])
        if not server.started:
            raise SettingsError("The sidecar could not be started; the reason stands above")
        _log.info("stopped listening")
    _log.info("stopped")


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


@contextlib.contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Makes a signal an end like any other.

    uvicorn raises a signal once more when it has stopped, so that the process dies of it; with a handler of our own
    beneath its own one the process ends by itself, with code 0.
    """

    def stop(_number: int, _frame: Any) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _listener(listening: Listening) -> Iterator[socket.socket]:
    try:
        found = socket.getaddrinfo(
            listening.host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(
            f"--host: expected an address of this machine, received {listening.host!r}: {error}"
        ) from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            hint = {
                errno.EADDRINUSE: "something else listens there; name another one with --port",
                errno.EACCES: "ports below 1024 need root; name another one with --port",
                errno.EADDRNOTAVAIL: "this machine does not have that address; see --host",
            }.get(error.errno or 0, os.strerror(error.errno or 0))
            raise SettingsError(f"Cannot listen on {listening.host} port {listening.port}: {hint}") from error
        yield listener


def _warn(settings: Settings, host: str) -> None:
    if not (settings.tokens or settings.read_only or host in ("127.0.0.1", "::1")):
        _log.warning(
            "everybody who reaches %s may write: give --token, --token-file or --read-only, or listen on 127.0.0.1",
            host,
        )
    if settings.archive is None:
        _log.warning("no --archive: pictures and heat maps of stored frames are not shown")
