"""The client against a server that speaks TLS."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format

from client.errors import ConfigError
from client.settings import find_tls_roots
from serving.protocol import wire
from tests.client.command import client
from tests.conftest import write_frames
from tests.serving.model_server import certificates

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificates.authority(folder)
    certificates.authority(folder, "stranger")
    certificates.signed_by(folder, "authority", "server")
    return folder


@pytest.fixture(scope="module")
def secure(models: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server with `--ssl_config_file`."""
    folder = tmp_path_factory.mktemp("secure")
    pair = certificates.read(keys, "server")
    config = wire.SSLConfig(server_key=pair.key, server_cert=pair.certificate)
    (folder / "ssl.config").write_text(text_format.MessageToString(config))
    command = [
        *(sys.executable, "-m", "serving.model_server", f"--model_base_path={models / 'snowmode'}", "--port=0"),
        *(f"--port_file={folder / 'port'}", f"--ssl_config_file={folder / 'ssl.config'}", "--exit_with_parent"),
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 120
            while not (folder / "port").exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"localhost:{(folder / 'port').read_text().strip()}"
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "words",
    [
        ("models",),
        ("describe",),
        ("classify", "season", "--out", "r.csv"),
        ("cam", "season", "--out", "maps"),
        ("watch", "season", "--once"),
        ("doctor", "--out", "."),
        ("bench", "--concurrency", 1, "--batch", 1, "--seconds", "0.1"),
    ],
    ids=lambda words: words[0],
)
def test_with_the_right_certificate_all_is_as_ever(
    secure: str, keys: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    write_frames(tmp_path / "season", 2)
    done = client(*words, "--server", secure, "--tls-ca", keys / "authority.crt", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_variable_and_file_name_the_certificate_too(
    secure: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'server = "{secure}"\ntls-ca = "{keys / "authority.crt"}"\n')
    assert client("--config", file, "models").returncode == 0
    monkeypatch.setenv("SNOWMODE_TLS_CA", str(keys / "stranger.crt"))
    assert client("--config", file, "models").returncode == 3, "the variable goes before the file"


def test_without_it_or_with_another_there_is_no_connection(secure: str, keys: Path) -> None:
    for words in ((), ("--tls-ca", keys / "stranger.crt")):
        done = client("models", "--server", secure, *words)
        assert done.returncode == 3
        assert "No model server answers" in done.stderr


def test_a_file_without_certificates_stops_it_first(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\xff\xfe"):
        (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(ConfigError, match="expected certificates in PEM form"):
            find_tls_roots(tmp_path / "ca.pem", "gpu:8500")
    with pytest.raises(ConfigError, match="No such file"):
        find_tls_roots(tmp_path / "none.pem", "gpu:8500")


def test_a_server_of_our_own_speaks_plain_text(tmp_path: Path) -> None:
    assert find_tls_roots(tmp_path / "none.pem", "embedded:models") is None
    assert find_tls_roots(None, "gpu:8500") is None
