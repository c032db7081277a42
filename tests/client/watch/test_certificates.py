"""How long the certificates of model server and sidecar are good for."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.watch.certificates import Certificates, at_server, at_url
from client.watch.metrics import Metrics
from tests.client.watch.watching import until
from tests.serving.model_server import certificates

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificates.authority(folder)
    certificates.signed_by(folder, "authority", "server")
    certificates.openssl(
        *(folder, "x509", "-req", "-in", "server.csr", "-CA", "authority.crt", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-days", "-1", "-extfile", "names.ext", "-out", "expired.crt"),
    )
    return folder


@contextlib.contextmanager
def showing(folder: Path, certificate: str) -> Iterator[int]:
    """The port of something that shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.crt", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "authority.crt"))


def seen(metrics: Metrics, part: str) -> float | None:
    return metrics.registry.get_sample_value("snowmode_watch_certificate_expiry_timestamp_seconds", {"part": part})


def test_the_end_of_the_certificate_that_is_shown(keys: Path) -> None:
    metrics = Metrics(None)
    with showing(keys, "server") as port:
        looks = {"model server": at_server(f"dns:///localhost:{port}", trusting(keys)), "sidecar": None}
        watch = Certificates(looks, metrics.certificate, pause=0.01)
        watch.start()
        try:
            until(lambda: seen(metrics, "model server"), "a look at the certificate")
        finally:
            watch.stop()
    days = (seen(metrics, "model server") - time.time()) / 86400
    assert 1.9 < days <= 2
    assert seen(metrics, "sidecar") is None


def test_one_that_has_ended_ends_now(keys: Path) -> None:
    with showing(keys, "expired") as port:
        look = at_server(f"localhost:{port}", trusting(keys))
        assert look is not None
        assert abs(look() - time.time()) < 60


def test_of_one_that_nobody_trusts_nothing_is_said(keys: Path) -> None:
    with showing(keys, "server") as port:
        look = at_server(f"localhost:{port}", ssl.create_default_context())
        assert look is not None
        with pytest.raises(ssl.SSLCertVerificationError):
            look()


def test_a_part_that_is_away_does_not_hide_the_others(keys: Path) -> None:
    metrics = Metrics(None)
    with showing(keys, "server") as port:
        looks = {
            "sidecar": at_url("https://localhost:1"),
            "model server": at_server(f"localhost:{port}", trusting(keys)),
        }
        watch = Certificates(looks, metrics.certificate, pause=0.01)
        watch.start()
        try:
            until(lambda: seen(metrics, "model server"), "a look at the certificate")
        finally:
            watch.stop()


def test_what_has_no_certificate_is_not_looked_at() -> None:
    assert at_server("unix:/run/tfs.sock", ssl.create_default_context()) is None
    assert at_url("http://localhost:8080") is None
    assert at_url("https://localhost:8080") is not None
