"""Our messages against the official ones, field by field and byte by byte."""

import importlib
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2, message_factory
from hypothesis import given
from hypothesis import strategies as st

from serving.protocol import wire
from serving.protocol.compile import WIRE_DESC

OFFICIAL = {
    "tensorflow": ["tensorflow.core.protobuf.meta_graph_pb2"],
    "tensorflow.serving": [
        f"tensorflow_serving.apis.{name}_pb2"
        for name in ("predict", "get_model_metadata", "get_model_status", "prediction_log", "logging")
    ]
    + ["tensorflow_serving.apis.model_management_pb2"],
    "grpc.health.v1": ["grpc_health.v1.health_pb2"],
}


@pytest.fixture(scope="session")
def official_pool():
    for modules in OFFICIAL.values():
        for module in modules:
            loaded = importlib.import_module(module)
    return loaded.DESCRIPTOR.pool


# The wheel lacks these; so their fields, as they stand in tensorflow/serving 2.20:
# config/ssl_config.proto, config/monitoring_config.proto, servables/tensorflow/session_bundle_config.proto.
NOT_IN_THE_WHEEL = {
    "tensorflow.serving.SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
    "tensorflow.serving.MonitoringConfig": {"prometheus_config": (1, "tensorflow.serving.PrometheusConfig")},
    "tensorflow.serving.PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "tensorflow.serving.BatchingParameters": {
        "max_batch_size": (1, "google.protobuf.Int64Value"),
        "batch_timeout_micros": (2, "google.protobuf.Int64Value"),
        "max_enqueued_batches": (3, "google.protobuf.Int64Value"),
        "num_batch_threads": (4, "google.protobuf.Int64Value"),
        "thread_pool_name": (5, "google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        # Read as text only; the official numbers of these two are not known here.
        "enable_large_batch_splitting": (1000, "google.protobuf.BoolValue"),
        "max_execution_batch_size": (1001, "google.protobuf.Int64Value"),
    },
}
PLAIN_TYPES = {3: "int64", 8: "bool", 9: "string"}


def all_messages():
    seen = {}

    def walk(found):
        if found.full_name in seen or found.full_name.startswith("google."):
            return
        seen[found.full_name] = found
        for inner in [*found.nested_types, *(field.message_type for field in found.fields if field.message_type)]:
            walk(inner)

    for message in wire.MESSAGES.values():
        walk(message.DESCRIPTOR)
    return seen


MESSAGES = all_messages()
IN_THE_WHEEL = [found for name, found in MESSAGES.items() if name not in NOT_IN_THE_WHEEL]


def describe(field):
    return {
        "number": field.number,
        "type": field.type,
        "repeated": field.is_repeated,
        "packed": field.is_packed,
        "message": field.message_type and field.message_type.full_name,
        "enum": field.enum_type and field.enum_type.full_name,
        "oneof": field.containing_oneof and field.containing_oneof.name,
        "json": field.json_name,
    }


@pytest.mark.parametrize("ours", IN_THE_WHEEL, ids=lambda found: found.full_name)
def test_every_field_is_the_official_one(ours, official_pool):
    official = official_pool.FindMessageTypeByName(ours.full_name)
    for field in ours.fields:
        assert describe(field) == describe(official.fields_by_name[field.name]), field.name


@pytest.mark.parametrize(
    "name",
    [
        "tensorflow.DataType",
        "tensorflow.error.Code",
        "tensorflow.serving.ModelType",
        "tensorflow.serving.SamplingConfig.Attributes",
        "tensorflow.serving.ModelVersionStatus.State",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
    ],
)
def test_every_enum_value_is_the_official_one(name, official_pool):
    ours, official = wire.POOL.FindEnumTypeByName(name), official_pool.FindEnumTypeByName(name)
    assert {value.name: value.number for value in ours.values}.items() <= {
        value.name: value.number for value in official.values
    }.items()


@pytest.mark.parametrize("name", NOT_IN_THE_WHEEL)
def test_every_field_the_wheel_lacks_is_the_official_one(name):
    def type_of(field):
        plain = field.message_type.full_name if field.message_type else PLAIN_TYPES[field.type]
        return f"repeated {plain}" if field.is_repeated else plain

    assert {field.name: (field.number, type_of(field)) for field in MESSAGES[name].fields} == NOT_IN_THE_WHEEL[name]


def test_a_config_has_every_field_but_the_deprecated_ones(official_pool):
    for name in ("ModelConfig", "ModelConfigList", "ModelServerConfig", "LoggingConfig", "ReloadConfigRequest"):
        official = official_pool.FindMessageTypeByName(f"tensorflow.serving.{name}")
        assert {field.name for field in official.fields} == set(MESSAGES[official.full_name].fields_by_name), name


def test_tensor_values_are_all_there(official_pool):
    official = official_pool.FindMessageTypeByName("tensorflow.TensorProto")
    left_out = set(official.fields_by_name) - set(wire.TensorProto.DESCRIPTOR.fields_by_name)
    assert left_out == {"resource_handle_val", "variant_val", "float8_val"}


