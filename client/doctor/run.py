"""Checks everything between this machine and a classified frame, one by one, from near to far."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from client.config.settings import find_server, find_tls
from client.doctor.finding import Finding, State, failure, ok, skipped
from client.doctor.http import check_clock, check_sidecar
from client.doctor.machine import check_extras, check_folder, check_out, check_python
from client.doctor.network import (
    Place,
    asks_elsewhere,
    check_name,
    check_ports,
    check_socket,
    check_tls,
    places_of,
)
from client.doctor.server import check_batch, check_card, check_health, check_same, check_versions
from client.errors import ConfigError
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
    places = places_of(address)
    if address.startswith(PREFIX):
        try:
            with server_at(address, model=request.model) as target:
                yield ok("embedded", f"started at {target}")
                yield from _examine_server(target, request.model, None)
        except ServingError as error:
            yield failure("embedded", str(error), "See above.")
    else:
        reached = yield from _reach(address, places, tls)
        if reached is None:
            yield skipped("server", "health, versions, model and batch: the server cannot be reached")
        else:
            yield from _examine_server(address, request.model, tls)
            if len(reached) > 1:
                yield check_same(reached, request.model, tls, name=places[0].host if len(places) == 1 else "")
    if request.sidecar is not None:
        yield from check_sidecar(request.sidecar)
    yield check_clock(_clocks(request, places))


def _reach(address: str, places: list[Place], tls: Tls | None) -> Generator[Finding, None, list[Place] | None]:
    """Goes the way to a server, or to several; gives those it leads to, None if it leads nowhere."""
    if asks_elsewhere(address):
        yield skipped("name", f"{address}: gRPC asks a name server that this machine does not ask")
        return []
    if not places:
        finding = check_socket(address)
        yield finding
        return None if finding.state is State.FAIL else []
    several = len(places) > 1
    if not several:
        named, addresses = check_name(places[0])
        yield named
        places, host = [Place(each, places[0].port) for each in addresses], places[0].host
    if not places:
        return None
    opened, reached = check_ports(places, one_machine=not several)
    yield opened
    if not reached:
        return None
    findings = [check_tls(each if several else Place(host, each.port), each.host, tls) for each in reached]
    order = (State.FAIL, State.WARNING, State.OK)
    spoken = min(findings, key=lambda finding: order.index(finding.state))
    yield spoken
    return None if spoken.state is State.FAIL else reached


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


def _clocks(request: Request, places: list[Place]) -> list[str]:
    urls = [] if request.sidecar is None else [f"{request.sidecar.rstrip('/')}/healthz"]
    for place in places[:1]:
        urls.append(f"http://{Place(place.host, request.rest_port).target}/v1/models/{request.model}")
    return urls
