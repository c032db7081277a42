"""What a model server hosts and how it feels: versions and their states, signatures, health.

The gRPC interface has no list of models and none of labels: one asks for names one knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import grpc

from serving.protocol import wire
from serving.protocol.channel import no_server, open_channel, shorten
from serving.protocol.errors import ServerError, ServerUnavailable
from serving.protocol.tls import Tls

AVAILABLE: Final = "AVAILABLE"
END: Final = "END"


@dataclass(frozen=True, slots=True)
class VersionState:
    """State of one version.

    Attributes:
        version: Its number.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        error: Why it could not be loaded, or empty.
    """

    version: int
    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """Tensors of one signature: name to DataType number and shape (-1: any size)."""

    inputs: Mapping[str, tuple[int, tuple[int, ...]]]
    outputs: Mapping[str, tuple[int, tuple[int, ...]]]


class Inventory:
    """Asks a server about itself. Nothing is sent to a model.

    Args:
        target: See `serving.protocol.channel.open_channel`.
        tls: See there.
        timeout: Seconds each answer may take.
        name: See there.

    Example:
        >>> with Inventory("localhost:8500") as inventory:  # doctest: +SKIP
        ...     inventory.versions("snowmode")
    """

    def __init__(self, target: str, *, tls: Tls | None = None, timeout: float = 10.0, name: str = "") -> None:
        self._target = target
        self._timeout = timeout
        self._channel = open_channel(target, tls=tls, name=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def versions(self, model: str) -> tuple[VersionState, ...]:
        """Lists the versions of a model, newest first, those that failed to load as well.

        Raises:
            ServerUnavailable: No server answers.
            ServerError: It answers otherwise; code ``NOT_FOUND`` if it has no such model.
        """
        request = wire.GetModelStatusRequest(model_spec=wire.ModelSpec(name=model))
        answer = self._ask(wire.GET_MODEL_STATUS, request, wire.GetModelStatusResponse)
        states = (
            VersionState(int(entry.version), wire.State.Name(entry.state), entry.status.error_message)
            for entry in answer.model_version_status
        )
        return tuple(sorted(states, key=lambda entry: -entry.version))

    def signatures(self, model: str) -> tuple[int, Mapping[str, Signature]]:
        """Gives the version that answers by default, and its signatures by name.

        Raises:
            ServerUnavailable: No server answers.
            ServerError: It answers otherwise.
        """
        request = wire.GetModelMetadataRequest(
            model_spec=wire.ModelSpec(name=model), metadata_field=["signature_def"]
        )
        answer = self._ask(wire.GET_MODEL_METADATA, request, wire.GetModelMetadataResponse)
        definitions = wire.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(definitions)
        found = {
            name: Signature(_tensors(definition.inputs), _tensors(definition.outputs))
            for name, definition in definitions.signature_def.items()
        }
        return int(answer.model_spec.version.value), MappingProxyType(found)

    def health(self, service: str = "") -> str:
        """Asks grpc.health.v1.

        Returns:
            ``SERVING``, ``NOT_SERVING`` and so on; ``UNIMPLEMENTED`` where the health service is off.

        Raises:
            ServerUnavailable: No server answers.
            ServerError: It answers otherwise.
        """
        try:
            answer = self._ask(wire.HEALTH_CHECK, wire.HealthCheckRequest(service=service), wire.HealthCheckResponse)
        except ServerError as error:
            if error.code == "UNIMPLEMENTED":
                return error.code
            raise
        return str(wire.ServingStatus.Name(answer.status))

    def _ask(self, path: str, request: Any, answer: Any) -> Any:
        method = self._channel.unary_unary(
            path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            if code == "UNAVAILABLE":
                raise no_server(self._target, details, code) from error
            kind = ServerUnavailable if code == "DEADLINE_EXCEEDED" else ServerError
            name = path.rpartition("/")[2]
            raise kind(
                f"The server at {self._target} does not answer {name} ({code}: {shorten(details)})",
                code=code,
                target=self._target,
            ) from error


def _tensors(infos: Any) -> Mapping[str, tuple[int, tuple[int, ...]]]:
    return {name: (info.dtype, tuple(dim.size for dim in info.tensor_shape.dim)) for name, info in infos.items()}
