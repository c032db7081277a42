"""What may be given for a model server, and for several."""

from __future__ import annotations

import ipaddress
import socket
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.protocol.targets import TargetError, count_servers, read_target


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("gpu:8500", "gpu:8500"),
        ("[::1]:8500", "[::1]:8500"),
        ("dns:///model-server.snowmode.svc:8500", "dns:///model-server.snowmode.svc:8500"),
        ("dns://10.96.0.10:53/model-server:8500", "dns://10.96.0.10:53/model-server:8500"),
        ("dns:gpu:8500", "dns:gpu:8500"),
        ("dns:///[fd00::1]:8500", "dns:///[fd00::1]:8500"),
        ("dns://[fd00::53]:53/gpu:8500", "dns://[fd00::53]:53/gpu:8500"),
        ("unix:/run/a,b.sock", "unix:/run/a,b.sock"),
        ("unix:///run/serving.sock", "unix:///run/serving.sock"),
        ("unix-abstract:serving:99999", "unix-abstract:serving:99999"),
        (f"unix:/{'a' * 106}", f"unix:/{'a' * 106}"),
        ("embedded:winters, old/models", "embedded:winters, old/models"),
        ("10.0.0.1:8500,10.0.0.2:8501", "ipv4:10.0.0.1:8500,10.0.0.2:8501"),
        ("10.0.0.1:8500, 10.0.0.2:8500", "ipv4:10.0.0.1:8500,10.0.0.2:8500"),
        ("ipv4:10.0.0.1:8500,10.0.0.2:8500", "ipv4:10.0.0.1:8500,10.0.0.2:8500"),
        ("[fd00::1]:8500,[fd00::2]:8500", "ipv6:[fd00::1]:8500,[fd00::2]:8500"),
    ],
)
def test_servers_of_every_kind_are_taken(given: str, target: str) -> None:
    assert read_target(given) == target


@pytest.mark.parametrize(
    "text",
    [
        *("gpu", "http://gpu:8500", "gpu:", "embedded:", "", "embeded:models", "gpu:http", "gpu:-1", "gpu:+8500"),
        *("dns:", "dns:///", "dns:///gpu", "dns:///gpu:http", "dns:8500", "dns:////gpu:8500", "dns:///a:8500,b:8500"),
        *("gpu:８５００", " gpu:8500", "gpu :8500", "gpu:8500\n", "gpu\0:8500", "\udcff:8500", "[::1]", "[gpu:8500"),
    ],
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(TargetError, match="expected HOST:PORT or embedded:FOLDER"):
        read_target(text)


@pytest.mark.parametrize("port", ["0", "00", "65536", "99999", "74036", "9" * 5000])
@pytest.mark.parametrize(
    "text",
    [
        *("gpu:{}", "127.0.0.1:{}", "[::1]:{}", "dns:gpu:{}", "dns:///gpu:{}", "dns://10.96.0.10:53/gpu:{}"),
        *("dns://10.96.0.10:{}/gpu:8500", "ipv4:10.0.0.1:{}", "ipv6:[fd00::1]:{}", "10.0.0.1:8500,10.0.0.2:{}"),
    ],
)
def test_a_port_that_there_is_not_is_refused(text: str, port: str) -> None:
    with pytest.raises(TargetError, match=f"expected a port from 1 to 65535, received {port} in "):
        read_target(text.format(port))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[:::]:8500", "expected an IPv6 address in brackets"),
        ("[10.0.0.1]:8500", "expected an IPv6 address in brackets"),
        ("dns://10.96.0.10/gpu:8500", "expected the name server as IP:PORT"),
        ("dns://resolver:53/gpu:8500", "expected the name server as IP:PORT"),
        ("unix:", "expected unix:PATH of a socket"),
        ("unix://gpu/run/serving.sock", "expected unix:PATH of a socket, PATH without a host, received"),
        (f"unix:/{'a' * 107}", "at most 107 bytes"),
        (f"unix:///{'ü' * 54}", "at most 107 bytes"),
        (f"unix-abstract:{'a' * 108}", "expected unix-abstract:PATH of a socket"),
        ("unix:/run/\udcff.sock", "expected unix:PATH of a socket, PATH of printable characters, received"),
    ],
)
def test_what_grpc_would_trip_over_with_the_first_call_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(TargetError, match=complaint):
        read_target(text)


