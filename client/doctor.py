"""Checks everything between this machine and a classified frame, one by one, from near to far."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from client.doctor_finding import Finding, State, failure, ok, skipped
from client.doctor_http import check_clock, check_sidecar
from client.doctor_machine import check_extras, check_folder, check_out, check_python
from client.doctor_network import Place, check_name, check_ports, check_socket, check_tls, place_of
from client.doctor_server import check_batch, check_card, check_health, check_versions
from client.errors import ConfigError
from client.settings import find_server, find_tls
from serving.protocol.connection import Connection, Timeouts
from serving.protocol.embedded import PREFIX, server_at
from serving.protocol.errors import ServingError
from serving.protocol.inventory import Inventory
from serving.protocol.tls import Tls

_REST_PORT = 8501
_TIMEOUTS = Timeouts(describe=10.0, predict=30.0)


@dataclass(frozen=True, slots=True)
class Request:
    """What to look at.

    Attributes:
        server: Value of the option `--server`.
        model: Name of the model.
        tls_ca: Value of the option `--tls-ca`.
        tls_cert: Of `--tls-cert`.
        tls_key: Of `--tls-key`.
        sidecar: Address of the sidecar; None for none.
        folder: Folder of frames; None for none.
        out: Folder results would go to.
        rest_port: Port of the server's REST interface, to compare clocks.
    """

    server: str | None = None
    model: str = "snowmode"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    sidecar: str | None = None
    folder: Path | None = None
    out: Path = Path()
    rest_port: int = _REST_PORT


def examine(request: Request) -> Iterator[Finding]:
    """Checks everything; yields each finding as soon as it is there."""
    yield check_python()
    yield check_extras()
    if request.folder is not None:
        yield from check_folder(request.folder)
    yield from check_out(request.out, 20_000)
    try:
        address, source = find_server(request.server)
        tls = find_tls(request.tls_ca, request.tls_cert, request.tls_key, address)
    except ConfigError as error:
        yield failure("server", str(error), "Correct it; `client config` shows what is in force.")
        return
    yield ok("server", f"{address}, from {source}")
    place = place_of(address)
    if address.startswith(PREFIX):
        try:
            with server_at(address, model=request.model) as target:
                yield ok("embedded", f"started at {target}")
                yield from _examine_server(target, request.model, None)
        except ServingError as error:
            yield failure("embedded", str(error), "See above.")
    elif (yield from _reach(address, place, tls)):
        yield from _examine_server(address, request.model, tls)
    else:
        yield skipped("server", "health, versions, model and batch: the server cannot be reached")
    if request.sidecar is not None:
        yield from check_sidecar(request.sidecar)
    yield check_clock(_clocks(request, place))


def _reach(address: str, place: Place | None, tls: Tls | None) -> Generator[Finding, None, bool]:
    """Goes the way to a server; tells at the end whether it leads there."""
    if place is None:
        finding = check_socket(address)
        yield finding
        return finding.state is not State.FAIL
    named, addresses = check_name(place)
    yield named
    if not addresses:
        return False
    opened, reached = check_ports(addresses, place.port)
    yield opened
    if not reached:
        return False
    spoken = check_tls(place, reached[0], tls)
    yield spoken
    return spoken.state is not State.FAIL


def _examine_server(target: str, model: str, tls: Tls | None) -> Iterator[Finding]:
    with (
        Inventory(target, tls=tls, timeout=5.0) as inventory,
        Connection(target, model=model, timeouts=_TIMEOUTS, tls=tls) as connection,
    ):
        health = check_health(inventory)
        yield health
        if health.state is State.FAIL:
            yield skipped("server", "versions, model and batch: it does not take calls")
            return
        yield check_versions(inventory, model)
        finding, served = check_card(inventory, connection)
        yield finding
        if served is None:
            yield skipped("batch", "there is no model to send it to")
        else:
            yield check_batch(connection, served.card)


def _clocks(request: Request, place: Place | None) -> list[str]:
    urls = [] if request.sidecar is None else [f"{request.sidecar.rstrip('/')}/healthz"]
    if place is not None:
        host = f"[{place.host}]" if ":" in place.host else place.host
        urls.append(f"http://{host}:{request.rest_port}/v1/models/{request.model}")
    return urls
