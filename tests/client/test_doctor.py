"""`client doctor`: every check against the trouble it is for."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from client.doctor import machine, network
from client.doctor.finding import Finding, State
from client.doctor.http import check_clock, check_sidecar
from client.doctor.machine import check_extras, check_folder, check_out, check_python
from client.doctor.network import Place, check_name, check_ports, check_socket, check_tls, place_of, places_of
from client.doctor.run import Request, examine
from client.doctor.server import check_batch, check_card, check_health, check_same, check_versions
from serving.protocol.connection import Connection, Timeouts
from serving.protocol.inventory import Inventory
from serving.protocol.tls import Tls, read_tls
from tests.client.command import client
from tests.client.hosting import hosting
from tests.conftest import write_frames
from tests.drill.name_server import name_server
from tests.serving.model_server import certificates
from tests.serving.stand_in import CARD, Refuse, stand_in

ONE = {7: ("AVAILABLE", "")}


def states_of(*words: object) -> tuple[int, dict[str, str]]:
    done = client("doctor", *words, "--json")
    findings = json.loads(done.stdout)
    return done.returncode, {each["check"]: each["state"] for each in findings}


# The whole command


def test_all_is_well_with_a_real_server(server: str, tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 3)
    code, states = states_of("--server", server, "--folder", folder, "--out", tmp_path)
    assert code == 0
    assert set(states) >= {"config", "libraries", "extras", "folder", "results", "server", "name", "port", "TLS"}
    assert {states[name] for name in ("health", "versions", "model", "batch")} == {"ok"}
    assert "FAIL" not in states.values()


def test_failures_give_code_1_and_say_what_to_do(tmp_path: Path) -> None:
    done = client("doctor", "--server", "localhost:1", "--folder", tmp_path / "none")
    assert done.returncode == 1
    assert "nothing listens on port 1" in " ".join(done.stdout.split())
    assert "2 FAIL" in done.stdout


def test_a_server_with_another_model(server: str) -> None:
    code, states = states_of("--server", server, "--model", "rain")
    assert code == 1
    assert (states["health"], states["versions"], states["model"]) == ("ok", "FAIL", "FAIL")
    assert states["batch"] == "not checked"


def test_a_broken_config_file_is_one_failure_among_others(tmp_path: Path, server: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text("sever = 'a'")
    done = client("--config", file, "doctor", "--server", server, "--json")
    findings = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 1
    assert "did you mean 'server'?" in findings["config"]["text"]
    assert findings["batch"]["state"] == "ok"


def test_an_address_that_is_none_is_a_failure() -> None:
    findings = list(examine(Request(server="http://gpu")))
    assert findings[-1].state is State.FAIL
    assert "expected HOST:PORT" in findings[-1].text


def test_an_embedded_server_is_started_and_examined(models: Path) -> None:
    findings = list(examine(Request(server=f"embedded:{models}")))
    assert [each.state for each in findings if each.check in {"embedded", "health", "model", "batch"}] == [
        State.OK
    ] * 4


def test_several_servers_are_examined_together_and_one_by_one(server: str, closed_port: int) -> None:
    findings = list(examine(Request(server=f"{server},{server}")))
    assert State.FAIL not in {each.state for each in findings}
    assert next(each for each in findings if each.check == "same").text.startswith("all 2 servers answer with 2026")
    findings = list(examine(Request(server=f"{server},127.0.0.1:{closed_port}")))
    port = next(each for each in findings if each.check == "port")
    assert port.state is State.WARNING
    assert (
        f"nothing listens on ports {', '.join(sorted([server.rpartition(':')[2], str(closed_port)], key=int))}"
        in (port.advice)
    )


def test_servers_on_different_versions_are_told_apart() -> None:
    with hosting({7: ("AVAILABLE", ""), 8: ("AVAILABLE", "")}) as older, hosting({8: ("AVAILABLE", "")}) as newer:
        places = [*places_of(older), *places_of(newer)]
        finding = check_same(places, "snowmode", None)
        assert finding.state is State.WARNING
        assert finding.text == f"{older}: 8, 7; {newer}: 8"
        assert check_same(places[:1] * 2, "snowmode", None).state is State.OK
        assert "no answer (NOT_FOUND)" in check_same(places, "rain", None).text


def test_a_name_that_another_name_server_knows_is_left_to_grpc(server: str) -> None:
    port = server.rpartition(":")[2]
    with name_server() as names:
        names.addresses["model-server.test"] = ["127.0.0.1"]
        findings = list(examine(Request(server=names.target("model-server.test", int(port)))))
    states = {each.check: each.state for each in findings}
    assert (states["name"], states["health"], states["batch"]) == (State.SKIPPED, State.OK, State.OK)


# The way there


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("gpu:8500", Place("gpu", 8500)),
        ("dns:///a.b.svc:8500", Place("a.b.svc", 8500)),
        ("dns:gpu:8500", Place("gpu", 8500)),
        ("ipv4:10.0.0.1:8500", Place("10.0.0.1", 8500)),
        ("[::1]:8500", Place("::1", 8500)),
        ("ipv6:[::1]:8500", Place("::1", 8500)),
        ("unix:/run/s.sock", None),
        ("embedded:models", None),
    ],
)
def test_targets_are_taken_apart(address: str, place: Place | None) -> None:
    assert place_of(address) == place
    assert place is None or places_of(place.target) == [place]


def test_several_addresses_are_taken_apart() -> None:
    assert places_of("ipv4:10.0.0.1:8500,10.0.0.2:8501") == [Place("10.0.0.1", 8500), Place("10.0.0.2", 8501)]
    assert places_of("ipv6:[fd00::1]:8500,[fd00::2]:8500") == [Place("fd00::1", 8500), Place("fd00::2", 8500)]


def test_a_name_that_does_not_resolve() -> None:
    finding, addresses = check_name(Place("no-such-host.invalid", 8500))
    assert finding.state is State.FAIL
    assert addresses == []


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    answers = [
        (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 8500))
        for address in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: answers)


def test_a_name_with_several_addresses_is_a_headless_service(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    finding, addresses = check_name(Place("snowmode.radar.svc", 8500))
    assert addresses == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert finding.text.startswith("3 addresses")
    assert "dns:///snowmode.radar.svc:8500" in finding.advice
    assert "max_connection_age" in finding.advice


def test_a_service_with_one_address_is_told_of_headless_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.0.0.1")
    assert "clusterIP: None" in check_name(Place("snowmode.radar.svc.cluster.local", 8500))[0].advice
    assert check_name(Place("gpu", 8500))[0].advice == ""


def test_a_machine_with_both_kinds_of_addresses_is_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "::1", "127.0.0.1")
    assert check_name(Place("localhost", 8500))[0].advice == ""


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose queue of new connections is full, so that nothing answers there any more."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def test_an_open_port(listening: int) -> None:
    finding, reached = check_ports([Place("127.0.0.1", listening)])
    assert (finding.state, reached) == (State.OK, [Place("127.0.0.1", listening)])


def test_a_closed_port(closed_port: int) -> None:
    finding, reached = check_ports([Place("127.0.0.1", closed_port)])
    assert (finding.state, reached) == (State.FAIL, [])
    assert "nothing listens" in finding.advice


def test_a_black_hole(black_hole: int) -> None:
    finding, reached = check_ports([Place("127.0.0.1", black_hole)], timeout=0.2)
    assert (finding.state, reached) == (State.FAIL, [])
    assert "no answer within 0.2 s" in finding.text
    assert "firewall" in finding.advice


def test_one_address_of_two_is_dead(listening: int) -> None:
    finding, reached = check_ports([Place("127.0.0.1", listening), Place("127.0.0.9", listening)])
    assert (finding.state, reached) == (State.WARNING, [Place("127.0.0.1", listening)])
    assert "127.0.0.9" in finding.text


def test_sockets_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    assert check_socket(f"unix:{path}").state is State.FAIL
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert check_socket(f"unix:{path}").state is State.OK
        assert check_socket(f"unix://{path}").state is State.OK
    assert check_socket("unix-abstract:x").state is State.SKIPPED


# TLS


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("keys")
    certificates.authority(folder)
    certificates.authority(folder, "stranger")
    certificates.signed_by(folder, "authority", "server")
    (folder / "old.csr").write_bytes((folder / "server.csr").read_bytes())
    certificates.openssl(
        *(folder, "x509", "-req", "-in", "old.csr", "-CA", "authority.crt", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-days", "-1", "-extfile", "names.ext", "-out", "old.crt"),
    )
    return folder


@contextlib.contextmanager
def tls_port(keys: Path, certificate: str, *protocols: str) -> Iterator[Place]:
    """A port that shakes hands and says no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / f"{certificate}.crt", keys / "server.key")
    context.set_alpn_protocols(list(protocols or ["h2"]))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1024)
                    secure.sendall(b"\0")  # as a server greets

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Place("localhost", listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def roots(keys: Path, name: str = "authority") -> Tls | None:
    return read_tls(keys / f"{name}.crt")


def test_a_tls_port_met_in_plain_text(keys: Path) -> None:
    with tls_port(keys, "server") as place:
        finding = check_tls(place, "127.0.0.1", None)
    assert finding.state is State.FAIL
    assert "--tls-ca" in finding.advice


def test_a_plain_port_met_in_plain_text_or_with_tls(server: str, keys: Path) -> None:
    place = place_of(server)
    assert place is not None
    assert check_tls(place, "127.0.0.1", None).state is State.OK
    finding = check_tls(Place("localhost", place.port), "127.0.0.1", roots(keys))
    assert finding.state is State.FAIL
    assert "Leave --tls-ca away" in finding.advice


def test_a_certificate_that_is_good_and_one_that_soon_is_not(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_port(keys, "server") as place:
        finding = check_tls(place, "127.0.0.1", roots(keys))
        assert finding.state is State.WARNING, "it is good for two days only"
        assert "2 days left" in finding.text
        monkeypatch.setattr(network, "_DAYS_LEFT", 1)
        assert check_tls(place, "127.0.0.1", roots(keys)).state is State.OK


def test_an_expired_certificate(keys: Path) -> None:
    with tls_port(keys, "old") as place:
        finding = check_tls(place, "127.0.0.1", roots(keys))
    assert finding.state is State.FAIL
    assert "expired" in finding.text
    assert "Renew" in finding.advice


def test_a_certificate_of_another_authority_or_for_another_name(keys: Path) -> None:
    with tls_port(keys, "server") as place:
        stranger = check_tls(place, "127.0.0.1", roots(keys, "stranger"))
        elsewhere = check_tls(Place("gpu.example", place.port), "127.0.0.1", roots(keys))
    assert stranger.state is elsewhere.state is State.FAIL
    assert "authority that signed" in stranger.advice
    assert "another name than gpu.example" in elsewhere.advice


def test_tls_without_http2_is_not_grpc(keys: Path) -> None:
    with tls_port(keys, "server", "http/1.1") as place:
        finding = check_tls(place, "127.0.0.1", roots(keys))
    assert finding.state is State.FAIL
    assert "HTTP/2" in finding.text


# The server


def test_health(closed_port: int) -> None:
    with hosting(ONE, health="NOT_SERVING") as target, Inventory(target) as inventory:
        assert check_health(inventory).state is State.FAIL
    with stand_in() as target, Inventory(target) as inventory:
        finding = check_health(inventory)
        assert finding.state is State.OK
        assert "--enable_grpc_healthcheck_service" in finding.advice
    with Inventory(f"127.0.0.1:{closed_port}") as inventory:
        assert check_health(inventory).state is State.FAIL


def test_a_port_that_takes_connections_but_no_calls(listening: int) -> None:
    findings = list(_examined(f"127.0.0.1:{listening}"))
    health = next(each for each in findings if each.check == "health")
    assert health.state is State.FAIL
    assert "REST port" in health.advice
    assert findings[-1].check == "clock"


def _examined(target: str) -> Iterator[Finding]:
    return examine(Request(server=target))


@pytest.mark.parametrize(
    ("states", "expected", "words"),
    [
        (ONE, State.OK, "7 AVAILABLE"),
        ({7: ("AVAILABLE", ""), 8: ("END", "no variables")}, State.WARNING, "8: no variables"),
        ({8: ("END", "no variables")}, State.FAIL, "8: no variables"),
        ({8: ("LOADING", "")}, State.FAIL, "8 LOADING"),
    ],
)
def test_versions(states: Any, expected: State, words: str) -> None:
    with hosting(states) as target, Inventory(target) as inventory:
        finding = check_versions(inventory, "snowmode")
    assert finding.state is expected
    assert words in finding.text


def test_a_model_whose_signatures_are_not_those_of_its_card() -> None:
    with hosting(ONE, size=(64, 64)) as target, Inventory(target) as inventory, Connection(target) as connection:
        finding, served = check_card(inventory, connection)
    assert (finding.state, served) == (State.FAIL, None)
    assert "takes uint8 [-1, 64, 64, 3], its card says uint8 [-1, 32, 32, 3]" in finding.text


def refuse(code: grpc.StatusCode) -> Any:
    def answer(_images: np.ndarray) -> np.ndarray:
        raise Refuse(code, "as the test wants")

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda images: np.full((len(images), 2), 0.5, np.float32), State.OK),
        (lambda images: np.full((len(images), 2), 0.9, np.float32), State.FAIL),
        (lambda images: np.full((len(images), 3), 1 / 3, np.float32), State.FAIL),
        (refuse(grpc.StatusCode.INVALID_ARGUMENT), State.WARNING),
        (refuse(grpc.StatusCode.RESOURCE_EXHAUSTED), State.FAIL),
        (refuse(grpc.StatusCode.NOT_FOUND), State.FAIL),
    ],
)
def test_a_whole_batch(answer: Any, expected: State) -> None:
    sizes = []

    def noting(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return answer(images)

    with stand_in(noting) as target, Connection(target, timeouts=Timeouts(predict=20.0)) as connection:
        assert check_batch(connection, CARD).state is expected
    assert sizes == [341], "as many as `client classify` sends: about 1 MB"


# Sidecar and clock


@contextlib.contextmanager
def web(statuses: dict[str, int], *, ahead: float = 0.0, date: str | None = None, body: bytes = b"") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(statuses.get(self.path, 404))
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True) if date is None else date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web_server:
        thread = threading.Thread(target=web_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{web_server.server_port}"
        finally:
            web_server.shutdown()
            thread.join()


def test_a_sidecar_that_lives_is_ready_or_not_or_away(closed_port: int) -> None:
    with web({"/healthz": 200, "/readyz": 200}) as url:
        assert [each.state for each in check_sidecar(url)] == [State.OK, State.OK]
    with web({"/healthz": 200, "/readyz": 503}) as url:
        assert [each.state for each in check_sidecar(url)] == [State.OK, State.FAIL]
    (finding,) = check_sidecar(f"http://127.0.0.1:{closed_port}")
    assert finding.state is State.FAIL


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b'{"parts": {"database": {"ready": true}, "archive": {"ready": false, "reason": "gone"}}}',
            " (archive: gone)",
        ),
        (b'{"parts": {"database": {"ready": false}}}', " (database: not ready)"),
        (b'{"parts": [1]}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"\xff", ""),
    ],
)
def test_what_of_a_sidecar_is_not_ready_is_named(body: bytes, told: str) -> None:
    with web({"/healthz": 200, "/readyz": 503}, body=body) as url:
        assert check_sidecar(url)[1].text == f"{url}/readyz says 503{told}"


