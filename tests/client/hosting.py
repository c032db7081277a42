"""A gRPC server that says of itself what a test wants: versions, labels, signatures, a card."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np

from serving.protocol import contract, wire
from serving.protocol.contract import ModelCard
from serving.protocol.tensors import to_array, to_tensor_proto
from tests.serving.stand_in import CARD, Refuse, brightness


@contextlib.contextmanager
def hosting(
    states: Mapping[int, tuple[str, str]],
    *,
    labels: Mapping[str, int] | None = None,
    card: ModelCard = CARD,
    size: tuple[int, int] = (32, 32),
    status: grpc.StatusCode | None = None,
    health: str = "SERVING",
    answer: Callable[[np.ndarray], np.ndarray] = brightness,
) -> Iterator[str]:
    """Runs the server on a free port of this machine.

    Args:
        states: Version to state and error text.
        labels: Label to version.
        card: What `describe` answers with.
        size: Height and width its signatures take.
        status: Code GetModelStatus fails with, if it shall.
        health: What the health service says.
        answer: Images to probabilities; may raise `Refuse`.
    """
    newest = max((version for version, (state, _) in states.items() if state == "AVAILABLE"), default=None)

    def resolve(spec: Any, context: Any) -> int:
        if spec.version_label:
            if spec.version_label not in (labels or {}):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label")
            return labels[spec.version_label]
        version = spec.version.value if spec.HasField("version") else newest
        if version is None or states.get(version, ("", ""))[0] != "AVAILABLE" or spec.name != "snowmode":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        return version

    def predict(request: Any, context: Any) -> Any:
        response = wire.PredictResponse()
        response.model_spec.version.value = resolve(request.model_spec, context)
        if request.model_spec.signature_name == contract.DESCRIBE:
            text = card.model_dump_json().encode()
            response.outputs[contract.MODEL_CARD].CopyFrom(to_tensor_proto(np.array([text], object)))
            return response
        try:
            table = answer(to_array(request.inputs[contract.IMAGES]))
        except Refuse as refusal:
            context.abort(refusal.code, str(refusal))
        response.outputs[contract.PROBABILITIES].CopyFrom(to_tensor_proto(table))
        return response

    def metadata(request: Any, context: Any) -> Any:
        response = wire.GetModelMetadataResponse()
        response.model_spec.version.value = resolve(request.model_spec, context)
        definitions = wire.SignatureDefMap()
        for name in (contract.CLASSIFY, contract.EXPLAIN, contract.EMBED):
            images = definitions.signature_def[name].inputs[contract.IMAGES]
            images.dtype = wire.DataType.DT_UINT8
            for count in (-1, *size, 3):
                images.tensor_shape.dim.add(size=count)
            for output in contract.OUTPUTS[name]:
                definitions.signature_def[name].outputs[output].dtype = wire.DataType.DT_FLOAT
        response.metadata["signature_def"].Pack(definitions)
        return response

    def versions(request: Any, context: Any) -> Any:
        if status is not None:
            context.abort(status, "as the test wants")
        if request.model_spec.name != "snowmode":
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model")
        response = wire.GetModelStatusResponse()
        for version, (state, error) in states.items():
            entry = response.model_version_status.add(version=version, state=wire.State.Value(state))
            entry.status.error_message = error
        return response

    def check(_request: Any, _context: Any) -> Any:
        return wire.HealthCheckResponse(status=wire.ServingStatus.Value(health))

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    for path, method, request_type in (
        (wire.PREDICT, predict, wire.PredictRequest),
        (wire.GET_MODEL_METADATA, metadata, wire.GetModelMetadataRequest),
        (wire.GET_MODEL_STATUS, versions, wire.GetModelStatusRequest),
        (wire.HEALTH_CHECK, check, wire.HealthCheckRequest),
    ):
        service, name = path.strip("/").split("/")
        handler = grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=request_type.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
