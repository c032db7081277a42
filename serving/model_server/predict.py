"""One Predict request, from message to message."""

from typing import Any

import grpc
from numpy.typing import NDArray

from serving.model_server.errors import ServableError
from serving.model_server.servable import Servable
from serving.protocol import tensors, wire


def predict(
    servable: Servable, request: wire.PredictRequest, *, timeout: float | None = None
) -> wire.PredictResponse:
    """Answers a request with one version of the model.

    The checks come in TensorFlow Serving's order, so that a request with two faults gets the same answer there.

    Args:
        servable: the version its ModelSpec stands for.
        request: the message.
        timeout: seconds left to answer it.

    Raises:
        ServableError: with the code and words of TensorFlow Serving.
    """
    signature = servable.signature(request.model_spec.signature_name)
    signature.check_names(request.inputs)
    inputs = {alias: _parse(alias, proto) for alias, proto in request.inputs.items()}
    outputs = servable.run(signature.name, inputs, request.output_filter, timeout=timeout)
    response = wire.PredictResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.model_spec.signature_name = signature.name
    for alias, array in outputs.items():
        response.outputs[alias].CopyFrom(tensors.to_tensor_proto(array))
    return response


def _parse(alias: str, proto: wire.TensorProto) -> NDArray[Any]:
    try:
        return tensors.to_array(proto)
    except tensors.TensorError as error:
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {alias}") from error
