"""Every refusal that facts are known of, request by request: TensorFlow Serving's code and words.

Sources: tensorflow/serving 2.20 (`apis`, `core`, `servables/tensorflow/predict_util.cc`, `model_servers`) and
tensorflow/tensorflow (`cc/saved_model/util.cc`); dtype and shape texts were measured with TensorFlow 2.20.0.
"""

import grpc
import numpy as np
import pytest

from serving.protocol import wire
from tests.serving.model_server.toy_server import predict_request

CODE = grpc.StatusCode
VERSION = 202611211745
UINT8 = wire.DataType.DT_UINT8


def zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


def raw(alias="images", **tensor):
    request = predict_request({})
    request.inputs[alias].CopyFrom(wire.TensorProto(**tensor))
    return request


def metadata(*fields, **spec):
    return wire.GetModelMetadataRequest(model_spec={"name": "toy", **spec}, metadata_field=fields)


def status(**spec):
    return wire.GetModelStatusRequest(model_spec={"name": "toy", **spec})


def reload(*models, metrics=()):
    configs = [{"name": "toy", "base_path": "/m", "model_platform": "tensorflow", **model} for model in models]
    return wire.ReloadConfigRequest(config={"model_config_list": {"config": configs}}, metric_names=metrics)


GOOD = {"images": zeros(1, 8, 8, 3)}
TWO = {**GOOD, "b": zeros(1)}
PREDICT, METADATA = wire.PREDICT, wire.GET_MODEL_METADATA
STATUS, RELOAD = wire.GET_MODEL_STATUS, wire.HANDLE_RELOAD_CONFIG_REQUEST
NOT_FOUND, INVALID, PRECONDITION = CODE.NOT_FOUND, CODE.INVALID_ARGUMENT, CODE.FAILED_PRECONDITION
LATEST, SPECIFIC = "Servable not found for request: Latest({})", "Servable not found for request: Specific({}, {})"
SIZES = "input size does not match signature: {} len({}) != len({}). Sent extra: {}. Missing but required: {}."
SHAPE = "Shape of tensor _arg_{}_images_0_0 {} is not compatible with expected shape [?,8,8,3]."
ONLY_LISTS = (
    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
)

MODEL_SPEC = [
    ("no spec, Predict", PREDICT, wire.PredictRequest(), INVALID, "Missing ModelSpec"),
    ("no spec, metadata", METADATA, wire.GetModelMetadataRequest(), INVALID, "Missing ModelSpec"),
    ("no spec, status", STATUS, wire.GetModelStatusRequest(), INVALID, "Missing ModelSpec"),
    *(
        (f"no name, {path}", path, request, INVALID, "ModelSpec has no name specified.")
        for path, request in {
            PREDICT: predict_request(GOOD, name=""),
            METADATA: metadata("signature_def", name=""),
        }.items()
    ),
    # GetModelStatus looks the name up like any other.
    ("no name, status", STATUS, status(name=""), NOT_FOUND, "Could not find any versions of model "),
    *(
        (f"{spec}, {path}", path, make(**spec), code, message)
        for spec, code, message in [
            ({"name": "m"}, NOT_FOUND, LATEST.format("m")),
            ({"name": "m", "version": {"value": 7}}, NOT_FOUND, SPECIFIC.format("m", 7)),
            ({"version": {"value": 7}}, NOT_FOUND, SPECIFIC.format("toy", 7)),
            ({"version_label": "canary"}, INVALID, "Unrecognized servable version label: canary"),
            ({"name": "m", "version_label": "stable"}, INVALID, "Unrecognized servable version label: stable"),
            ({"version_label": "pending"}, NOT_FOUND, SPECIFIC.format("toy", 9)),
        ]
        for path, make in {
            PREDICT: lambda **spec: predict_request(GOOD, **spec),
            METADATA: lambda **spec: metadata("signature_def", **spec),
        }.items()
    ),
]

