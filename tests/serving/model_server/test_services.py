"""The services of a running server, with our messages and with the official ones; refusals are in `test_golden`."""

import threading

import grpc
import numpy as np
import pytest

from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, outputs_of, predict_request

VERSION = 202611211745
CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def expected(toy, images):
    """What TensorFlow itself makes of the model, without any of our code."""
    import tensorflow as tf

    answer = tf.saved_model.load(str(toy)).signatures["serving_default"](images=tf.constant(images))
    return {alias: value.numpy() for alias, value in answer.items()}


def test_the_ready_line_and_the_port_file(server):
    port = server.target.rpartition(":")[2]
    assert f"Serving toy version {VERSION} on port {port}\n" in server.output


def test_predict(server, images, expected):
    response = server.predict({"images": images})
    assert response.model_spec == wire.ModelSpec(
        name="toy", version={"value": VERSION}, signature_name="serving_default"
    )
    outputs = outputs_of(response)
    assert outputs.keys() == expected.keys()
    for alias, array in outputs.items():
        np.testing.assert_array_equal(array, expected[alias])
        assert response.outputs[alias].tensor_content


def test_predict_with_the_official_stub(server, images, expected):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.version.value = VERSION
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(images))
    request.output_filter.append("logits")
    response = prediction_service_pb2_grpc.PredictionServiceStub(server.channel).Predict(request, DEADLINE)
    assert list(response.outputs) == ["logits"]
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["logits"]), expected["logits"])


def test_strings_come_in_string_val(server):
    response = server.predict({"query": np.zeros(2, np.int32)}, "describe")
    assert list(response.outputs["model_card"].string_val) == [b'{"a": 1}\0'] * 2
    joined = outputs_of(server.predict({"a": ["x", "y"], "b": ["1", "2"]}, "join"))
    assert joined["joined"].tolist() == [b"x1", b"y2"]
    assert joined["first"].tolist() == b"x1"


def test_image_values_may_come_as_int_val(server, expected):
    request = predict_request({})
    request.inputs["images"].dtype = wire.DataType.DT_UINT8
    for size in (2, 8, 8, 3):
        request.inputs["images"].tensor_shape.dim.add(size=size)
    request.inputs["images"].int_val.append(7)
    logits = outputs_of(server.call(wire.PREDICT, request, wire.PredictResponse))["logits"]
    full = outputs_of(server.predict({"images": np.full((2, 8, 8, 3), 7, np.uint8)}))["logits"]
    np.testing.assert_array_equal(logits, full)


def zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


def test_an_error_inside_the_graph_keeps_its_code_and_is_cut(server):
    with pytest.raises(grpc.RpcError) as refused:
        server.predict({"number": np.ones(1, np.int32)}, "fail")
    assert refused.value.code() is CODE.INVALID_ARGUMENT
    details = refused.value.details()
    assert details.endswith("x...TRUNCATED")
    assert len(details.encode()) == 1024 + len("...TRUNCATED")


def test_a_spent_deadline_ends_the_run(server, tmp_path):
    request = predict_request({"folder": str(tmp_path)}, "wait")
    with pytest.raises(grpc.RpcError) as refused:
        server.method(wire.PREDICT, wire.PredictResponse)(request, timeout=0.5)
    assert refused.value.code() is CODE.DEADLINE_EXCEEDED
    # All turns must be free again, or this never ends.
    assert len(server.predict({"images": zeros(1, 8, 8, 3)}).outputs) == 2


@pytest.mark.parametrize("path", [wire.PREDICT, wire.GET_MODEL_METADATA, wire.GET_MODEL_STATUS])
def test_bytes_that_are_no_message_are_refused_without_a_word_in_the_log(server, path):
    before = server.output
    with pytest.raises(grpc.RpcError) as refused:
        server.channel.unary_unary(path)(b"\xff\xff\xff", timeout=DEADLINE)
    assert refused.value.code() is CODE.INTERNAL
    assert "Error parsing message" in refused.value.details()
    assert server.output == before


def test_many_callers_at_a_time(server, images, expected):
    wrong = []

    def call(index):
        for size in (1 + index % 3, 3):
            logits = outputs_of(server.predict({"images": images[:size]}))["logits"]
            if not np.allclose(logits, expected["logits"][:size], rtol=1e-5, atol=1e-5):
                wrong.append(index)

    threads = [threading.Thread(target=call, args=(index,)) for index in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def metadata_request(*fields, **spec):
    return wire.GetModelMetadataRequest(model_spec={"name": "toy", **spec}, metadata_field=fields)


def test_metadata(server, toy):
    answer = server.call(wire.GET_MODEL_METADATA, metadata_request("signature_def"), wire.GetModelMetadataResponse)
    assert answer.model_spec == wire.ModelSpec(name="toy", version={"value": VERSION})
    signatures = wire.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert "__saved_model_init_op" in signatures.signature_def
    info = signatures.signature_def["serving_default"].inputs["images"]
    assert info.dtype == wire.DataType.DT_UINT8
    assert [dim.size for dim in info.tensor_shape.dim] == [-1, 8, 8, 3]


def test_metadata_is_what_the_official_loader_reads(server, toy):
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow_serving.apis import get_model_metadata_pb2, prediction_service_pb2_grpc

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "toy"
    answer = prediction_service_pb2_grpc.PredictionServiceStub(server.channel).GetModelMetadata(request, DEADLINE)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    on_disk = (
        saved_model_pb2.SavedModel.FromString((toy / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def
    )
    assert dict(signatures.signature_def) == dict(on_disk)


def test_status(server):
    for spec in ({}, {"version": {"value": VERSION}}, {"version_label": "ignored"}):
        (entry,) = server.status(**spec).values()
        assert (entry.version, entry.state) == (VERSION, wire.State.AVAILABLE)
        assert entry.HasField("status")
        assert entry.status.error_code == wire.ErrorCode.OK


def test_status_with_the_official_stub(server):
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "toy"
    answer = model_service_pb2_grpc.ModelServiceStub(server.channel).GetModelStatus(request, DEADLINE)
    assert [(entry.version, entry.state) for entry in answer.model_version_status] == [(VERSION, 30)]


@pytest.mark.parametrize(
    "service",
    [
        *("", "PredictionService", "ModelService"),
        *("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"),
    ],
)
def test_health(server, service):
    request = wire.HealthCheckRequest(service=service)
    answer = server.call(wire.HEALTH_CHECK, request, wire.HealthCheckResponse)
    assert answer.status == wire.ServingStatus.SERVING


def test_health_of_an_unknown_service(server):
    with pytest.raises(grpc.RpcError) as refused:
        server.call(wire.HEALTH_CHECK, wire.HealthCheckRequest(service="X"), wire.HealthCheckResponse)
    assert refused.value.code() is CODE.NOT_FOUND


def test_messages_may_be_larger_than_grpc_allows_by_default(server):
    many = zeros(30_000, 8, 8, 3)
    assert many.nbytes > 4 << 20
    assert server.predict({"images": many}).outputs["logits"].tensor_shape.dim[0].size == 30_000
