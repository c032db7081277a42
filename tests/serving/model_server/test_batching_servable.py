"""Batching with real models, by itself and in a server."""

import contextlib
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving.model_server.batched_servable import BatchedServable
from serving.model_server.batching import BatchScheduler
from serving.model_server.batching_parameters import PER_MODEL_FILE, BatchingOptions
from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.flags import Settings
from serving.model_server.manager import ModelManager
from serving.model_server.servable import Servable
from serving.protocol import wire
from serving.protocol.priority import HEADER
from tests.serving.model_server.test_metrics import free_port, read_page
from tests.serving.model_server.toy_server import DEADLINE, outputs_of, predict_request, wait_until

CODE = grpc.StatusCode
NEVER_WAIT = BatchingOptions(max_batch_size=16)


@pytest.fixture
def scheduler():
    scheduler = BatchScheduler(2, "test")
    yield scheduler
    scheduler.close()


@pytest.fixture
def batched(toy, scheduler):
    servable = BatchedServable(Servable.load(toy, "toy", 5), scheduler, NEVER_WAIT)
    yield servable
    servable.close()


def test_answers_are_those_without_batching(toy, batched):
    plain = Servable.load(toy, "toy", 5)
    rng = np.random.default_rng(3)
    requests = [rng.integers(0, 256, (rows, 8, 8, 3), np.uint8) for rows in rng.integers(1, 6, 60)]
    wanted = [(), ("logits",), ("probabilities", "logits")]
    with ThreadPoolExecutor(16) as callers:
        calls = [
            callers.submit(batched.run, "", {"images": images}, wanted[number % 3], timeout=DEADLINE)
            for number, images in enumerate(requests)
        ]
    for number, (call, images) in enumerate(zip(calls, requests, strict=True)):
        expected = plain.run("", {"images": images}, wanted[number % 3])
        assert list(call.result()) == list(expected)
        for alias, array in expected.items():
            np.testing.assert_allclose(call.result()[alias], array, rtol=1e-5)
    plain.close()


def test_strings_go_through_batches(batched):
    answer = batched.run("describe", {"query": np.zeros(3, np.int32)})
    assert answer["model_card"].tolist() == [b'{"a": 1}\0'] * 3
    inputs = {"a": np.array([b"x\0", b""], object), "b": np.array([b"\0", b"y"], object)}
    assert batched.run("join", inputs, ["joined"])["joined"].tolist() == [b"x\0\0", b"y"]


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "message"),
    [
        ("X", {}, CODE.FAILED_PRECONDITION, 'Serving signature key "X" not found.'),
        (
            *("", {"images": np.zeros((17, 8, 8, 3), np.uint8)}, CODE.INVALID_ARGUMENT),
            "Task size 17 is larger than maximum input batch size 16",
        ),
        (
            *("wait", {"folder": np.array(b"", object)}, CODE.INVALID_ARGUMENT),
            "Batching Run() input tensors must have at least one dimension",
        ),
        (
            *("join", {"a": np.array([b"1"], object), "b": np.array([b"1", b"2"], object)}, CODE.INVALID_ARGUMENT),
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        (
            *("unguarded", {"images": np.zeros((1, 8, 8, 3), np.uint8)}, CODE.FAILED_PRECONDITION),
            "Batched output tensor has 0 dimensions",
        ),
    ],
)
def test_refusals_are_those_of_tensorflow_serving(batched, signature, inputs, code, message):
    with pytest.raises(ServableError) as refused:
        batched.run(signature, inputs)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_time_that_runs_out_in_the_graph(batched):
    with pytest.raises(ServableError) as late:
        batched.run("", {"images": np.zeros((1, 8, 8, 3), np.uint8)}, timeout=0.0)
    assert late.value.code is CODE.RESOURCE_EXHAUSTED, "it ran out in the queue"


def test_what_is_unloaded_is_freed_although_its_batches_ran(publish, tmp_path):
    publish(tmp_path, 1)
    settings = Settings(model_base_path=tmp_path, model_name="toy", enable_batching=True, max_num_load_retries=0)
    manager = ModelManager(settings)
    manager.start()
    wait_until(manager.is_ready, "the model")
    with manager.lease(wire.ModelSpec(name="toy")) as servable:
        servable.run("", {"images": np.zeros((1, 8, 8, 3), np.uint8)})
        graph = weakref.ref(servable._servable._session.graph)
    del servable
    manager.reload(wire.ModelServerConfig(model_config_list={}))
    wait_until(lambda: graph() is None, "the graph freed")
    manager.stop()


