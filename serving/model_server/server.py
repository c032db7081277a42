"""Starts and stops the embedded model server.

The port opens when every model answers, and not before: an open port means usable models. SIGTERM, SIGINT and SIGHUP
(the terminal closes) let running calls finish; what gRPC has received at that moment and not handed over yet it ends
with CANCELLED. TensorFlow is imported on the way, after everything that can be refused without it.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc

from serving.model_server import memory
from serving.model_server.errors import ConfigurationError, StartError
from serving.model_server.flags import Settings
from serving.model_server.listening import check_address, grpc_server, listen, thread_pool

if TYPE_CHECKING:
    from serving.model_server.health import Health
    from serving.model_server.manager import ModelManager
    from serving.model_server.rest import RestServer

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 30.0
_TICK_SECONDS = 0.05
_METRICS_PATH = "/monitoring/prometheus/metrics"


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
        check_address(settings)
        memory.prepare()
        manager = _start_manager(settings)
        if not stop.wait_unless(manager.is_ready):
            return _leave(manager, settings, 0)
        opened = _open(settings, manager)
    except ConfigurationError as error:
        _log.error("%s", error)
        return _leave(manager, settings, 2)
    except StartError as error:
        _log.error("Failed to start server. Error: %s", error)
        return _leave(manager, settings, 1)
    served = [f"{name} version {', '.join(map(str, numbers))}" for name, numbers in manager.available().items()]
    announce(f"Serving {'; '.join(served) or 'no model'} on {opened.where}")
    stop.wait_unless(lambda: False)
    _log.info("stopping: no new calls, up to %.0f s for the running ones", _DRAIN_SECONDS)
    if opened.health is not None:
        opened.health.drain()
    manager.stop()
    stopped = opened.server.stop(_DRAIN_SECONDS)
    if opened.rest is not None:
        opened.rest.stop(_DRAIN_SECONDS)
    stopped.wait()
    return _leave(manager, settings, 0)


class _StopWish:
    """Whether the server has been told to stop: by a signal, or by the end of its parent."""

    def __init__(self, *, exit_with_parent: bool) -> None:
        self._asked = False
        # Polled and not PR_SET_PDEATHSIG, which fires when the parent's starting *thread* ends.
        self._parent = os.getppid() if exit_with_parent else None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
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


def _start_manager(settings: Settings) -> "ModelManager":
    from serving.model_server.manager import ModelManager

    # When a version is unloaded, its graph is collected, and meanwhile nobody gets an answer: 0.15 s if TensorFlow's
    # own objects are looked through, microseconds if not (measured).
    gc.freeze()
    manager = ModelManager(settings)
    manager.start()
    return manager


class _Opened(NamedTuple):
    server: grpc.Server
    health: "Health | None"
    rest: "RestServer | None"
    where: str


def _open(settings: Settings, manager: "ModelManager") -> _Opened:
    from serving.model_server.answers import Answers
    from serving.model_server.health import Health
    from serving.model_server.services import handlers

    server = grpc_server(settings)
    answers = Answers(manager, as_content=settings.enable_serialization_as_tensor_content)
    bulk_pool = thread_pool(settings, "bulk") if settings.enable_batching else None
    server.add_generic_rpc_handlers(handlers(answers, bulk_pool=bulk_pool))
    health = Health() if settings.enable_grpc_healthcheck_service else None
    if health is not None:
        health.add_to(server)
    port = listen(server, settings)
    rest = _open_rest(settings, manager)
    server.start()
    if settings.port_file is not None:
        _write_whole(settings.port_file, f"{port}\n")
    where = [f"port {port}"]
    if settings.grpc_socket_path:
        where.append(settings.grpc_socket_path)
    if rest is not None:
        where.append(f"REST port {rest.port}")
    return _Opened(server, health, rest, " and ".join(where))


def _open_rest(settings: Settings, manager: "ModelManager") -> "RestServer | None":
    monitoring = settings.monitoring_config.prometheus_config
    if not settings.rest_api_port:
        if monitoring.enable:
            _log.warning("nobody can read the page of --monitoring_config_file: it needs --rest_api_port")
        return None
    from serving.model_server.rest import RestApplication, RestServer

    application = RestApplication(
        manager,
        timeout=settings.rest_api_timeout_in_ms / 1000,
        metrics_path=(monitoring.path or _METRICS_PATH) if monitoring.enable else "",
    )
    return RestServer(
        application, host=settings.host, port=settings.rest_api_port, threads=settings.rest_api_num_threads
    )


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def _leave(manager: "ModelManager | None", settings: Settings, code: int) -> int:
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