SIGNATURES = [
    (
        *("unknown signature", PREDICT, predict_request(GOOD, "X"), PRECONDITION),
        'Serving signature key "X" not found.',
    ),
    (  # ours: it is listed, but nobody can mean it
        *("the init op is none", PREDICT, predict_request({}, "__saved_model_init_op"), PRECONDITION),
        'Serving signature key "__saved_model_init_op" not found.',
    ),
    (
        *("too many inputs", PREDICT, predict_request(TWO), INVALID),
        SIZES.format("2!=1", "{b,images}", "{images}", "{b}", "{}"),
    ),
    (
        *("too few inputs", PREDICT, predict_request({}), INVALID),
        SIZES.format("0!=1", "{}", "{images}", "{}", "{images}"),
    ),
    (
        *("wrong name", PREDICT, predict_request({"img": zeros(1, 8, 8, 3)}), INVALID),
        "Signature input alias: images(feed name: serving_default_images:0) not found in request and no default "
        "value provided. Inputs expected to be in the request {img}, or default input alias set: ",
    ),
    (
        *("too few in spite of defaults", PREDICT, predict_request({}, "join", name="defaults"), INVALID),
        "Signature input alias: a(feed name: join_a:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {}, or default input alias set: b",
    ),
    (
        "extra name beside defaults",
        *(PREDICT, predict_request({"a": [b"x"], "c": [b"y"]}, "join", name="defaults"), INVALID),
        "Inputs contains invalid name. Used request inputs: a, request input: a,c",
    ),
    *(
        (f"unparseable: {tensor}", PREDICT, raw(**tensor), INVALID, "tensor parsing error: images")
        for tensor in [
            {"dtype": UINT8, "tensor_content": b"123"},
            {"dtype": UINT8, "tensor_shape": {"dim": [{"size": 2}]}, "tensor_content": b"123"},
            {"dtype": UINT8, "tensor_shape": {"dim": [{"size": -1}]}},
            {"dtype": UINT8, "tensor_shape": {"unknown_rank": True}},
            {"dtype": UINT8, "tensor_shape": {"dim": [{"size": 2**50}]}, "int_val": [1]},
            {"dtype": 99},
            {},
        ]
    ),
    (
        *("unknown output", PREDICT, predict_request(GOOD, "", ["logits", "X"]), INVALID),
        "output tensor alias not found in signature: X Outputs expected to be in the set {logits,probabilities}.",
    ),
    (
        *("an output twice", PREDICT, predict_request(GOOD, "", ["logits", "logits"]), INVALID),
        "duplicate output tensor alias: logits",
    ),
    (
        *("wrong dtype", PREDICT, predict_request({"images": zeros(1, 8, 8, 3, dtype=np.float32)}), INVALID),
        "Expects arg[0] to be uint8 but float is provided",
    ),
    (
        "wrong dtype of the second",
        *(PREDICT, predict_request({"a": [b"x"], "b": np.zeros(1, np.int64)}, "join"), INVALID),
        "Expects arg[1] to be string but int64 is provided",
    ),
    *(
        (
            f"{signature} {text}",
            *(PREDICT, predict_request({"images": zeros(*shape)}, signature), INVALID),
            SHAPE.format(signature, text),
        )
        for signature in ("serving_default", "unguarded")
        for shape, text in {
            (2, 64, 64, 3): "[2,64,64,3]",
            (2, 8, 8, 1): "[2,8,8,1]",
            (8, 8, 3): "[8,8,3]",
            (192,): "[192]",
            (): "[]",
            (1, 1, 8, 8, 3): "[1,1,8,8,3]",
        }.items()
    ),
    (  # TensorFlow Serving leaves this to the graph, and graphs disagree
        *("empty batch", PREDICT, predict_request({"images": zeros(0, 8, 8, 3)}), INVALID),
        "Input images is an empty batch: [0,8,8,3].",
    ),
]

ORDER = [
    ("the model before the signature", PREDICT, predict_request({}, "X", name="m"), NOT_FOUND, LATEST.format("m")),
    (
        *("the signature before inputs", PREDICT, predict_request(TWO, "X"), PRECONDITION),
        'Serving signature key "X" not found.',
    ),
    (
        *("names before outputs", PREDICT, predict_request({}, "", ["X"]), INVALID),
        SIZES.format("0!=1", "{}", "{images}", "{}", "{images}"),
    ),
    (
        *(
            "outputs before dtypes",
            PREDICT,
            predict_request({"images": zeros(1, dtype=np.float32)}, "", ["X"]),
            INVALID,
        ),
        "output tensor alias not found in signature: X Outputs expected to be in the set {logits,probabilities}.",
    ),
    (
        *("dtypes before shapes", PREDICT, predict_request({"images": zeros(1, dtype=np.float32)}), INVALID),
        "Expects arg[0] to be uint8 but float is provided",
    ),
]

