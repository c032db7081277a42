"""Devices: several of them come to the weights of one."""

import json
import os
import socket

import numpy as np
import pytest
import tensorflow as tf

from tests.training.fitting.test_resume import assert_same, finish, start, weights
from training.errors import TrainingError
from training.fitting.devices import Devices, choose

PLAIN = {**os.environ, "PLAIN": "1"}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    finish(start(folder, environment=PLAIN))
    return folder


@pytest.mark.slow
def test_two_devices_of_one_machine_come_to_the_weights_of_one(one_device, tmp_path):
    assert finish(start(tmp_path, strategy="mirrored", environment=PLAIN)) == "done 4 0"
    for a, b in zip(weights(tmp_path), weights(one_device), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_two_workers_come_to_the_weights_of_one_and_only_the_first_keeps_records(one_device, tmp_path):
    hosts = [f"localhost:{port}" for port in free_ports(2)]
    environments = [
        {
            **PLAIN,
            "TF_CONFIG": json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}),
        }
        for index in range(2)
    ]

    def both(*overrides):
        processes = [
            start(tmp_path, *overrides, strategy="multiworker", environment=environment)
            for environment in environments
        ]
        return [finish(process) for process in processes]

    assert both("fit.epochs=2", "fit.schedule=constant") == ["done 2 0", "done 2 0"]
    assert both("fit.epochs=4", "fit.schedule=constant") == ["done 4 2", "done 4 2"]  # taken up by both
    assert_same(weights(tmp_path, 0), weights(tmp_path, 1))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    expected = tmp_path / "expected"
    finish(start(expected, "fit.schedule=constant", environment=PLAIN))
    for a, b in zip(weights(tmp_path), weights(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_without_a_gpu_one_that_was_asked_for_is_an_error(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])
    for built, hint in ((False, r"install tensorflow\[and-cuda\]"), (True, "look at nvidia-smi")):
        monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda built=built: built)
        with pytest.raises(TrainingError, match=rf"--device gpu: expected a GPU, TensorFlow finds none: .*{hint}"):
            choose(device="gpu")


def test_an_unknown_strategy_is_named():
    with pytest.raises(TrainingError, match="expected one of none, mirrored, multiworker, received 'mirror'"):
        choose("mirror")
    with pytest.raises(TrainingError, match="--device: expected one of auto, cpu, gpu, received 'cuda'"):
        choose(device="cuda")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "none of them is set"),
        ("{", "JSONDecodeError"),
        ('{"cluster": {}}', "KeyError"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "none of the 1 workers"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "none of the 1 workers"),
    ],
)
def test_workers_that_nobody_named_are_an_error(monkeypatch, text, problem):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(TrainingError, match=f"TF_CONFIG such as .*{problem}"):
        choose("multiworker")


def test_a_batch_must_be_shared_out_evenly():
    with pytest.raises(TrainingError, match="3 devices share a batch, so expected a multiple of 3, received 16"):
        Devices(replicas=3).check(16, 100)
    with pytest.raises(TrainingError, match="expected at most the 10 training frames, received 16"):
        Devices(replicas=2).check(16, 10)
    Devices().check(16, 10)


@pytest.mark.slow
def test_a_lost_worker_ends_the_others_with_words_that_help(tmp_path):
    hosts = [f"localhost:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        config = json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}})
        environment = {**PLAIN, "TF_CONFIG": config}
        processes.append(start(tmp_path, "fit.epochs=500", strategy="multiworker", environment=environment))
    first, second = processes
    for line in second.stdout:
        if line.split() == ["step", "2", "1"]:
            break
    second.kill()
    second.communicate()
    _, err = first.communicate(timeout=240)
    assert first.returncode == 1
    assert "MachineError: Lost a peer (worker 1 of 2" in err
    assert (tmp_path / "checkpoints" / "last.npz").exists()