texts = st.text(max_size=8)
tensors = st.builds(
    lambda dtype, dims, content, ints, strings: {
        "dtype": dtype,
        "tensor_shape": {"dim": [{"size": size} for size in dims]},
        "tensor_content": content,
        "int_val": ints,
        "string_val": strings,
    },
    st.integers(0, 23),
    st.lists(st.integers(-1, 2**40), max_size=4),
    st.binary(max_size=20),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    st.lists(st.binary(max_size=5), max_size=3),
)
specs = st.builds(
    lambda name, version, label, signature: {
        "name": name,
        "signature_name": signature,
        **({"version": {"value": version}} if label is None else {"version_label": label}),
    },
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.none() | texts,
    texts,
)


@given(specs, st.dictionaries(texts, tensors, max_size=3), st.lists(texts, max_size=3))
def test_bytes_go_both_ways(official_pool, spec, inputs, output_filter):
    def build(pick):
        request = pick("tensorflow.serving.PredictRequest")(model_spec=spec, output_filter=output_filter)
        for alias, tensor in inputs.items():
            request.inputs[alias].CopyFrom(pick("tensorflow.TensorProto")(**tensor))
        return pick("tensorflow.serving.PredictionLog")(predict_log={"request": request})

    ours = build(lambda name: wire.MESSAGES[name.rpartition(".")[2]])
    official = build(lambda name: message_factory.GetMessageClass(official_pool.FindMessageTypeByName(name)))
    ours_bytes = ours.SerializeToString(deterministic=True)
    official_bytes = official.SerializeToString(deterministic=True)
    assert ours_bytes == official_bytes
    assert type(ours).FromString(official_bytes) == ours
    assert type(official).FromString(ours_bytes) == official


def test_what_we_do_not_know_survives(official_pool):
    official = message_factory.GetMessageClass(
        official_pool.FindMessageTypeByName("tensorflow.serving.PredictRequest")
    )(client_id=b"someone")
    through = wire.PredictRequest.FromString(official.SerializeToString()).SerializeToString()
    assert type(official).FromString(through) == official


def test_metadata_travels_in_an_official_any(official_pool):
    from tensorflow_serving.apis import get_model_metadata_pb2

    signatures = wire.SignatureDefMap()
    signatures.signature_def["serving_default"].inputs["images"].name = "images:0"
    answer = wire.GetModelMetadataResponse()
    answer.metadata["signature_def"].Pack(signatures)
    received = get_model_metadata_pb2.GetModelMetadataResponse.FromString(answer.SerializeToString())
    unpacked = get_model_metadata_pb2.SignatureDefMap()
    assert received.metadata["signature_def"].Unpack(unpacked)
    assert unpacked.signature_def["serving_default"].inputs["images"].name == "images:0"


def test_the_compiled_file_is_up_to_date(tmp_path):
    output = tmp_path / "wire.desc"
    subprocess.run([sys.executable, "-m", "serving.protocol.compile", str(output)], check=True)
    fresh, checked_in = (
        descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()) for path in (output, WIRE_DESC)
    )
    assert fresh == checked_in, "run: python -m serving.protocol.compile"


class Paths:
    """Stands where a stub expects a channel, and takes down what it would call."""

    def __init__(self):
        self.seen = set()

    def unary_unary(self, path, *_, **__):
        self.seen.add(path)

    unary_stream = unary_unary


def test_method_paths_are_the_official_ones():
    from grpc_health.v1 import health_pb2_grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    paths = Paths()
    prediction_service_pb2_grpc.PredictionServiceStub(paths)
    model_service_pb2_grpc.ModelServiceStub(paths)
    health_pb2_grpc.HealthStub(paths)
    assert {
        *(wire.PREDICT, wire.GET_MODEL_METADATA, wire.CLASSIFY, wire.REGRESS, wire.MULTI_INFERENCE),
        *(wire.GET_MODEL_STATUS, wire.HANDLE_RELOAD_CONFIG_REQUEST),
        *(wire.HEALTH_CHECK, wire.HEALTH_WATCH),
    } <= paths.seen


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_it_never_imports_tensorflow():
    ended = python(
        "import sys, serving.protocol.wire, serving.protocol.tensors\n"
        "print([name for name in sys.modules if name.startswith(('tensorflow', 'grpc_tools'))])"
    )
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def test_tensorflow_may_come_after():
    ended = python(
        "from serving.protocol import wire\n"
        "from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, get_model_status_pb2\n"
        "from grpc_health.v1 import health_pb2\n"
        "ours = wire.PredictRequest(model_spec={'name': 'm'})\n"
        "official = predict_pb2.PredictRequest.FromString(ours.SerializeToString())\n"
        "print(official.model_spec.name)"
    )
    assert (ended.returncode, ended.stdout) == (0, "m\n"), ended.stderr