OTHERS = [
    (
        *("no metadata field", METADATA, metadata(), INVALID),
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    ("unknown metadata field", METADATA, metadata("X"), INVALID, "Metadata field X is not supported"),
    (
        *("a known and an unknown one", METADATA, metadata("signature_def", "X"), INVALID),
        "Metadata field X is not supported",
    ),
    ("status, model", STATUS, status(name="m"), NOT_FOUND, "Could not find any versions of model m"),
    ("status, version", STATUS, status(version={"value": 7}), NOT_FOUND, "Could not find version 7 of model toy"),
    *(
        (
            *(f"{name} hints", path, wire.PredictRequest(), CODE.UNIMPLEMENTED),
            f"{name} is not implemented by the embedded server. {name} needs tf.Example inputs; "
            "send arrays to Predict.",
        )
        for name, path in {
            "Classify": wire.CLASSIFY,
            "Regress": wire.REGRESS,
            "MultiInference": wire.MULTI_INFERENCE,
        }.items()
    ),
]

RELOADS = [
    ("no config", RELOAD, wire.ReloadConfigRequest(), INVALID, ONLY_LISTS),
    ("custom config", RELOAD, wire.ReloadConfigRequest(config={"custom_model_config": {}}), INVALID, ONLY_LISTS),
    (
        *("relative path", RELOAD, reload({"name": "m", "base_path": "models/m"}), INVALID),
        "Expected model m to have an absolute path or URI; got base_path()=models/m",
    ),
    (
        *("listed twice", RELOAD, reload({"name": "m"}, {"name": "m"}), INVALID),
        "Illegal to list model m multiple times in config list",
    ),
    (
        *("no platform", RELOAD, reload({"name": "m", "model_platform": ""}), INVALID),
        "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
        "model name is m",
    ),
    (
        *("both platforms", RELOAD, reload({"name": "m", "model_type": 1}), INVALID),
        "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform.",
    ),
    (
        *("other type", RELOAD, reload({"name": "m", "model_platform": "", "model_type": 2}), INVALID),
        "ModelServerConfig::model_type choice 2 not supported.",
    ),
    (
        *("unknown platform", RELOAD, reload({"name": "m", "model_platform": "caffe"}), INVALID),
        "Model m requests unsupported platform caffe",
    ),
    (
        *("other platform", RELOAD, reload({"model_platform": "caffe"}), INVALID),
        "Illegal to change a model's platform. For model toy platform was tensorflow and new platform requested is "
        "caffe",
    ),
    (
        *("label moved to what is not loaded", RELOAD, reload({"version_labels": {"stable": 3}}), PRECONDITION),
        "Request to assign label to version 3 of model toy, which is not currently available for inference",
    ),
    (  # ours: TensorFlow Serving takes both and then finds nothing
        *("cloud path", RELOAD, reload({"name": "m", "base_path": "gs://bucket/m"}), INVALID),
        "Expected model m to have a base path on this machine; got base_path()=gs://bucket/m. This server reads "
        "folders only; mount or copy the models",
    ),
    (
        *("no name", RELOAD, reload({"name": ""}), INVALID),
        "Expected every model to have a name; got none beside base_path()=/m",
    ),
]

TABLE = [*MODEL_SPEC, *SIGNATURES, *ORDER, *OTHERS, *RELOADS]


@pytest.fixture(scope="module")
def golden_at(servers, publish, tmp_path_factory):
    """A server by a config file: the toy with labels, and the toy with a default for one input."""
    folder = tmp_path_factory.mktemp("golden")
    publish(folder / "toy", VERSION)
    give_default(publish(folder / "defaults", 1) / "saved_model.pb", "join", "b", b"!")
    (folder / "models.config").write_text(
        f"""model_config_list {{
          config {{
            name: "toy" base_path: "{folder}/toy" model_platform: "tensorflow"
            version_labels {{ key: "stable" value: {VERSION} }} version_labels {{ key: "pending" value: 9 }}
          }}
          config {{ name: "defaults" base_path: "file://{folder}/defaults" model_type: TENSORFLOW }}
        }}"""
    )
    return folder, servers(
        *(None, f"--model_config_file={folder}/models.config", "--allow_version_labels_for_unavailable_models"),
        "--max_num_load_retries=0",
    )


@pytest.fixture
def golden(golden_at):
    return golden_at[1]


def give_default(path, signature, alias, value):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].signature_def[signature].defaults[alias].CopyFrom(tf.make_tensor_proto([value]))
    path.write_bytes(saved.SerializeToString())


