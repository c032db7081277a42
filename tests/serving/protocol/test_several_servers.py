"""Several servers behind one target: who gets the calls, and what becomes of them when servers go and come.

The servers here are small gRPC servers; the drill does the same with model servers (`tests/drill/servers.py`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from serving.protocol import wire
from serving.protocol.channel import open_channel
from serving.protocol.connection import Connection
from serving.protocol.pipeline import Classifier
from serving.protocol.targets import read_target
from serving.protocol.tls import Tls, read_tls
from tests.client.hosting import hosting
from tests.client.watch.watching import until
from tests.conftest import write_frames
from tests.drill.name_server import NameServer, name_server
from tests.serving.model_server import certificates

NAME = "model-server.test"


class Servers:
    """Servers that answer with the address they stand at, all on one port."""

    def __init__(self) -> None:
        self.port = 0
        self.credentials: grpc.ServerCredentials | None = None
        self._running: dict[str, grpc.Server] = {}

    def start(self, host: str, *, age_ms: int = 3_600_000) -> None:
        options = [("grpc.so_reuseport", 0), ("grpc.max_connection_age_ms", age_ms)]
        server = grpc.server(ThreadPoolExecutor(2), options=options)
        handler = grpc.unary_unary_rpc_method_handler(lambda *_: host.encode())
        service = wire.PREDICT.rpartition("/")[0].strip("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Predict": handler}),))
        address = f"{host}:{self.port}"
        if self.credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, self.credentials)
        server.start()
        self._running[host] = server

    def stop(self, host: str) -> None:
        self._running.pop(host).stop(None).wait()

    def end(self) -> None:
        for host in list(self._running):
            self.stop(host)


@pytest.fixture
def servers() -> Iterator[Servers]:
    some = Servers()
    try:
        yield some
    finally:
        some.end()


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as one:
        yield one


@contextlib.contextmanager
def asking(target: str, tls: Tls | None = None) -> Iterator[Callable[[], str]]:
    """Gives a function that makes one call and tells who answered."""
    with open_channel(target, tls=tls) as channel:
        call = channel.unary_unary(wire.PREDICT)
        yield lambda: call(b"", timeout=20).decode()


def test_calls_go_to_all_addresses_in_turn_and_past_those_that_are_gone(servers: Servers) -> None:
    for host in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
        servers.start(host)
    target = read_target(",".join(f"127.0.0.{n}:{servers.port}" for n in (2, 3, 4)))
    with asking(target) as ask:
        until(lambda: len({ask() for _ in range(3)}) == 3, "all three are connected to")
        assert Counter(ask() for _ in range(30)) == {"127.0.0.2": 10, "127.0.0.3": 10, "127.0.0.4": 10}
        servers.stop("127.0.0.3")
        assert {ask() for _ in range(30)} == {"127.0.0.2", "127.0.0.4"}
        servers.start("127.0.0.3")
        until(lambda: ask() == "127.0.0.3", "the server that came back gets calls")


def test_every_address_of_a_name_gets_calls(servers: Servers, names: NameServer) -> None:
    servers.start("127.0.0.2")
    servers.start("127.0.0.3")
    names.addresses[NAME] = ["127.0.0.2", "127.0.0.3"]
    with asking(names.target(NAME, servers.port)) as ask:
        until(lambda: {ask(), ask()} == {"127.0.0.2", "127.0.0.3"}, "both are connected to")
        counted = Counter(ask() for _ in range(20))
    assert counted == {"127.0.0.2": 10, "127.0.0.3": 10}


def test_certificates_of_several_servers_are_checked_against_their_common_name(
    servers: Servers, names: NameServer, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    certificates.authority(tmp_path)
    certificates.signed_by(tmp_path, "authority", "server")
    (tmp_path / "names.ext").write_text(f"subjectAltName=DNS:{NAME}")
    certificates.openssl(
        *(tmp_path, "x509", "-req", "-in", "server.csr", "-CA", "authority.crt", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", "names.ext", "-out", "server.crt"),
    )
    pair = (tmp_path / "server.key").read_bytes(), (tmp_path / "server.crt").read_bytes()
    servers.credentials = grpc.ssl_server_credentials([pair])
    servers.start("127.0.0.2")
    servers.start("127.0.0.3")
    names.addresses |= {NAME: ["127.0.0.2", "127.0.0.3"], "another.test": ["127.0.0.2"]}
    tls = read_tls(tmp_path / "authority.crt")
    with asking(names.target(NAME, servers.port), tls) as ask:
        until(lambda: {ask(), ask()} == {"127.0.0.2", "127.0.0.3"}, "both are connected to")
    with (
        asking(names.target("another.test", servers.port), tls) as ask,
        pytest.raises(grpc.RpcError, match="Hostname Verification"),
    ):
        ask()


@pytest.mark.slow
def test_a_server_that_comes_gets_calls_when_the_others_let_connections_grow_old(
    servers: Servers, names: NameServer
) -> None:
    servers.start("127.0.0.2", age_ms=1000)
    names.addresses[NAME] = ["127.0.0.2"]
    with asking(names.target(NAME, servers.port)) as ask:
        assert ask() == "127.0.0.2"
        servers.start("127.0.0.3")
        names.addresses[NAME] = ["127.0.0.2", "127.0.0.3"]
        until(lambda: ask() == "127.0.0.3", "the new server gets calls", seconds=25)  # gRPC's own way takes 30


@pytest.mark.slow
def test_the_only_server_comes_back_under_another_address(servers: Servers, names: NameServer) -> None:
    servers.start("127.0.0.2")
    names.addresses[NAME] = ["127.0.0.2"]
    with asking(names.target(NAME, servers.port)) as ask:
        assert ask() == "127.0.0.2"
        servers.stop("127.0.0.2")
        before = names.questions
        with pytest.raises(grpc.RpcError):
            ask()
        until(lambda: names.questions > before, "the name is asked for, a moment too soon")
        servers.start("127.0.0.3")
        names.addresses[NAME] = ["127.0.0.3"]

        def answered() -> bool:
            with contextlib.suppress(grpc.RpcError):
                return ask() == "127.0.0.3"
            return False

        until(answered, "the server at its new address", seconds=25)  # gRPC's own way takes 30


@pytest.mark.slow
def test_calls_to_a_server_that_vanishes_without_a_word_go_to_the_others_before_their_deadline() -> None:
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "iptables"))):
        pytest.skip("a network of its own needs root, unshare, ip and iptables")
    command = ["unshare", "--net", sys.executable, "-m", "tests.serving.protocol.vanishing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "Operation not permitted" in done.stderr or "iptables" in done.stderr:
        pytest.skip(f"no network of its own can be had here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["127.0.0.2"] * 10


def test_a_run_keeps_its_version_where_servers_are_on_different_ones(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 200)
    names = sorted(path.name for path in folder.iterdir())
    with (
        hosting({7: ("AVAILABLE", "")}) as older,
        hosting({8: ("AVAILABLE", "")}) as newer,
        Connection(read_target(f"{older},{newer}")) as connection,
    ):
        served = connection.describe()
        connection.version = served.version
        classifier = Classifier(connection, served.card)
        answers = list(itertools.chain.from_iterable(classifier.run(folder, names)))
    assert [answer.name for answer in answers] == names
    assert not [answer.error for answer in answers if answer.error]
