"""What the server answers, whatever the transport: requests in, responses or ServableErrors out."""

from collections.abc import Callable

import grpc

from serving.model_server import metrics
from serving.model_server.errors import ServableError
from serving.model_server.manager import ModelManager
from serving.model_server.predict import predict
from serving.protocol import wire
from serving.protocol.priority import Priority

_SIGNATURE_DEF = "signature_def"


class Answers:
    """Answers requests about the models of a manager; any number of threads may ask at a time.

    Every method raises `ServableError` with TensorFlow Serving's code and words.

    Args:
        manager: the models.
        as_content: whether numbers are answered in `tensor_content`.
    """

    def __init__(self, manager: ModelManager, *, as_content: bool = True) -> None:
        self._manager = manager
        self._as_content = as_content

    def predict(
        self, request: wire.PredictRequest, *, timeout: float | None = None, priority: Priority = Priority.LIVE
    ) -> wire.PredictResponse:
        """Runs a signature; `timeout` is the seconds left to answer."""
        with metrics.counting("GRPC") as counted:
            _check_has_spec(request)
            with self._manager.lease(request.model_spec) as servable:
                counted.model = servable.name
                return predict(servable, request, timeout=timeout, priority=priority, as_content=self._as_content)

    def metadata(self, request: wire.GetModelMetadataRequest) -> wire.GetModelMetadataResponse:
        """Describes the signatures of a version."""
        _check_has_spec(request)
        if not request.metadata_field:
            raise _invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise _invalid(f"Metadata field {field} is not supported")
        with self._manager.lease(request.model_spec) as servable:
            response = wire.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[_SIGNATURE_DEF].Pack(servable.signature_defs)
            return response

    def status(self, request: wire.GetModelStatusRequest) -> wire.GetModelStatusResponse:
        """Says in which states the versions of a model are."""
        _check_has_spec(request)
        return self._manager.status(request.model_spec)

    def reload(
        self, request: wire.ReloadConfigRequest, *, is_wanted: Callable[[], bool] = lambda: True
    ) -> wire.ReloadConfigResponse:
        """Replaces the config, and says by how much the metrics asked for grew meanwhile.

        Args:
            request: the new config, and names of metrics; see `metrics.first_values`.
            is_wanted: tells whether the caller still waits.
        """
        before = metrics.first_values(request.metric_names)
        self._manager.reload(request.config, is_wanted=is_wanted)
        response = wire.ReloadConfigResponse()
        response.status.SetInParent()
        for name, value in metrics.first_values(before).items():
            response.metric.add(name=name, int64_value_increase=value - before[name])
        return response


def _check_has_spec(request: wire.PredictRequest | wire.GetModelMetadataRequest | wire.GetModelStatusRequest) -> None:
    if not request.HasField("model_spec"):
        raise _invalid("Missing ModelSpec")


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)