@pytest.mark.parametrize(
    ("path", "request_", "code", "message"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_answer_is_that_of_tensorflow_serving(golden, path, request_, code, message):
    with pytest.raises(grpc.RpcError) as refused:
        golden.call(path, request_, wire.PredictResponse)
    assert (refused.value.code(), refused.value.details()) == (code, message)
    assert golden.process.poll() is None, "the server must outlive a bad request"


def test_none_of_it_changed_what_is_served(golden):
    assert golden.predict(GOOD, version_label="stable").model_spec.version.value == VERSION
    joined = golden.predict({"a": [b"x"]}, "join", name="defaults").outputs["joined"]
    assert list(joined.string_val) == [b"x!"]


def test_a_reload_answers_ok_with_what_the_metrics_asked_for_gained(golden_at, publish, tmp_path):
    folder, golden = golden_at
    warm_up = wire.PredictionLog(
        predict_log={"request": predict_request({"query": np.zeros(1, np.int32)}, "describe")}
    ).SerializeToString()
    publish(tmp_path / "warmed", 1, [warm_up] * 3)
    runs, latency, loads = (
        "/tensorflow/core/graph_runs",
        "/tensorflow/core/graph_run_time_usecs",
        "/tensorflow/cc/saved_model/load_latency",
    )
    asked = [runs, latency, runs, loads, ":tensorflow:core:graph_runs", "/tensorflow/serving/request_latency", "x"]
    request = wire.ReloadConfigRequest(metric_names=asked)
    models = {"toy": folder / "toy", "defaults": folder / "defaults"}
    for name, path in {**models, "warmed": tmp_path / "warmed"}.items():
        request.config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
    request.config.model_config_list.config[0].version_labels["stable"] = VERSION
    golden.predict({"query": np.zeros(1, np.int32)}, "describe")  # counted before, so no increase
    answer = golden.call(RELOAD, request, wire.ReloadConfigResponse)
    assert answer.HasField("status")
    assert answer.status.error_code == wire.ErrorCode.OK
    gained = {metric.name: metric.int64_value_increase for metric in answer.metric}
    assert len(answer.metric) == len(gained) == 6, "a name asked for twice is answered once"
    assert gained[runs] == 3, "the warm-up of the new model"
    assert gained[latency] > 0
    assert gained[loads] == 0, "of the first model_path only, and another one was loaded"
    assert [gained[name] for name in asked[4:]] == [0, 0, 0]
    again = golden.call(RELOAD, request, wire.ReloadConfigResponse)
    assert [metric.int64_value_increase for metric in again.metric] == [0] * 6


def test_a_model_whose_only_version_failed_has_a_status(golden_at, tmp_path, publish):
    folder, golden = golden_at
    broken = publish(tmp_path / "broken", 4)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    request = reload({"base_path": str(folder / "toy")}, {"name": "broken", "base_path": str(broken.parent)})
    with pytest.raises(grpc.RpcError) as refused:
        golden.call(RELOAD, request, wire.ReloadConfigResponse)
    assert refused.value.code() is CODE.UNKNOWN
    assert (
        "servable(s) did not become available: {{name: broken version: 4} due to error: " in refused.value.details()
    )
    (entry,) = golden.status(name="broken").values()
    assert entry.state == wire.State.END
    assert entry.status.error_code != wire.ErrorCode.OK