def test_parameters_that_contradict_each_other_stop_the_start(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text("num_batch_threads { value: 0 }")
    with pytest.raises(
        ConfigurationError, match=r"--batching_parameters_file=.*: num_batch_threads must be positive"
    ):
        Settings(model_base_path=tmp_path, enable_batching=True, batching_parameters_file=file)


def test_per_model_parameters(publish, tmp_path):
    for version in (1, 2, 3):
        publish(tmp_path, version)
    (tmp_path / "2" / PER_MODEL_FILE).write_text("max_batch_size { value: 2 }")
    (tmp_path / "3" / PER_MODEL_FILE).write_text("max_batch_size { value: 2 } allowed_batch_sizes: 1")
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "toy" base_path: "{tmp_path}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    manager = ModelManager(
        Settings(
            model_config_file=config,
            enable_batching=True,
            enable_per_model_batching_parameters=True,
            max_num_load_retries=0,
        )
    )
    manager.start()

    def states():
        with contextlib.suppress(ServableError):  # nobody has looked yet
            return {entry.version: entry for entry in manager.status(wire.ModelSpec(name="toy")).model_version_status}
        return {}

    wait_until(lambda: {50, 30} == {entry.state for entry in states().values()} and len(states()) == 3, "all tried")
    assert states()[3].state == wire.State.END
    assert "Last entry in allowed_batch_sizes must match max_batch_size" in states()[3].status.error_message
    images = {"images": np.zeros((3, 8, 8, 3), np.uint8)}
    with manager.lease(wire.ModelSpec(name="toy", version={"value": 1})) as servable:
        assert len(servable.run("", images)["logits"]) == 3, "without a file of its own a model is not batched"
    with (
        manager.lease(wire.ModelSpec(name="toy", version={"value": 2})) as servable,
        pytest.raises(ServableError, match="Task size 3 is larger than maximum input batch size 2"),
    ):
        servable.run("", images)
    manager.stop()


@pytest.fixture(scope="module")
def batching(servers, publish, tmp_path_factory):
    """A server that runs one batch at a time, of up to 8 rows, two waiting."""
    folder = tmp_path_factory.mktemp("batching")
    publish(folder / "toy", 7)
    (folder / "batching.config").write_text(
        "max_batch_size { value: 8 } num_batch_threads { value: 1 } max_enqueued_batches { value: 2 }"
    )
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    port = free_port()
    server = servers(
        folder / "toy",
        *("--enable_batching", f"--batching_parameters_file={folder / 'batching.config'}", "--grpc_max_threads=2"),
        *(f"--rest_api_port={port}", f"--monitoring_config_file={folder / 'monitoring.config'}"),
    )
    server.rest_port = port
    return server


def test_a_server_batches_more_callers_than_it_has_threads(batching, images):
    method = batching.method(wire.PREDICT, wire.PredictResponse)
    expected = outputs_of(batching.predict({"images": images}))["logits"]
    request = predict_request({"images": images})
    done, answers, lock = threading.Semaphore(0), [], threading.Lock()

    def received(call):
        with lock:
            answers.append(call)
        done.release()

    for _ in range(40):
        method.future(request, timeout=DEADLINE).add_done_callback(received)
    for _ in range(40):
        assert done.acquire(timeout=DEADLINE)
    codes = {call.code() for call in answers}
    assert codes <= {CODE.OK, CODE.UNAVAILABLE}
    assert CODE.OK in codes
    for call in answers:
        if call.code() is CODE.OK:
            np.testing.assert_allclose(outputs_of(call.result())["logits"], expected, rtol=1e-5)
        else:
            assert call.details().startswith("The batch scheduling queue to which this task was submitted is full; ")
    page = read_page(batching.rest_port)
    batches = page[":tensorflow:serving:batching_session:processed_batch_size_count{}"]
    assert batches == page[":tensorflow:serving:batching_session:wrapped_run_count{}"]
    rows = page[":tensorflow:serving:batching_session:processed_batch_size_sum{}"]
    assert rows == 3 * (1 + sum(call.code() is CODE.OK for call in answers))


@pytest.mark.parametrize(
    ("header", "code"), [("live", CODE.OK), ("bulk", CODE.OK), ("urgent", CODE.INVALID_ARGUMENT)]
)
def test_the_header(batching, images, header, code):
    method = batching.method(wire.PREDICT, wire.PredictResponse)
    call = method.future(predict_request({"images": images}), timeout=DEADLINE, metadata=((HEADER, header),))
    assert call.code() is code
    if code is not CODE.OK:
        assert call.details() == (
            "The metadata header snowmode-priority is 'urgent'; expected live or bulk (no header means live)"
        )


def test_numbers_in_the_field_of_their_type_where_that_is_wanted(servers, publish, tmp_path, images, toy):
    publish(tmp_path / "toy", 1)
    server = servers(
        tmp_path / "toy",
        *("--enable_serialization_as_tensor_content=false", "--enable_batching", f"--rest_api_port={free_port()}"),
    )
    plain = Servable.load(toy)
    answer = server.predict({"images": images}).outputs["logits"]
    assert not answer.tensor_content
    expected = plain.run("", {"images": images})["logits"]
    np.testing.assert_allclose(np.array(answer.float_val, np.float32).reshape(3, 4), expected, rtol=1e-5)
    plain.close()
    assert server.end() == 0, "batches and REST do not hold up the stop"
