"""Versions and configs change while clients call: no request fails, and memory comes back."""

import collections
import signal
import threading

import grpc
import numpy as np
import psutil
import pytest

from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, predict_request, wait_until

pytestmark = pytest.mark.slow

CALLERS = 4
IMAGES = np.zeros((4, 8, 8, 3), np.uint8)


class Load:
    """Callers that call until they are told to stop, and take down which version answered or what went wrong."""

    def __init__(self, server, **spec):
        self.versions = collections.Counter()
        self.errors = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._call = server.method(wire.PREDICT, wire.PredictResponse)
        self._request = predict_request({"images": IMAGES}, **spec)
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]

    def _run(self):
        while not self._stop.is_set():
            try:
                version = self._call(self._request, timeout=DEADLINE).model_spec.version.value
            except grpc.RpcError as error:
                with self._lock:
                    self.errors.append((error.code(), error.details()))
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return
            else:
                with self._lock:
                    self.versions[version] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self.join()

    def join(self):
        for thread in self._threads:
            thread.join(DEADLINE)

    def wait_for(self, version, count=50):
        goal = self.versions[version] + count
        wait_until(lambda: self.errors or self.versions[version] >= goal, f"{count} answers by version {version}")


def test_new_versions_cost_no_request(servers, publish, tmp_path):
    publish(tmp_path, 1)
    server = servers(tmp_path)
    with Load(server) as load:
        load.wait_for(1)
        for number in (2, 3, 4):
            publish(tmp_path, number)
            load.wait_for(number)
            wait_until(lambda number=number: server.states()[number - 1] == "END", "the old version is gone")
    assert load.errors == []
    assert load.versions.keys() == {1, 2, 3, 4}
    assert server.end() == 0


def test_new_configs_cost_no_request(servers, publish, tmp_path):
    for number in (1, 2):
        publish(tmp_path / "toy", number)
    publish(tmp_path / "other", 1)

    def config(numbers, stable, *others):
        request = wire.ReloadConfigRequest()
        for name in ("toy", *others):
            request.config.model_config_list.config.add(
                name=name, base_path=str(tmp_path / name), model_platform="tensorflow"
            )
        toy = request.config.model_config_list.config[0]
        toy.model_version_policy.specific.versions.extend(numbers)
        toy.version_labels["stable"] = stable
        return request

    server = servers(tmp_path / "toy", "--file_system_poll_wait_seconds=3600")

    def reload(*wanted):
        server.call(wire.HANDLE_RELOAD_CONFIG_REQUEST, config(*wanted), wire.ReloadConfigResponse)

    reload([1, 2], 2)
    wait_until(lambda: server.states() == {1: "AVAILABLE", 2: "AVAILABLE"}, "both versions")
    with Load(server) as latest, Load(server, version_label="stable") as stable:
        stable.wait_for(2)
        for _ in range(3):
            reload([1, 2], 1, "other")
            stable.wait_for(1)
            reload([1], 1)
            latest.wait_for(1)
            wait_until(lambda: server.states()[2] == "END", "the new version is gone")
            reload([1, 2], 1)
            latest.wait_for(2)
            reload([1, 2], 2)
            stable.wait_for(2)
            reload([2], 2, "other")
            wait_until(lambda: server.states()[1] == "END", "the old version is gone")
            reload([1, 2], 2)
            wait_until(lambda: server.states()[1] == "AVAILABLE", "the old version is back")
    assert latest.errors == []
    assert stable.errors == []
    assert server.end() == 0


def test_a_server_that_stops_under_load_answers_or_refuses(servers, publish, tmp_path):
    publish(tmp_path, 1)
    server = servers(tmp_path)
    with Load(server) as load:
        load.wait_for(1)
        server.process.send_signal(signal.SIGTERM)
        load.join()
    # gRPC cancels what it has received at that moment and not handed to Python yet.
    assert {code for code, _ in load.errors} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert load.errors
    assert not [details for _, details in load.errors if "closed" in details or "reset" in details], "cut off"
    assert server.process.wait(DEADLINE) == 0


def test_memory_comes_back_after_unloading(servers, tmp_path):
    import tensorflow as tf

    class Heavy(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(tf.random.normal([64 * 256, 1024]))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="query")])
        def look_up(self, query):
            return {"rows": tf.gather(self.weights, query)}

    heavy = Heavy()
    size = heavy.weights.shape.num_elements() * 4
    (tmp_path / "toy").mkdir()

    def publish(number):
        part = tmp_path / f"{number}.part"
        tf.saved_model.save(heavy, str(part), signatures=heavy.look_up)
        part.rename(tmp_path / "toy" / str(number))

    publish(1)
    server = servers(tmp_path / "toy")
    process = psutil.Process(server.process.pid)

    def loaded(number):
        wait_until(lambda: server.states().get(number) == "AVAILABLE", "the version")
        server.predict({"query": np.zeros(1, np.int32)})
        return process.memory_info().rss

    first = loaded(1)
    for number in (2, 3, 4):
        publish(number)
        loaded(number)
        wait_until(lambda number=number: server.states()[number - 1] == "END", "the old version is gone")
        (tmp_path / "toy" / str(number - 1)).rename(tmp_path / f"old-{number - 1}")
    wait_until(lambda: process.memory_info().rss < first + size / 2, "as much memory as one version takes")
    (tmp_path / "toy" / "4").rename(tmp_path / "old-4")
    wait_until(lambda: server.states()[4] == "END", "the last version is gone")
    wait_until(lambda: process.memory_info().rss < first - size / 2, "the memory of the last version")
