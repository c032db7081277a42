"""The REST routes over loopback: TensorFlow Serving's answers and refusals, with real models."""

import http.client
import json
import math
import socket
import threading

import grpc
import numpy as np
import pytest

from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.flags import Settings
from serving.model_server.manager import ModelManager
from serving.model_server.rest import MAX_BODY_BYTES, RestApplication, RestServer
from serving.model_server.rest_tensor import json_text
from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, wait_until

CODE = grpc.StatusCode
KINDS = ("float32", "float16", "float64", "int64", "uint64", "bool", "string", "complex64")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A model that answers what it gets, with a signature for each type."""
    import tensorflow as tf

    module, signatures = tf.Module(), {}
    for kind in KINDS:

        def echo(x):
            return {"x": tf.identity(x)}

        spec = tf.TensorSpec([None], getattr(tf, kind), name="x")
        signatures[kind] = tf.function(echo, input_signature=[spec])
    signatures["serving_default"] = tf.function(
        lambda text: {"text_bytes": text}, input_signature=[tf.TensorSpec([None], tf.string, name="text")]
    )
    signatures["nothing"] = tf.function(lambda: {"x": tf.constant([1])}, input_signature=[])
    base_path = tmp_path_factory.mktemp("kinds")
    tf.saved_model.save(module, str(base_path / "1"), signatures=signatures)
    return base_path


@pytest.fixture(scope="module")
def manager(kinds, publish, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest")
    for version in (1, 2):
        publish(folder / "toy", version)
    config = folder / "models.config"
    config.write_text(
        f"""model_config_list {{
          config {{ name: "toy" base_path: "{folder}/toy" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: 1 }} }}
          config {{ name: "kinds" base_path: "{kinds}" model_platform: "tensorflow" }}
        }}"""
    )
    manager = ModelManager(
        Settings(model_config_file=config, max_num_load_retries=0, allow_version_labels_for_unavailable_models=True)
    )
    manager.start()
    wait_until(manager.is_ready, "the models are there")
    yield manager
    manager.stop()


@pytest.fixture(scope="module")
def rest(manager):
    server = RestServer(RestApplication(manager, timeout=DEADLINE), host="127.0.0.1", port=0, threads=4)
    yield server
    server.stop(DEADLINE)


@pytest.fixture
def ask(rest):
    """Sends one request; gives status, body, content type."""
    return lambda *args, **kwargs: send(rest.port, *args, **kwargs)


def send(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    finally:
        connection.close()


def predicted(ask, path, body):
    status, text, kind = ask("POST", path, body)
    assert (status, kind) == (200, "application/json"), text
    return json.loads(text)


def test_status(ask):
    status, text, kind = ask("GET", "/v1/models/toy")
    assert (status, kind) == (200, "application/json")
    fine = {"error_code": "OK", "error_message": ""}
    assert json.loads(text) == {
        "model_version_status": [
            {"version": "2", "state": "AVAILABLE", "status": fine},
            {"version": "1", "state": "AVAILABLE", "status": fine},
        ]
    }
    _, text, _ = ask("GET", "/V1/MODELS/toy/VERSIONS/1")
    assert [entry["version"] for entry in json.loads(text)["model_version_status"]] == ["1"]
    assert ask("GET", "/v1/models/toy/labels/ignored")[0] == 200


def test_metadata(ask):
    status, text, kind = ask("GET", "/v1/models/toy/versions/1/metadata")
    assert (status, kind) == (200, "application/json")
    answer = json.loads(text)
    assert answer["model_spec"] == {"name": "toy", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert "__saved_model_init_op" in signatures
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    images = signatures["serving_default"]["inputs"]["images"]
    assert (images["dtype"], images["name"]) == ("DT_UINT8", "serving_default_images:0")
    assert [dim["size"] for dim in images["tensor_shape"]["dim"]] == ["-1", "8", "8", "3"]
    assert json.loads(ask("GET", "/v1/models/toy/metadata")[1])["model_spec"]["version"] == "2"
    assert json.loads(ask("GET", "/v1/models/toy/labels/stable/metadata")[1])["model_spec"]["version"] == "1"


@pytest.mark.parametrize("path", ["/v1/models/toy", "/v1/models/toy/versions/1", "/v1/models/toy/labels/stable"])
def test_predict_by_row_and_by_column(ask, manager, images, path):
    with manager.lease(wire.ModelSpec(name="toy")) as servable:
        expected = servable.run("", {"images": images})
    rows = predicted(ask, f"{path}:predict", {"instances": images.tolist()})["predictions"]
    named = predicted(ask, f"{path}:predict", {"instances": [{"images": image} for image in images.tolist()]})
    columns = predicted(ask, f"{path}:predict", {"inputs": {"images": images.tolist()}})["outputs"]
    assert predicted(ask, f"{path}:predict", {"inputs": images.tolist()})["outputs"] == columns
    assert named["predictions"] == rows
    for alias, array in expected.items():
        assert np.array_equal(np.array(columns[alias], np.float32), array)
        assert np.array_equal(np.array([row[alias] for row in rows], np.float32), array)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float32", [0.2, 1.0, -3.5e-5, 9e6, 1e38, 16777215]),
        ("float16", [0.5, 65504.0, -2.0]),
        ("float64", [0.1, 1e300]),
        ("int64", [2**63 - 1, -(2**63)]),
        ("uint64", [2**64 - 1, 0]),
        ("bool", [True, False]),
        ("string", ["雪", "", "a\0"]),
    ],
)
def test_values_come_back_as_they_went(ask, kind, values):
    body = {"signature_name": kind, "instances": values}
    assert predicted(ask, "/v1/models/kinds:predict", body) == {"predictions": values}
    body = {"signature_name": kind, "inputs": values}
    assert predicted(ask, "/v1/models/kinds:predict", body) == {"outputs": values}


def test_what_is_no_number_comes_back_too(ask):
    body = '{"signature_name": "float32", "instances": [NaN, Infinity, -Infinity]}'
    nan, plus, minus = predicted(ask, "/v1/models/kinds:predict", body)["predictions"]
    assert math.isnan(nan)
    assert (plus, minus) == (math.inf, -math.inf)


def test_bytes_travel_as_base64(ask):
    packed = [{"b64": "/wA="}, {"b64": ""}]
    answer = predicted(ask, "/v1/models/kinds:predict", {"instances": packed})
    assert answer == {"predictions": packed}
    assert predicted(ask, "/v1/models/kinds:predict", {"inputs": {"text": packed}}) == {"outputs": packed}
    body = {"signature_name": "string", "instances": [{"b64": "/wA="}, {"b64": "YWI"}]}
    assert predicted(ask, "/v1/models/kinds:predict", body) == {"predictions": [{"b64": "/wA="}, "ab"]}


def test_small_integers_wrap_as_an_int_val_does(ask):
    row = np.zeros((8, 8, 3), int)
    row[0, 0] = (300, 0, -1)
    wrapped = row.copy()
    wrapped[0, 0] = (44, 0, 255)
    answers = [predicted(ask, "/v1/models/toy:predict", {"instances": [part.tolist()]}) for part in (row, wrapped)]
    assert answers[0] == answers[1]


GOOD = {"instances": np.zeros((1, 8, 8, 3), int).tolist()}
IN_ELEMENT = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: {}"
FLAT = {"signature_name": "float32"}
TOO_DEEP = "Expecting a tensor of at most 63 dimensions but got lists nested deeper"
REFUSALS = [
    ("POST", "/v1/models/m:predict", GOOD, 404, "Servable not found for request: Latest(m)"),
    ("POST", "/v1/models/toy/versions/7:predict", GOOD, 404, "Servable not found for request: Specific(toy, 7)"),
    ("POST", "/v1/models/toy/labels/x:predict", GOOD, 400, "Unrecognized servable version label: x"),
    (
        *("POST", f"/v1/models/toy/versions/{2**63}:predict", GOOD, 400),
        f"Failed to convert version: {2**63} to numeric.",
    ),
    ("POST", "/v1/models/x", GOOD, 400, "Malformed request: POST /v1/models/x"),
    ("POST", "/v1/models/toy:explain", GOOD, 400, "Malformed request: POST /v1/models/toy:explain"),
    ("GET", "/v1/models/toy:predict", None, 400, "Malformed request: GET /v1/models/toy:predict"),
    ("PUT", "/v1/models/toy:predict", GOOD, 400, "Malformed request: PUT /v1/models/toy:predict"),
    ("GET", "/v1/models", None, 400, "Missing model name in request."),
    ("GET", "/v1/models/m", None, 404, "Could not find any versions of model m"),
    ("GET", "/v1/models/%E9%9B%AA", None, 404, "Could not find any versions of model 雪"),
    ("GET", "/v1/models/a%2Fb%3Ac", None, 404, "Could not find any versions of model a/b:c"),
    ("GET", "/v1/models/a/b", None, 400, "Malformed request: GET /v1/models/a/b"),
    ("HEAD", "/v1/models/toy", None, 400, None),
    ("POST", "/v1/models/toy/labels/a%2Fb:predict", GOOD, 400, "Unrecognized servable version label: a/b"),
    ("GET", "/v1/models/toy/versions/7", None, 404, "Could not find version 7 of model toy"),
    ("GET", "/v1/models/m/metadata", None, 404, "Servable not found for request: Latest(m)"),
    (
        *("POST", "/v1/models/toy:predict", {**GOOD, "signature_name": "X"}, 400),
        'Serving signature name: "X" not found in signature def',
    ),
    ("POST", "/v1/models/m:predict", "", 400, "JSON Parse error: The document is empty"),
    ("POST", "/v1/models/m:predict", "[1", 400, "JSON Parse error: Expecting ',' delimiter at offset: 2"),
    ("POST", "/v1/models/m:predict", "7", 400, "JSON Value: 7 Is not object"),
    (
        *("POST", "/v1/models/m:predict", {"signature_name": 7}, 400),
        'JSON Value: {\n    "signature_name": 7\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    ("POST", "/v1/models/toy:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
    (
        *("POST", "/v1/models/toy:predict", {"instances": [], "inputs": []}, 400),
        'JSON Value: {\n    "instances": [],\n    "inputs": []\n} Not formatted correctly expecting only one of '
        "'inputs' or 'instances' keys to exist ",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"instances": 7}, 400),
        "JSON Value: {\n    \"instances\": 7\n} Excepting 'instances' to be an list/array",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"instances": []}, 400),
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"signature_name": "nothing", "instances": [1]}, 400),
        "Failed to get input map for signature: nothing",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "instances": ["a"]}, 400),
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "inputs": ["a"]}, 400),
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "inputs": {"a": ["a"]}}, 400),
        "Missing named input: b in 'inputs' object.",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "instances": [{"a": "a"}]}, 400),
        'Failed to process element: 0 of \'instances\' list. JSON object: {\n    "a": "a"\n} keys must be equal to: '
        "a,b",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "instances": [{"c": "a"}]}, 400),
        IN_ELEMENT.format("0 key: c", "JSON object: does not have named input: c"),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [{"x": 1.0}, [1.0]]}, 400),
        "Expecting object but got list at item 1 of input list",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [1.0, {"x": 1.0}]}, 400),
        "Expecting value/list but got object at item 1 of input list",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [1.0, "a"]}, 400),
        IN_ELEMENT.format(1, 'JSON Value: "a" Type: String is not of expected type: float'),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [1.0, None]}, 400),
        IN_ELEMENT.format(1, "JSON Value: null Type: Null is not of expected type: float"),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [{"b64": "YQ=="}]}, 400),
        IN_ELEMENT.format(0, 'JSON Value: {\n    "b64": "YQ=="\n} Type: Object is not of expected type: float'),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"signature_name": "bool", "inputs": [1]}, 400),
        "JSON Value: 1 Type: Number is not of expected type: bool",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"signature_name": "int64", "inputs": [1, True]}, 400),
        "JSON Value: true Type: True is not of expected type: int64",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"signature_name": "int64", "inputs": [2**63]}, 400),
        f"JSON Value: {2**63} Type: Number is not of expected type: int64",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"signature_name": "complex64", "inputs": [1]}, 501),
        "Conversion of JSON Value: 1 to type: complex64",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "inputs": [2**24]}, 400),
        "Cannot convert JSON value: 16777216 to float without loss of precision.",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "inputs": [1e39]}, 400),
        "Cannot convert JSON value: 1e+39 to float without loss of precision.",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"inputs": [{"b64": "!"}]}, 400),
        "Unable to base64 decode",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {"inputs": {"text": [{"a": 1, "b": 2}]}}, 400),
        'JSON Value: {\n    "a": 1,\n    "b": 2\n} not formatted correctly for base64 data',
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [[1.0], [1.0, 2.0]]}, 400),
        IN_ELEMENT.format(1, "Expecting tensor size: 1 but got: 2"),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "instances": [[[1.0]], [1.0]]}, 400),
        IN_ELEMENT.format(1, "Expecting shape [1,1] but got: [1]"),
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "inputs": [[1.0, 2.0], [3.0]]}, 400),
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "inputs": [1.0, [3.0]]}, 400),
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    (
        *("POST", "/v1/models/kinds:predict", {**FLAT, "inputs": [[1.0], 3.0]}, 400),
        "JSON Value: 3.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    *(
        (
            "POST",
            "/v1/models/kinds:predict",
            f'{{"signature_name": "float32", "{key}": {"[" * 900}{"]" * 900}}}',
            *answer,
        )
        for key, answer in {
            "inputs": (400, TOO_DEEP),
            "instances": (400, IN_ELEMENT.format(0, TOO_DEEP)),
        }.items()
    ),
    (
        *("POST", "/v1/models/toy:predict", {"inputs": [[[[1, 2, 3]]]]}, 400),
        "Shape of tensor _arg_serving_default_images_0_0 [1,1,1,3] is not compatible with expected shape [?,8,8,3].",
    ),
    (
        *("POST", "/v1/models/toy:predict", {"signature_name": "join", "instances": [{"a": "a", "b": "b"}]}, 400),
        "Tensor name: first has no shape information ",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "message"), REFUSALS)
def test_refusals_are_those_of_tensorflow_serving(ask, method, path, body, code, message):
    status, text, kind = ask(method, path, body)
    assert (status, kind) == (code, "application/json")
    assert text == ("" if message is None else f'{{ "error": {json.dumps(message, ensure_ascii=False)} }}')


STATUS_OF = {
    CODE.CANCELLED: 499,
    CODE.UNKNOWN: 500,
    CODE.INVALID_ARGUMENT: 400,
    CODE.DEADLINE_EXCEEDED: 504,
    CODE.NOT_FOUND: 404,
    CODE.ALREADY_EXISTS: 409,
    CODE.PERMISSION_DENIED: 403,
    CODE.RESOURCE_EXHAUSTED: 429,
    CODE.FAILED_PRECONDITION: 400,
    CODE.ABORTED: 409,
    CODE.OUT_OF_RANGE: 400,
    CODE.UNIMPLEMENTED: 501,
    CODE.INTERNAL: 500,
    CODE.UNAVAILABLE: 503,
    CODE.DATA_LOSS: 500,
    CODE.UNAUTHENTICATED: 401,
}


class Refusing:
    """Models that answer one code."""

    def __init__(self):
        self.code = CODE.UNKNOWN

    def status(self, spec):
        raise ServableError(self.code, f"no {spec.name}")


def test_every_code_has_the_status_of_tensorflow_serving():
    assert STATUS_OF.keys() == set(CODE) - {CODE.OK}
    models = Refusing()
    server = RestServer(RestApplication(models, timeout=DEADLINE), host="127.0.0.1", port=0, threads=1)
    try:
        for models.code, status in STATUS_OF.items():
            assert send(server.port, "GET", "/v1/models/a")[:2] == (status, '{ "error": "no a" }')
    finally:
        server.stop(DEADLINE)


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_what_is_not_here_says_what_to_do(ask, verb):
    status, text, _ = ask("POST", f"/v1/models/toy:{verb}", GOOD)
    assert status == 501
    assert ":predict" in text


@pytest.mark.parametrize("path", ["/", "/v2/models/toy", "/monitoring/prometheus/metrics", "/v1"])
def test_other_paths_are_not_found_without_json(ask, path):
    assert ask("GET", path) == (404, "", None)


def test_a_signature_whose_graph_fails(ask):
    status, text, _ = ask("POST", "/v1/models/toy:predict", {"signature_name": "fail", "instances": [1]})
    assert status == 400
    assert "雪" in json.loads(text)["error"]


def test_quotes_of_a_large_body_are_cut(ask):
    status, text, _ = ask("POST", "/v1/models/toy:predict", {"instances": "x" * 100_000})
    assert status == 400
    assert len(text) < 2000


def test_what_is_nested_too_deep_is_not_quoted():
    value = 1
    for _ in range(5000):
        value = {"a": value}
    assert json_text(value) == "..."


def test_time_that_runs_out(manager, tmp_path):
    server = RestServer(RestApplication(manager, timeout=0.2), host="127.0.0.1", port=0, threads=1)
    body = {"signature_name": "wait", "inputs": str(tmp_path)}
    status, text, _ = send(server.port, "POST", "/v1/models/toy:predict", body)
    server.stop(DEADLINE)
    assert (status, json.loads(text)) == (504, {"error": "Timed out waiting for notification"})


def test_a_get_with_a_body_is_harmless(ask):
    for _ in range(3):
        assert ask("GET", "/v1/models/toy", b"x" * 1_000_000)[0] == 200


def test_a_chunked_body(rest):
    connection = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=DEADLINE)
    chunks = iter([b'{"signature_name": "bool", ', b'"instances": [true]}'])
    headers = {"Transfer-Encoding": "chunked"}
    connection.request("POST", "/v1/models/kinds:predict", chunks, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"predictions": [True]})
    connection.close()


def test_the_priority_header(ask):
    for priority in ("live", "bulk"):
        assert ask("POST", "/v1/models/toy:predict", GOOD, {"Snowmode-Priority": priority})[0] == 200
    status, text, _ = ask("POST", "/v1/models/toy:predict", GOOD, {"Snowmode-Priority": "urgent"})
    assert status == 400
    assert "expected live or bulk" in json.loads(text)["error"]


def test_a_body_that_is_too_large(rest):
    with socket.create_connection(("127.0.0.1", rest.port), timeout=DEADLINE) as connection:
        head = f"POST /v1/models/toy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_port_in_use(rest, manager):
    with pytest.raises(ConfigurationError, match=f"Cannot listen on --rest_api_port={rest.port} of 127.0.0.1: Addr"):
        RestServer(RestApplication(manager, timeout=1), host="127.0.0.1", port=rest.port, threads=1)


def test_stopping_lets_running_predictions_finish(manager, tmp_path):
    server = RestServer(RestApplication(manager, timeout=DEADLINE), host="127.0.0.1", port=0, threads=4)
    body = {"signature_name": "wait", "inputs": str(tmp_path)}
    answers = []
    running = threading.Thread(
        target=lambda: answers.append(send(server.port, "POST", "/v1/models/toy:predict", body))
    )
    running.start()
    wait_until((tmp_path / "started").exists, "the request runs")
    stopping = threading.Thread(target=server.stop, args=(DEADLINE,))
    stopping.start()
    wait_until(lambda: send(server.port, "POST", "/v1/models/toy:predict", GOOD)[0] == 503, "new ones are refused")
    assert not answers
    (tmp_path / "release").touch()
    running.join(DEADLINE)
    stopping.join(DEADLINE)
    assert answers[0][:2] == (200, '{"outputs": true}')
    with pytest.raises(OSError):
        send(server.port, "GET", "/v1/models/toy")
