"""The gRPC services of TensorFlow Serving, on the project's own messages."""

from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from serving.model_server.errors import ServableError
from serving.model_server.manager import VersionManager
from serving.model_server.predict import predict
from serving.protocol import wire

_MESSAGE_LIMIT = 1024
_SIGNATURE_DEF = "signature_def"
_NOT_HERE = {
    wire.CLASSIFY: "Classify needs tf.Example inputs; send arrays to Predict.",
    wire.REGRESS: "Regress needs tf.Example inputs; send arrays to Predict.",
    wire.MULTI_INFERENCE: "MultiInference needs tf.Example inputs; send arrays to Predict.",
    wire.HANDLE_RELOAD_CONFIG_REQUEST: (
        "The embedded server follows its --model_base_path; publish a version there, or restart it with other flags."
    ),
}


def handlers(manager: VersionManager) -> list[grpc.GenericRpcHandler]:
    """Makes the handlers of PredictionService and ModelService."""
    methods: dict[str, dict[str, Any]] = {}

    def add(path: str, handler: Any) -> None:
        _, service, method = path.split("/")
        methods.setdefault(service, {})[method] = handler

    add(wire.PREDICT, _unary(_answer_predict, manager, wire.PredictRequest, wire.PredictResponse))
    add(
        wire.GET_MODEL_METADATA,
        _unary(_answer_metadata, manager, wire.GetModelMetadataRequest, wire.GetModelMetadataResponse),
    )
    add(
        wire.GET_MODEL_STATUS,
        _unary(_answer_status, manager, wire.GetModelStatusRequest, wire.GetModelStatusResponse),
    )
    for path, hint in _NOT_HERE.items():
        add(path, _refusing(f"{path.rpartition('/')[2]} is not implemented by the embedded server. {hint}"))
    return [grpc.method_handlers_generic_handler(service, table) for service, table in methods.items()]


def _unary(
    answer: Callable[[VersionManager, Any, float | None], Any], manager: VersionManager, request: Any, response: Any
) -> Any:
    def handle(message: Any, context: grpc.ServicerContext) -> Any:
        try:
            if not message.HasField("model_spec"):
                raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
            return answer(manager, message, context.time_remaining())
        except ServableError as error:
            _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, response.SerializeToString)


def _refusing(text: str) -> Any:
    def handle(_: bytes, context: grpc.ServicerContext) -> NoReturn:
        _abort(context, ServableError(grpc.StatusCode.UNIMPLEMENTED, text))

    return grpc.unary_unary_rpc_method_handler(handle)


def _answer_predict(
    manager: VersionManager, request: wire.PredictRequest, timeout: float | None
) -> wire.PredictResponse:
    with manager.lease(request.model_spec) as servable:
        return predict(servable, request, timeout=timeout)


def _answer_metadata(
    manager: VersionManager, request: wire.GetModelMetadataRequest, _: float | None
) -> wire.GetModelMetadataResponse:
    if not request.metadata_field:
        raise ServableError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "GetModelMetadataRequest must specify at least one metadata_field",
        )
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {field} is not supported")
    with manager.lease(request.model_spec) as servable:
        response = wire.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[_SIGNATURE_DEF].Pack(servable.signature_defs)
        return response


def _answer_status(
    manager: VersionManager, request: wire.GetModelStatusRequest, _: float | None
) -> wire.GetModelStatusResponse:
    return manager.status(request.model_spec)


def _abort(context: grpc.ServicerContext, error: ServableError) -> NoReturn:
    context.abort(error.code, shortened(error.message))
    raise error  # abort has raised already; this tells the type checker


def shortened(message: str) -> str:
    """Cuts an error text as TensorFlow Serving does: it travels in an HTTP header, which peers limit."""
    encoded = message.encode()
    if len(encoded) <= _MESSAGE_LIMIT:
        return message
    return encoded[:_MESSAGE_LIMIT].decode(errors="ignore") + "...TRUNCATED"
