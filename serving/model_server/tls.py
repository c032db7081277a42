"""TLS by TensorFlow Serving's `--ssl_config_file`: PEM contents inside a text file, not paths."""

import os
import ssl
from pathlib import Path

import grpc

from serving.model_server.errors import ConfigurationError
from serving.protocol import wire


def check_tls(config: wire.SSLConfig, path: Path) -> None:
    """Says what is wrong with key and certificates before anybody connects.

    Args:
        config: the message.
        path: where it was read, for the error text.

    Raises:
        ConfigurationError: if something is missing, is no PEM, or key and certificate do not belong together.
    """
    wanted = {"server_key": config.server_key, "server_cert": config.server_cert}
    if config.client_verify or config.custom_ca:
        wanted["custom_ca"] = config.custom_ca
    for field, text in wanted.items():
        if "-----BEGIN " not in text:
            got = "nothing" if not text else "other text"
            raise ConfigurationError(
                f"--ssl_config_file={path}: expected the contents of a PEM file in {field} (not its path), got {got}"
            )
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _load_pair(context, config)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"--ssl_config_file={path}: expected a private key without a passphrase in server_key and its "
            f"certificate in server_cert; OpenSSL says {error.reason or error}"
        ) from error
    if config.custom_ca:
        try:
            context.load_verify_locations(cadata=config.custom_ca)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"--ssl_config_file={path}: expected certificates in custom_ca; OpenSSL says {error.reason or error}"
            ) from error


def credentials(config: wire.SSLConfig) -> grpc.ServerCredentials:
    """Makes what a gRPC server listens with."""
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _load_pair(context: ssl.SSLContext, config: wire.SSLConfig) -> None:
    # OpenSSL's binding takes files only, and a private key must not be written to a disk.
    descriptor = os.memfd_create("tls")
    try:
        with os.fdopen(os.dup(descriptor), "w") as file:
            file.write(config.server_key + "\n" + config.server_cert)
        # A passphrase is never asked for on a terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    finally:
        os.close(descriptor)
