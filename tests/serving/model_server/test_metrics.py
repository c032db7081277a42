"""The page for Prometheus, read from a real server."""

import http.client
import json
import re
import socket

import grpc
import numpy as np
import pytest

from serving.model_server import metrics
from serving.model_server.errors import ServableError
from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, predict_request

PATH = "/some/where"
LATENCY_BOUNDS = ["10", "18", "32.4", "58.32", "104.976", "188.957"]


def free_port():
    """A port nobody listens on at the moment: TensorFlow Serving's flag cannot ask for any free one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def get(port, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    finally:
        connection.close()


def read_page(port, path="/monitoring/prometheus/metrics"):
    status, text, kind = get(port, path)
    assert (status, kind) == (200, "text/plain")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture(scope="module")
def watched(servers, publish, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    record = wire.PredictionLog(
        predict_log={"request": predict_request({"query": np.zeros(1, np.int32)}, "describe")}
    ).SerializeToString()
    publish(folder / "toy", 3, [record])
    (folder / "monitoring.config").write_text(f'prometheus_config {{ enable: true path: "{PATH}" }}')
    port = free_port()
    server = servers(
        folder / "toy", f"--rest_api_port={port}", f"--monitoring_config_file={folder / 'monitoring.config'}"
    )
    assert f"and REST port {port}" in (server.target and server.output)
    server.rest_port, server.folder = port, folder / "toy" / "3"
    return server


def test_requests_are_counted_by_how_they_end(watched, images):
    before = read_page(watched.rest_port, PATH)
    for _ in range(3):
        watched.predict({"images": images})
    assert get(watched.rest_port, "/v1/models/toy:predict", "POST", json.dumps({"inputs": images.tolist()}))[0] == 200
    for signature, name in (("X", "toy"), ("", "nobody's")):
        with pytest.raises(grpc.RpcError):
            watched.predict({"images": images}, signature, name=name)
    after = read_page(watched.rest_port, PATH)

    def gained(name):
        return after[name] - before.get(name, 0)

    serving = ":tensorflow:serving:"
    assert gained(f'{serving}request_count{{model_name="toy",status="OK"}}') == 4
    assert gained(f'{serving}request_count{{model_name="toy",status="FAILED_PRECONDITION"}}') == 1
    assert gained(f'{serving}request_count{{model_name="",status="NOT_FOUND"}}') == 1, "no model, no label"
    for entrypoint, count in (("GRPC", 3), ("REST", 1)):
        labels = f'model_name="toy",API="Predict",entrypoint="{entrypoint}"'
        assert gained(f"{serving}request_latency_count{{{labels}}}") == count
        assert gained(f"{serving}request_latency_sum{{{labels}}}") > 0
    assert gained(f'{serving}runtime_latency_count{{model_name="toy",API="Predict",runtime="TF1"}}') == 4
    ours = 'model_name="toy",version="3",signature_name="serving_default"'
    assert gained(f":snowmode:serving:latency_count{{{ours}}}") == 4
    assert after[f":snowmode:serving:in_flight{{{ours}}}"] == 0
    assert gained(":tensorflow:core:graph_runs{}") == 4
    assert gained(":tensorflow:core:graph_run_time_usecs{}") > 0


def test_loading_and_warming_up_are_shown(watched):
    page = read_page(watched.rest_port, PATH)
    path = f'model_path="{watched.folder}"'
    assert page[f":tensorflow:cc:saved_model:load_latency{{{path}}}"] > 0
    assert page[f':tensorflow:cc:saved_model:load_attempt_count{{{path},status="success"}}'] == 1
    assert page[f':tensorflow:serving:model_warmup_latency_count{{{path},status="OK"}}'] == 1
    assert page[f':tensorflow:serving:model_warmup_records_read{{{path},status="OK"}}'] == 1


def test_names_types_and_bounds_are_those_of_tensorflow_serving(watched):
    _, text, _ = get(watched.rest_port, PATH)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    serving, batching = ":tensorflow:serving:", ":tensorflow:serving:batching_session:"
    assert types == {
        f"{serving}request_count": "counter",
        f"{serving}request_latency": "histogram",
        f"{serving}runtime_latency": "histogram",
        f"{serving}model_warmup_latency": "histogram",
        f"{serving}model_warmup_records_read": "counter",
        f"{batching}queuing_latency": "histogram",
        f"{batching}input_batch_size": "histogram",
        f"{batching}processed_batch_size": "histogram",
        f"{batching}padding_size": "histogram",
        f"{batching}wrapped_run_count": "counter",
        ":tensorflow:cc:saved_model:load_attempt_count": "counter",
        ":tensorflow:cc:saved_model:load_latency": "counter",
        ":tensorflow:core:graph_runs": "counter",
        ":tensorflow:core:graph_run_time_usecs": "counter",
        ":snowmode:serving:queue_depth": "gauge",
        ":snowmode:serving:in_flight": "gauge",
        ":snowmode:serving:latency": "histogram",
    }
    assert "_created" not in text
    bounds = re.findall(r'model_warmup_latency_bucket{.*le="(.*)"}', text)
    assert bounds[:6] == LATENCY_BOUNDS
    assert (len(bounds), bounds[-1]) == (34, "+Inf")
    assert re.findall(r'input_batch_size_bucket{le="(.*)"}', text) == [*(str(2**n) for n in range(14)), "+Inf"]


def test_the_bounds_of_the_time_in_the_queue():
    metrics.note_queued("pool", 0.5)
    bounds = re.findall(r'queuing_latency_bucket{thread_pool_name="pool",le="(.*)"} (\d)', metrics.page())
    assert [bound for bound, _ in bounds[:4]] == ["100", "120", "144", "172.8"]
    assert (len(bounds), bounds[-1]) == (53, ("+Inf", "1"))
    assert [count for bound, count in bounds if bound != "+Inf" and float(bound) < 500_000][-1] == "0"


def test_the_usual_path_is_not_there_when_another_is_given(watched):
    assert get(watched.rest_port, "/monitoring/prometheus/metrics")[0] == 404


def test_label_values_are_escaped():
    with metrics.loading('a"b\\c\nd'):
        pass
    assert r'load_attempt_count{model_path="a\"b\\c\nd",status="success"} 1' in metrics.page()


def test_a_load_that_fails_is_counted_as_one():
    with pytest.raises(ServableError), metrics.loading("broken"):
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, "no model")
    assert 'load_attempt_count{model_path="broken",status="fail"} 1\n' in metrics.page()


def test_of_a_warm_up_that_fails_the_records_before_are_counted():
    with pytest.raises(ServableError), metrics.warming_up("broken") as warm_up:
        warm_up.records += 2
        raise ServableError(grpc.StatusCode.INVALID_ARGUMENT, "no request")
    assert 'model_warmup_records_read{model_path="broken",status="INVALID_ARGUMENT"} 2\n' in metrics.page()


def test_an_unloaded_version_leaves_the_page():
    metrics.queue_depth("gone", 4, "s")
    metrics.queue_depth("gone", 5, "s")
    metrics.forget("gone", 4)
    assert 'model_name="gone",version="4"' not in metrics.page()
    assert 'model_name="gone",version="5"' in metrics.page()