_HOSTS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-.").map("gpu{}".format),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
_PORTS = st.one_of(st.integers(1, 65535), st.integers(0, 10**12))


@given(st.sampled_from(["", "dns:", "dns:///"]), _HOSTS, _PORTS)
def test_exactly_the_ports_that_there_are_are_taken(kind: str, host: str, port: int) -> None:
    text = f"{kind}{host}:{port}"
    if 1 <= port <= 65535:
        assert read_target(text) == text
    else:
        with pytest.raises(TargetError, match="expected a port from 1 to 65535"):
            read_target(text)


@given(st.lists(st.tuples(st.ip_addresses(v=4), _PORTS), min_size=2, max_size=5))
def test_of_several_all_must_have_a_port_that_there_is(places: list[tuple[ipaddress.IPv4Address, int]]) -> None:
    text = ",".join(f"{address}:{port}" for address, port in places)
    if all(1 <= port <= 65535 for _, port in places):
        assert read_target(text) == f"ipv4:{text}"
    else:
        with pytest.raises(TargetError, match="expected a port from 1 to 65535"):
            read_target(text)


@given(st.one_of(st.text(), st.text("udnsixpv46embd:/,[].0159 \n\0")))
def test_wild_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = read_target(text)
    except TargetError:
        return
    if not target.startswith(("embedded:", "unix:", "unix-abstract:")):
        assert 1 <= int(target.rpartition(":")[2]) <= 65535
        assert target.isprintable()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("gpu-1:8500,gpu-2:8500", r"received 'gpu-1:8500' among them. Names go into DNS"),
        ("10.0.0.1:8500,10.0.0.2", r"received '10.0.0.2' among them"),
        ("10.0.0.1:8500,", r"received '' among them"),
        ("ipv4:gpu:8500", r"received 'gpu:8500' among them"),
        ("10.0.0.1:8500,[fd00::2]:8500", "IPv4 and IPv6"),
        ("ipv6:10.0.0.1:8500", "IPv4 and IPv6"),
        ("ipv4:[10.0.0.1]:8500", r"received '\[10.0.0.1\]:8500' among them"),
    ],
)
def test_several_that_cannot_be_several_are_refused(given: str, complaint: str) -> None:
    with pytest.raises(TargetError, match=complaint):
        read_target(given)


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("ipv4:10.0.0.1:8500,10.0.0.2:8500,10.0.0.3:8500", 3),
        ("ipv4:10.0.0.1:8500", 1),
        ("ipv4:10.0.0.1:8500,10.0.0.1:8500", 1),
        ("ipv4:10.0.0.1:8500,10.0.0.1:8501", 2),
        ("127.0.0.1:8500", 1),
        ("[::1]:8500", 1),
        ("unix:/run/a,b.sock", 1),
        ("dns:///localhost:8500", 1),
        ("dns://10.96.0.10:53/model-server:8500", 1),
        ("gpu..test:8500", 1),
        (f"{'a' * 300}:8500", 1),
    ],
)
def test_servers_are_counted(target: str, count: int) -> None:
    assert count_servers(target) == count


def test_a_name_counts_its_addresses_but_not_those_of_either_kind_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        assert (host, port) == ("model-server.snowmode.svc", 8500)
        old = [(socket.AF_INET, 1, 6, "", (f"10.0.0.{n}", port)) for n in (1, 2, 3, 3)]
        new = [(socket.AF_INET6, 1, 6, "", (f"fd00::{n}", port, 0, 0)) for n in (1, 2)]
        return [*old, *new]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert count_servers("dns:///model-server.snowmode.svc:8500") == 3
    assert count_servers("model-server.snowmode.svc:8500") == 3
