"""What may be given for a model server, and for several."""

from __future__ import annotations

import pytest

from serving.protocol.targets import TargetError, read_target


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("gpu:8500", "gpu:8500"),
        ("[::1]:8500", "[::1]:8500"),
        ("dns:///model-server.snowmode.svc:8500", "dns:///model-server.snowmode.svc:8500"),
        ("dns://10.96.0.10:53/model-server:8500", "dns://10.96.0.10:53/model-server:8500"),
        ("unix:/run/a,b.sock", "unix:/run/a,b.sock"),
        ("embedded:winters, old/models", "embedded:winters, old/models"),
        ("10.0.0.1:8500,10.0.0.2:8501", "ipv4:10.0.0.1:8500,10.0.0.2:8501"),
        ("10.0.0.1:8500, 10.0.0.2:8500", "ipv4:10.0.0.1:8500,10.0.0.2:8500"),
        ("ipv4:10.0.0.1:8500,10.0.0.2:8500", "ipv4:10.0.0.1:8500,10.0.0.2:8500"),
        ("[fd00::1]:8500,[fd00::2]:8500", "ipv6:[fd00::1]:8500,[fd00::2]:8500"),
    ],
)
def test_servers_of_every_kind_are_taken(given: str, target: str) -> None:
    assert read_target(given) == target


@pytest.mark.parametrize("given", ["gpu", "http://gpu:8500", "gpu:", "embedded:", "", "embeded:models"])
def test_what_is_no_server_is_refused(given: str) -> None:
    with pytest.raises(TargetError, match="expected HOST:PORT or embedded:FOLDER"):
        read_target(given)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("gpu-1:8500,gpu-2:8500", r"received 'gpu-1:8500' among them. Names go into DNS"),
        ("10.0.0.1:8500,10.0.0.2", r"received '10.0.0.2' among them"),
        ("10.0.0.1:8500,", r"received '' among them"),
        ("ipv4:gpu:8500", r"received 'gpu:8500' among them"),
        ("10.0.0.1:8500,[fd00::2]:8500", "IPv4 and IPv6"),
        ("ipv6:10.0.0.1:8500", "IPv4 and IPv6"),
    ],
)
def test_several_that_cannot_be_several_are_refused(given: str, complaint: str) -> None:
    with pytest.raises(TargetError, match=complaint):
        read_target(given)