def test_the_sidecar_is_part_of_the_whole(server: str) -> None:
    with web({"/healthz": 200, "/readyz": 200}, ahead=-3600) as url:
        code, states = states_of("--server", server, "--sidecar", url)
    assert code == 0
    assert (states["sidecar"], states["clock"]) == ("ok", "warning")


def test_an_address_of_a_sidecar_that_is_none_is_refused() -> None:
    done = client("doctor", "--sidecar", "localhost")
    assert done.returncode == 2
    assert "--sidecar: expected an address" in done.stderr


def test_clocks(closed_port: int) -> None:
    nobody = f"http://127.0.0.1:{closed_port}"
    with web({}) as url:
        assert check_clock([nobody, url]).state is State.OK
    with web({}, ahead=60) as url:
        finding = check_clock([url])
        assert finding.state is State.WARNING
        assert "behind" in finding.text
    with web({}, date="yesterday") as url:
        assert check_clock([url]).state is State.SKIPPED
    assert check_clock([nobody]).state is State.SKIPPED


# This machine


def test_folders_of_frames(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 3)
    assert [each.state for each in check_folder(folder)] == [State.OK]
    (folder / "pr2hse00000.png").write_bytes(b"no picture")
    good, bad = check_folder(folder)
    assert (good.state, bad.state) == (State.OK, State.WARNING)
    assert "pr2hse00000.png" in bad.text
    assert check_folder(tmp_path / "none")[0].state is State.FAIL


def test_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_out(tmp_path, 20_000)[0].state is State.OK
    assert list(tmp_path.iterdir()) == []
    assert check_out(tmp_path / "none", 20_000)[0].state is State.FAIL
    monkeypatch.setattr(machine, "_LITTLE_SPACE", 1 << 62)
    assert check_out(tmp_path, 20_000)[0].state is State.WARNING


def test_libraries_and_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_python().state is State.OK
    wanted = ['grpcio>=1; extra == "here"', 'no-such-library>=1; extra == "absent"', "numpy>=2"]
    monkeypatch.setattr(machine.importlib.metadata, "requires", lambda _: wanted)
    finding = check_extras()
    assert finding.text == "installed: here; not installed: absent"
    assert finding.advice == "When needed: pip install 'snowmode[absent]'"
    monkeypatch.setattr(machine, "_LIBRARIES", ("no-such-library",))
    assert check_python().state is State.FAIL
