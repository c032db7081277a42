"""The messages of a model server: TensorFlow Serving's own packages, names and numbers, without TensorFlow.

The official wheel (`tensorflow-serving-api`) drags in all of TensorFlow: 2.3 GB, and seconds to import.
Here the few messages needed come from `wire.desc`, which `python -m serving.protocol.compile` makes from the
`.proto` files beside this module. Bytes are interchangeable with the official classes; objects are not.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

if TYPE_CHECKING:

    class _Message(Any):  # type: ignore[misc]  # fields are known to protobuf only
        """A message class made at run time."""

    class TensorShapeProto(_Message): ...  # noqa: D101

    class TensorProto(_Message): ...  # noqa: D101

    class TensorInfo(_Message): ...  # noqa: D101

    class SignatureDef(_Message): ...  # noqa: D101

    class ModelSpec(_Message): ...  # noqa: D101

    class PredictRequest(_Message): ...  # noqa: D101

    class PredictResponse(_Message): ...  # noqa: D101

    class SignatureDefMap(_Message): ...  # noqa: D101

    class GetModelMetadataRequest(_Message): ...  # noqa: D101

    class GetModelMetadataResponse(_Message): ...  # noqa: D101

    class StatusProto(_Message): ...  # noqa: D101

    class GetModelStatusRequest(_Message): ...  # noqa: D101

    class GetModelStatusResponse(_Message): ...  # noqa: D101

    class ModelVersionStatus(_Message): ...  # noqa: D101

    class LogMetadata(_Message): ...  # noqa: D101

    class PredictLog(_Message): ...  # noqa: D101

    class PredictionLog(_Message): ...  # noqa: D101

    class ModelConfig(_Message): ...  # noqa: D101

    class ModelServerConfig(_Message): ...  # noqa: D101

    class ReloadConfigRequest(_Message): ...  # noqa: D101

    class ReloadConfigResponse(_Message): ...  # noqa: D101

    class SSLConfig(_Message): ...  # noqa: D101

    class MonitoringConfig(_Message): ...  # noqa: D101

    class BatchingParameters(_Message): ...  # noqa: D101

    class HealthCheckRequest(_Message): ...  # noqa: D101

    class HealthCheckResponse(_Message): ...  # noqa: D101

    DataType: Any
    ErrorCode: Any
    ModelType: Any
    State: Any
    ServingStatus: Any


def _private_pool() -> Any:
    # Private: the same message names in the default pool are an error once tensorflow is imported as well.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    compiled = descriptor_pb2.FileDescriptorSet.FromString(Path(__file__).with_name("wire.desc").read_bytes())
    waiting = list(compiled.file)
    known = {any_pb2.DESCRIPTOR.name, wrappers_pb2.DESCRIPTOR.name}
    while waiting:  # a file goes in after what it imports
        ready = [file for file in waiting if known.issuperset(file.dependency)]
        for file in ready:
            pool.Add(file)
            known.add(file.name)
        waiting = [file for file in waiting if file.name not in known]
        if not ready and waiting:
            raise ImportError(f"wire.desc: {[file.name for file in waiting]} import files that are not in it")
    return pool


POOL: Final = _private_pool()


def _messages(package: str, *names: str) -> dict[str, Any]:
    found = {name: POOL.FindMessageTypeByName(f"{package}.{name}") for name in names}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


if not TYPE_CHECKING:
    MESSAGES = {
        **_messages("tensorflow", "TensorShapeProto", "TensorProto", "TensorInfo", "SignatureDef"),
        **_messages(
            "tensorflow.serving",
            *("ModelSpec", "PredictRequest", "PredictResponse", "SignatureDefMap"),
            *("GetModelMetadataRequest", "GetModelMetadataResponse", "StatusProto"),
            *("GetModelStatusRequest", "GetModelStatusResponse", "ModelVersionStatus"),
            *("LogMetadata", "PredictLog", "PredictionLog"),
            *("ModelConfig", "ModelServerConfig", "ReloadConfigRequest", "ReloadConfigResponse"),
            *("SSLConfig", "MonitoringConfig", "BatchingParameters"),
        ),
        **_messages("grpc.health.v1", "HealthCheckRequest", "HealthCheckResponse"),
    }
    globals().update(MESSAGES)
    # Enums: `DataType.DT_UINT8`, `DataType.Name(4)`, `State.AVAILABLE`, ...
    DataType = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.DataType"))
    ErrorCode = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.error.Code"))
    ModelType = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.serving.ModelType"))
    State = EnumTypeWrapper(POOL.FindEnumTypeByName("tensorflow.serving.ModelVersionStatus.State"))
    ServingStatus = EnumTypeWrapper(POOL.FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus"))

PREDICTION_SERVICE: Final = "tensorflow.serving.PredictionService"
PREDICT: Final = f"/{PREDICTION_SERVICE}/Predict"
GET_MODEL_METADATA: Final = f"/{PREDICTION_SERVICE}/GetModelMetadata"
CLASSIFY: Final = f"/{PREDICTION_SERVICE}/Classify"
REGRESS: Final = f"/{PREDICTION_SERVICE}/Regress"
MULTI_INFERENCE: Final = f"/{PREDICTION_SERVICE}/MultiInference"

MODEL_SERVICE: Final = "tensorflow.serving.ModelService"
GET_MODEL_STATUS: Final = f"/{MODEL_SERVICE}/GetModelStatus"
HANDLE_RELOAD_CONFIG_REQUEST: Final = f"/{MODEL_SERVICE}/HandleReloadConfigRequest"

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
HEALTH_CHECK: Final = f"/{HEALTH_SERVICE}/Check"
HEALTH_WATCH: Final = f"/{HEALTH_SERVICE}/Watch"
