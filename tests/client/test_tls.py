"""The client against a server that speaks TLS."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format

from client.config.settings import find_tls
from client.doctor.finding import State
from client.doctor.network import Place, check_tls
from client.errors import ConfigError
from serving.protocol import wire
from serving.protocol.errors import ServerUnavailable
from serving.protocol.tls import read_tls
from serving.sidecar.services import open_services
from serving.sidecar.settings import read_settings
from tests.client.command import client
from tests.conftest import write_frames
from tests.serving.model_server import certificates

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")

WORDS: list[tuple[object, ...]] = [
    ("models",),
    ("describe",),
    ("classify", "season", "--out", "r.csv"),
    ("cam", "season", "--out", "maps"),
    ("watch", "season", "--once"),
    ("doctor", "--out", "."),
    ("bench", "--concurrency", 1, "--batch", 1, "--seconds", "0.1"),
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificates.authority(folder)
    certificates.authority(folder, "stranger")
    certificates.signed_by(folder, "authority", "server")
    certificates.signed_by(folder, "authority", "client")
    certificates.signed_by(folder, "stranger", "impostor")
    return folder


@contextlib.contextmanager
def serving(models: Path, folder: Path, config: object) -> Iterator[str]:
    """The address of a real server with `--ssl_config_file`."""
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


@pytest.fixture(scope="module")
def secure(models: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that shows a certificate."""
    pair = certificates.read(keys, "server")
    config = wire.SSLConfig(server_key=pair.key, server_cert=pair.certificate)
    with serving(models, tmp_path_factory.mktemp("secure"), config) as target:
        yield target


@pytest.fixture(scope="module")
def mutual(models: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that wants to see one, too."""
    pair, authority = certificates.read(keys, "server"), certificates.read(keys, "authority").certificate
    config = wire.SSLConfig(
        server_key=pair.key, server_cert=pair.certificate, custom_ca=authority, client_verify=True
    )
    with serving(models, tmp_path_factory.mktemp("mutual"), config) as target:
        yield target


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
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


def pair_of(keys: Path, name: str) -> tuple[object, ...]:
    return ("--tls-ca", keys / "authority.crt", "--tls-cert", keys / f"{name}.crt", "--tls-key", keys / f"{name}.key")


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_server_that_asks_for_a_certificate_is_shown_one(
    mutual: str, keys: Path, tmp_path: Path, words: tuple[object, ...]
) -> None:
    write_frames(tmp_path / "season", 2)
    done = client(*words, "--server", mutual, *pair_of(keys, "client"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_one_or_with_a_stranger_s_it_answers_nobody(mutual: str, keys: Path) -> None:
    for shown in (("--tls-ca", keys / "authority.crt"), pair_of(keys, "impostor")):
        done = client("models", "--server", mutual, *shown)
        assert done.returncode == 3
        assert "No model server answers" in done.stderr
        finding = check_tls(Place("localhost", int(mutual.rpartition(":")[2])), "127.0.0.1", read_tls(*shown[1::2]))
        assert finding.state is State.FAIL
        assert "--tls-cert" in finding.advice


def test_the_pair_may_stand_in_variables_and_in_the_file(
    mutual: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    named = {"tls-ca": "authority.crt", "tls-cert": "client.crt", "tls-key": "client.key"}
    file.write_text("".join(f'{key} = "{keys / name}"\n' for key, name in named.items()))
    assert client("--config", file, "models", "--server", mutual).returncode == 0
    for key, name in named.items():
        monkeypatch.setenv(f"SNOWMODE_{key.replace('-', '_').upper()}", str(keys / name))
    assert client("models", "--server", mutual).returncode == 0


def test_the_sidecar_shows_it_too(mutual: str, keys: Path, tmp_path: Path) -> None:
    named = dict(zip(("tls_ca", "tls_cert", "tls_key"), pair_of(keys, "client")[1::2], strict=True))
    database = f"sqlite:///{tmp_path}/winter.sqlite"
    with open_services(read_settings(server=mutual, database=database, **named)) as parts:
        assert parts.model_server.served().card.model == "snowmode"
        assert parts.health.check_parts()["model server"] is None
    with (
        open_services(read_settings(server=mutual, database=database, tls_ca=named["tls_ca"])) as parts,
        pytest.raises(ServerUnavailable, match="No model server answers"),
    ):
        parts.model_server.served()


def test_half_a_pair_or_one_that_does_not_match_stops_it_first(keys: Path, tmp_path: Path) -> None:
    ca, cert, key = keys / "authority.crt", keys / "client.crt", keys / "client.key"
    certificates.openssl(tmp_path, "rsa", "-aes128", "-passout", "pass:secret", "-in", str(key), "-out", "locked.key")
    for given, text in (
        ((None, cert, key), "expected --tls-ca too"),
        ((ca, cert, None), "--tls-cert: expected --tls-key too"),
        ((ca, None, key), "--tls-key: expected --tls-cert too"),
        ((ca, cert, keys / "server.key"), "its private key without a passphrase, received: KEY_VALUES_MISMATCH"),
        ((ca, cert, tmp_path / "locked.key"), "without a passphrase"),
        ((ca, cert, keys / "none.key"), "--tls-key .*none.key: .*No such file"),
        ((ca, key, key), "expected a certificate in PEM form"),
    ):
        with pytest.raises(ConfigError, match=text):
            find_tls(*given, "gpu:8500")


def test_a_file_without_certificates_stops_it_first(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\xff\xfe"):
        (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(ConfigError, match="expected certificates in PEM form"):
            find_tls(tmp_path / "ca.pem", None, None, "gpu:8500")
    with pytest.raises(ConfigError, match="No such file"):
        find_tls(tmp_path / "none.pem", None, None, "gpu:8500")


def test_a_server_of_our_own_speaks_plain_text(tmp_path: Path) -> None:
    assert find_tls(tmp_path / "none.pem", None, None, "embedded:models") is None
    assert find_tls(None, None, None, "gpu:8500") is None
