"""A gRPC server that answers as a test wants, for what a real model server does only on bad days."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np

from serving.protocol import contract, wire
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard
from serving.protocol.tensors import to_array, to_tensor_proto

CARD = ModelCard(
    contract_version=1,
    model="snowmode",
    created="2026-01-01T00:00:00Z",
    modes=tuple(ModeEntry(code=c, name_en=c, name_ja=c, meaning="", color="#000000") for c in ("A", "B")),
    input=InputEntry(height=32, width=32),
    heat_map=HeatMapEntry(height=1, width=1),
    feature_size=1,
    temperature=1.0,
    rejection_threshold=0.0,
    recipe="stand-in",
)


class Refuse(Exception):
    """Makes the stand-in answer with a status code."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def brightness(images: np.ndarray) -> np.ndarray:
    """Probabilities that tell frames apart: the mean brightness of each, and the rest."""
    mean = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32) / 255
    return np.stack([mean, 1 - mean], axis=1).astype(np.float32)


@contextlib.contextmanager
def stand_in(
    answer: Callable[[np.ndarray], np.ndarray] = brightness,
    *,
    card: bytes | None = None,
    metadata: list[dict[str, str]] | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Runs the server on this machine; it explains too: its logits and heat maps of one cell are the probabilities.

    Args:
        answer: Images (N, H, W, 3) to probabilities; may raise `Refuse`.
        card: What `describe` answers with; by default `CARD`.
        metadata: Gets the metadata of every request.
        port: Where; 0 takes a free one.
    """

    def predict(request: Any, context: Any) -> Any:
        if metadata is not None:
            metadata.append(dict(context.invocation_metadata()))
        response = wire.PredictResponse()
        response.model_spec.name, response.model_spec.version.value = "snowmode", 7
        if request.model_spec.signature_name == contract.DESCRIBE:
            text = card if card is not None else CARD.model_dump_json().encode()
            response.outputs[contract.MODEL_CARD].CopyFrom(to_tensor_proto(np.array([text], object)))
            return response
        try:
            table = answer(to_array(request.inputs[contract.IMAGES]))
        except Refuse as refusal:
            context.abort(refusal.code, str(refusal))
        response.outputs[contract.PROBABILITIES].CopyFrom(to_tensor_proto(table))
        if request.model_spec.signature_name == contract.EXPLAIN:
            response.outputs[contract.LOGITS].CopyFrom(to_tensor_proto(table))
            for name in (contract.GRADCAM, contract.HIRESCAM):
                response.outputs[name].CopyFrom(to_tensor_proto(table[:, :, np.newaxis, np.newaxis]))
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        predict,
        request_deserializer=wire.PredictRequest.FromString,
        response_serializer=wire.PredictResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    service = wire.PREDICT.rpartition("/")[0].strip("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Predict": handler}),))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
