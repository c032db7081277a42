"""Certificates a connection is made with: whom it trusts, and who it says it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


class TlsError(ValueError):
    """Files that make no TLS; the text begins with the option that names the file."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What one end of a connection brings.

    Attributes:
        roots: PEM certificates of the authorities that may vouch for the server.
        certificate: PEM certificate of this client, for servers that ask for one (``client_verify``); None has none.
        key: Its private key, in PEM form without a passphrase.
        context: The same for Python's own TLS.
    """

    roots: bytes
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False, compare=False)


def read_tls(authority: Path | None, certificate: Path | None = None, key: Path | None = None) -> Tls | None:
    """Reads the files of `--tls-ca`, `--tls-cert` and `--tls-key`, and checks them.

    Args:
        authority: Certificates that may vouch for the server; None speaks plain text.
        certificate: Of this client; None has none.
        key: Belongs to it.

    Returns:
        None for plain text.

    Raises:
        TlsError: One is missing, cannot be read, or they do not belong together.
    """
    if authority is None and (certificate or key):
        raise TlsError(
            "--tls-cert and --tls-key: expected --tls-ca too, the certificates that may vouch for the server"
        )
    if (certificate is None) != (key is None):
        there, missing = ("--tls-cert", "--tls-key") if key is None else ("--tls-key", "--tls-cert")
        raise TlsError(f"{there}: expected {missing} too, for a certificate is shown with its private key")
    if authority is None:
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = _read("--tls-ca", authority, "certificates in PEM form")
    try:
        # gRPC takes any bytes here, and later says only that no connection could be made.
        context.load_verify_locations(cadata=roots.decode("ascii"))
    except ValueError as error:
        raise TlsError(f"--tls-ca {authority}: expected certificates in PEM form, received other bytes") from error
    except ssl.SSLError as error:
        raise TlsError(
            f"--tls-ca {authority}: expected certificates in PEM form, received: {error.reason or error}"
        ) from error
    if certificate is None or key is None:
        return Tls(roots, context=context)
    shown = _read("--tls-cert", certificate, "a certificate in PEM form")
    secret = _read("--tls-key", key, "a private key in PEM form")
    try:
        # A passphrase is never asked for on a terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(
            f"--tls-cert {certificate}, --tls-key {key}: expected a certificate in PEM form and its private key "
            f"without a passphrase, received: {getattr(error, 'reason', None) or 'a pair that OpenSSL refuses'}"
        ) from error
    return Tls(roots, shown, secret, context)


def _read(option: str, file: Path, expected: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsError(f"{option} {file}: expected {expected}, received: {error.strerror or error}") from error
