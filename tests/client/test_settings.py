"""Where the server's address comes from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from client.config.settings import config_file, find_server, find_tls
from client.errors import ConfigError
from tests.serving.model_server import certificates


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = config_file()
    file.parent.mkdir()
    return file


def test_flag_before_environment_before_file_before_default(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_server(None) == ("localhost:8500", "the default")
    config.write_text('server = "radar:8500"\n')
    assert find_server(None) == ("radar:8500", str(config))
    monkeypatch.setenv("SNOWMODE_SERVER", "gpu:8500")
    assert find_server(None) == ("gpu:8500", "SNOWMODE_SERVER")
    assert find_server("other:1") == ("other:1", "--server")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("server = 8500", "received 8500"), ("server = ''", "received ''"), ("server =", "cannot be read")],
)
def test_a_bad_config_file_is_named(config: Path, text: str, complaint: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        find_server(None)
    assert str(config) in str(caught.value)


@pytest.mark.parametrize(
    "server", ["localhost", "http://localhost:8500", "embeded:models", "localhost:", "embedded:"]
)
def test_an_address_that_is_none_is_refused(config: Path, server: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT or embedded:FOLDER"):
        find_server(server)


@pytest.mark.parametrize(
    "server", ["localhost:8500", "[::1]:8500", "unix:/run/s.sock", "dns:///radar:8500", "embedded:m"]
)
def test_addresses_of_every_kind_are_taken(config: Path, server: str) -> None:
    assert find_server(server) == (server, "--server")


def test_several_servers_are_taken_by_address_and_refused_where_certificates_cannot_be_checked(
    config: Path, tmp_path: Path
) -> None:
    target, _ = find_server("10.0.0.1:8500,10.0.0.2:8500")
    assert target == "ipv4:10.0.0.1:8500,10.0.0.2:8500"
    assert find_tls(None, None, None, target) is None
    with pytest.raises(ConfigError, match="--server: several servers: expected addresses"):
        find_server("gpu-1:8500,gpu-2:8500")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    certificates.authority(tmp_path)
    with pytest.raises(ConfigError, match="expected servers by name"):
        find_tls(tmp_path / "authority.crt", None, None, target)
    assert find_tls(tmp_path / "authority.crt", None, None, "dns:///gpu:8500") is not None
