"""Channels to a model server, in plain text or with TLS."""

from __future__ import annotations

import json
from typing import Any

import grpc

from serving.protocol.errors import ServerUnavailable
from serving.protocol.tls import Tls

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # Takes effect with a name that resolves to several addresses (dns:///headless-service:8500).
    "loadBalancingConfig": [{"round_robin": {}}],
}

_OPTIONS: list[tuple[str, int | str]] = [
    # gRPC's own limit for answers is 4 MiB; heat maps of a batch are larger.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Below 300 s a server may answer pings with GOAWAY too_many_pings.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A proxy for web pages is no way to a model server, least of all to one on this machine.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # gRPC asks DNS again no sooner than after 30 s. A pod that comes back comes under another address, and whoever
    # asked a moment too soon would wait as long as `--patience` lasts.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
]


def open_channel(target: str, *, tls: Tls | None = None, retry: bool = True, name: str = "") -> Any:
    """Opens a channel; nothing is sent before the first call.

    Args:
        target: ``host:port``, or another gRPC target such as ``unix:/run/serving.sock``. Of several addresses
            (``ipv4:10.0.0.1:8500,10.0.0.2:8500``, or a name with several, ``dns:///model-server:8500``) all are
            connected to, and calls go to those in turn that answer.
        tls: Whom to trust, and what to show; None speaks plain text.
        retry: Whether predictions that meet UNAVAILABLE are sent again inside gRPC.
        name: What the server's certificate is for, if not what the target says.

    Returns:
        A `grpc.Channel`.
    """
    options = [*_OPTIONS, ("grpc.enable_retries", int(retry))]
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    if tls is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(
        target, grpc.ssl_channel_credentials(tls.roots, tls.key, tls.certificate), options=options
    )


def no_server(target: str, details: str, code: str) -> ServerUnavailable:
    """Makes the error for UNAVAILABLE.

    Args:
        target: Where the server was looked for.
        details: What gRPC says of it.
        code: Name of the status code.
    """
    reason = shorten(details.strip().rpartition("last error: ")[2])
    return ServerUnavailable(
        f"No model server answers at {target} ({reason}).\n"
        "Start one:    serving model-server --model_base_path=MODELS/snowmode --port=8500\n"
        "or for a run: --server embedded:MODELS\n"
        "or name one:  --server HOST:PORT, or the variable SNOWMODE_SERVER",
        code=code,
        target=target,
    )


def shorten(text: str, limit: int = 300) -> str:
    """Puts a message on one line of bounded length, without what a terminal would obey."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
