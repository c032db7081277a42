"""The gRPC services of TensorFlow Serving, on the project's own messages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from serving.model_server.answers import Answers
from serving.model_server.errors import ServableError
from serving.model_server.priority import priority_of
from serving.protocol import wire
from serving.protocol.priority import HEADER, Priority

_MESSAGE_LIMIT = 1024
_NEEDS_EXAMPLES = (
    "{0} is not implemented by the embedded server. {0} needs tf.Example inputs; send arrays to Predict."
)


def handlers(answers: Answers, *, bulk_pool: ThreadPoolExecutor | None = None) -> list[grpc.GenericRpcHandler]:
    """Makes the handlers of PredictionService and ModelService.

    Args:
        answers: what they answer with.
        bulk_pool: threads for bulk requests, which would otherwise hold those that live ones need; None lets both
            share the server's own.
    """
    methods: dict[str, dict[str, Any]] = {}

    def add(path: str, handler: Any) -> None:
        _, service, method = path.split("/")
        methods.setdefault(service, {})[method] = handler

    def predict(request: wire.PredictRequest, context: grpc.ServicerContext) -> wire.PredictResponse:
        priority = priority_of(dict(context.invocation_metadata()).get(HEADER))
        return answers.predict(request, timeout=context.time_remaining(), priority=priority)

    def metadata(request: wire.GetModelMetadataRequest, _: grpc.ServicerContext) -> wire.GetModelMetadataResponse:
        return answers.metadata(request)

    def status(request: wire.GetModelStatusRequest, _: grpc.ServicerContext) -> wire.GetModelStatusResponse:
        return answers.status(request)

    def reload(request: wire.ReloadConfigRequest, context: grpc.ServicerContext) -> wire.ReloadConfigResponse:
        return answers.reload(request, is_wanted=context.is_active)

    add(wire.PREDICT, _unary(predict, wire.PredictRequest))
    add(wire.GET_MODEL_METADATA, _unary(metadata, wire.GetModelMetadataRequest))
    add(wire.GET_MODEL_STATUS, _unary(status, wire.GetModelStatusRequest))
    add(wire.HANDLE_RELOAD_CONFIG_REQUEST, _unary(reload, wire.ReloadConfigRequest))
    for path in (wire.CLASSIFY, wire.REGRESS, wire.MULTI_INFERENCE):
        add(path, _refusing(_NEEDS_EXAMPLES.format(path.rpartition("/")[2])))
    made = [grpc.method_handlers_generic_handler(service, table) for service, table in methods.items()]
    if bulk_pool is None:
        return made
    return [_BulkPredict(_unary(predict, wire.PredictRequest, pool=bulk_pool)), *made]


class _BulkPredict(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Takes the Predict requests that say they are bulk."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def service(self, handler_call_details: Any) -> Any:
        """Finds the handler of a call; None leaves it to others."""
        is_bulk = (HEADER, Priority.BULK) in handler_call_details.invocation_metadata
        return self._handler if is_bulk and handler_call_details.method == wire.PREDICT else None


def _unary(
    answer: Callable[[Any, grpc.ServicerContext], Any], request: Any, *, pool: ThreadPoolExecutor | None = None
) -> Any:
    def handle(data: bytes, context: grpc.ServicerContext) -> Any:
        try:
            # Not by gRPC, which writes a traceback into the log for whatever anybody sends.
            return answer(request.FromString(data), context)
        except DecodeError as error:
            _abort(context, ServableError(grpc.StatusCode.INTERNAL, str(error)))
        except ServableError as error:
            _abort(context, error)

    if pool is not None:
        handle.experimental_thread_pool = pool  # type: ignore[attr-defined]  # gRPC's way to say it
    return grpc.unary_unary_rpc_method_handler(handle, None, lambda response: response.SerializeToString())


def _refusing(text: str) -> Any:
    def handle(_: bytes, context: grpc.ServicerContext) -> NoReturn:
        _abort(context, ServableError(grpc.StatusCode.UNIMPLEMENTED, text))

    return grpc.unary_unary_rpc_method_handler(handle)


def _abort(context: grpc.ServicerContext, error: ServableError) -> NoReturn:
    context.abort(error.code, shortened(error.message))
    raise error  # abort has raised already; this tells the type checker


def shortened(message: str) -> str:
    """Cuts an error text as TensorFlow Serving does: it travels in an HTTP header, which peers limit."""
    encoded = message.encode()
    if len(encoded) <= _MESSAGE_LIMIT:
        return message
    return encoded[:_MESSAGE_LIMIT].decode(errors="ignore") + "...TRUNCATED"
