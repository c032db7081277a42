"""One Predict request, from message to message."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import grpc
from numpy.typing import NDArray

from serving.model_server import metrics
from serving.model_server.batching_merge import Arrays
from serving.model_server.errors import ServableError
from serving.model_server.signatures import Signature
from serving.protocol import tensors, wire
from serving.protocol.priority import Priority


class Answering(Protocol):
    """A loaded version: a `Servable`, or a `BatchedServable` around one."""

    name: str
    version: int
    signatures: Mapping[str, Signature]
    signature_defs: wire.SignatureDefMap

    def signature(self, name: str) -> Signature:
        """Finds a signature."""

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
        priority: Priority = Priority.LIVE,
    ) -> Arrays:
        """Runs one signature."""

    def close(self) -> None:
        """Frees the model."""


def predict(
    servable: Answering,
    request: wire.PredictRequest,
    *,
    timeout: float | None = None,
    priority: Priority = Priority.LIVE,
    as_content: bool = True,
) -> wire.PredictResponse:
    """Answers a request with one version of the model.

    The checks come in TensorFlow Serving's order, so that a request with two faults gets the same answer there.

    Args:
        servable: the version its ModelSpec stands for.
        request: the message.
        timeout: seconds left to answer it.
        priority: whether it goes ahead of others in a queue.
        as_content: whether numbers are answered in `tensor_content`; see `tensors.to_tensor_proto`.

    Raises:
        ServableError: with the code and words of TensorFlow Serving.
    """
    signature = servable.signature(request.model_spec.signature_name)
    signature.check_names(request.inputs)
    inputs = {alias: _parse(alias, proto) for alias, proto in request.inputs.items()}
    with metrics.answering(servable.name, servable.version, signature.name):
        outputs = servable.run(signature.name, inputs, request.output_filter, timeout=timeout, priority=priority)
    response = wire.PredictResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.model_spec.signature_name = signature.name
    for alias, array in outputs.items():
        response.outputs[alias].CopyFrom(tensors.to_tensor_proto(array, as_content=as_content))
    return response


def _parse(alias: str, proto: wire.TensorProto) -> NDArray[Any]:
    try:
        return tensors.to_array(proto)
    except tensors.TensorError as error:
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {alias}") from error
