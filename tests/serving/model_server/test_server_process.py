"""Starting and stopping the server through its command."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path

import grpc
import pytest

from serving.model_server.flags import Settings
from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, outputs_of, predict_request, wait_until


def refused_at_once(*flags):
    """What is wrong with the flags must be said before TensorFlow is imported."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "serving.model_server", *flags],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )


def test_versions_change_under_a_running_server_and_sigterm_drains_it(servers, publish, tmp_path, images):
    base_path = tmp_path / "toy"
    server = servers(base_path, "--grpc_socket_path=" + str(tmp_path / "socket"))
    wait_until(lambda: f"Could not find base path {base_path}" in server.output, "the complaint")
    assert not server.port_file.exists(), "no model, no port"
    publish(base_path, 1)
    assert server.states() == {1: "AVAILABLE"}

    publish(base_path, 2)
    wait_until(lambda: server.states() == {1: "END", 2: "AVAILABLE"}, "the new version")
    response = server.predict({"images": images})
    assert response.model_spec.version.value == 2
    with pytest.raises(grpc.RpcError) as gone:
        server.predict({"images": images}, version={"value": 1})
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND
    with grpc.insecure_channel(f"unix:{tmp_path / 'socket'}") as channel:
        health = channel.unary_unary(
            wire.HEALTH_CHECK, lambda message: message.SerializeToString(), wire.HealthCheckResponse.FromString
        )
        assert health(wire.HealthCheckRequest(), timeout=DEADLINE).status == wire.ServingStatus.SERVING

    watched, seen = [], threading.Event()
    channel = grpc.insecure_channel(server.target)
    watch = channel.unary_stream(
        wire.HEALTH_WATCH,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=wire.HealthCheckResponse.FromString,
    )(wire.HealthCheckRequest())

    def follow():
        for answer in watch:
            watched.append(answer.status)
            seen.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert seen.wait(DEADLINE)
    request = predict_request({"folder": str(tmp_path)}, "wait")
    running = server.method(wire.PREDICT, wire.PredictResponse).future(request, timeout=DEADLINE)
    wait_until((tmp_path / "started").exists, "the call runs")
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in server.output, "the stop")
    follower.join(DEADLINE)
    assert watched == [wire.ServingStatus.SERVING, wire.ServingStatus.NOT_SERVING]
    assert server.process.poll() is None, "a call is running"
    with pytest.raises(grpc.RpcError) as refused:
        server.predict({"images": images})
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    (tmp_path / "release").touch()
    assert outputs_of(running.result())["released"].item()
    channel.close()
    assert server.process.wait(DEADLINE) == 0
    assert not server.port_file.exists()


def test_a_model_that_cannot_be_loaded_ends_the_start(servers, publish, tmp_path):
    broken = publish(tmp_path / "toy", 1)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    server = servers(tmp_path / "toy", "--max_num_load_retries=1", "--load_retry_interval_micros=1000")
    assert server.process.wait(DEADLINE) == 1
    assert "Failed to start server. Error: 1 servable(s) did not become available" in server.output
    assert "(try 2 of 2)" in server.output


def test_it_ends_with_the_process_that_started_it(servers, publish, tmp_path):
    publish(tmp_path / "toy", 1)
    port_file = tmp_path / "port"
    command = [
        *(sys.executable, "-m", "serving.model_server", f"--model_base_path={tmp_path / 'toy'}", "--port=0"),
        *("--host=127.0.0.1", f"--port_file={port_file}", "--exit_with_parent", "--model_name=toy"),
    ]
    code = (
        f"import subprocess, sys; child = subprocess.Popen({command!r}); print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        wait_until(port_file.exists, "server ready")
        parent.kill()

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # Nobody may be there to collect an orphan's exit status in a container.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    wait_until(gone, "the server ended")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_before_there_is_a_model(servers, tmp_path, how):
    server = servers(tmp_path / "nothing", "--file_system_poll_wait_seconds=1")
    wait_until(lambda: "Could not find base path" in server.output, "the complaint")
    assert server.end(how) == 0


def test_a_second_sigterm_cuts_no_call_off(servers, publish, tmp_path):
    publish(tmp_path / "toy", 1)
    server = servers(tmp_path / "toy")
    request = predict_request({"folder": str(tmp_path)}, "wait")
    running = server.method(wire.PREDICT, wire.PredictResponse).future(request, timeout=DEADLINE)
    wait_until((tmp_path / "started").exists, "the call runs")
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in server.output, "the stop")
    for again in (signal.SIGTERM, signal.SIGHUP):
        server.process.send_signal(again)
    (tmp_path / "release").touch()
    assert outputs_of(running.result())["released"].item()
    assert server.end() == 0


def test_under_nohup_it_outlives_its_terminal(publish, tmp_path):
    port_file = tmp_path / "port"
    command = ["nohup", sys.executable, "-m", "serving.model_server", f"--model_base_path={tmp_path / 'toy'}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port=0", "--host=127.0.0.1", f"--port_file={port_file}"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"Could not find base path" in (tmp_path / "log").read_bytes(), "the complaint")
        process.send_signal(signal.SIGHUP)
        publish(tmp_path / "toy", 1)
        wait_until(port_file.exists, "server ready")
        process.terminate()
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = refused_at_once(f"--model_base_path={tmp_path}", f"--port={port}", "--host=127.0.0.1")
    assert ended.returncode == 2
    assert f"Cannot listen on port {port} of 127.0.0.1: Address already in use" in ended.stderr
    assert "| tensorflow\n" not in ended.stderr


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none/socket", "there is no folder {folder}/none; make it first"),
        ("file", "that is no socket but something else; choose another path, or remove it"),
        ("s" * 108, "bytes long, and 107 are the most; choose a shorter one"),
    ],
)
def test_a_socket_that_cannot_be(tmp_path, path, reason):
    (tmp_path / "file").touch()
    ended = refused_at_once(f"--model_base_path={tmp_path}", f"--grpc_socket_path={tmp_path / path}", "--port=0")
    assert ended.returncode == 2
    assert f"Cannot listen on --grpc_socket_path={tmp_path / path}: " in ended.stderr
    assert reason.format(folder=tmp_path) in ended.stderr
    assert "| tensorflow\n" not in ended.stderr


def test_a_socket_in_use_is_left_to_the_server_that_has_it(tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taken:
        taken.bind(str(path))
        taken.listen()
        ended = refused_at_once(f"--model_base_path={tmp_path}", f"--grpc_socket_path={path}", "--port=0")
        assert ended.returncode == 2
        assert "another server listens there; stop it, or choose another path" in ended.stderr
        assert path.is_socket()


def test_a_socket_of_a_server_that_is_overwhelmed_is_in_use(tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taken, ExitStack() as waiting:
        taken.bind(str(path))
        taken.listen(0)
        for _ in range(3):  # more than it has room for
            one = waiting.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(str(path))
        ended = refused_at_once(f"--model_base_path={tmp_path}", f"--grpc_socket_path={path}", "--port=0")
    assert ended.returncode == 2
    assert "another server listens there" in ended.stderr


def test_a_socket_that_somebody_took_meanwhile_is_left_to_him(servers, publish, tmp_path):
    path = tmp_path / "socket"
    server = servers(tmp_path / "toy", f"--grpc_socket_path={path}")
    wait_until(lambda: "Could not find base path" in server.output, "the complaint")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taken:
        taken.bind(str(path))
        taken.listen()
        publish(tmp_path / "toy", 1)
        assert server.process.wait(DEADLINE) == 2
        assert "another server listens there" in server.output
        assert path.is_socket()


def test_a_socket_that_a_killed_server_left_is_taken_over(servers, publish, tmp_path):
    publish(tmp_path / "toy", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / "socket"))
    server = servers(tmp_path / "toy", f"--grpc_socket_path={tmp_path / 'socket'}")
    assert server.target
    with grpc.insecure_channel(f"unix:{tmp_path / 'socket'}") as channel:
        health = channel.unary_unary(
            wire.HEALTH_CHECK, wire.HealthCheckRequest.SerializeToString, wire.HealthCheckResponse.FromString
        )
        assert health(wire.HealthCheckRequest(), timeout=DEADLINE).status == wire.ServingStatus.SERVING


def test_an_empty_path_is_none(tmp_path):
    ended = refused_at_once("--model_base_path=", "--ssl_config_file=", "--port=0")
    assert ended.returncode == 2
    assert "No model to serve: expected --model_base_path" in ended.stderr


def test_a_config_that_cannot_be(publish, tmp_path):
    leaf = publish(tmp_path, 5)
    ended = refused_at_once(f"--model_base_path={leaf}")
    assert ended.returncode == 2
    assert "give the folder above: " in ended.stderr
    assert "| tensorflow\n" not in ended.stderr


def test_a_host_that_is_none_of_this_machine(tmp_path):
    for port in (0, 8500):
        # Set aside for documentation: no machine has it.
        ended = refused_at_once(f"--model_base_path={tmp_path}", f"--port={port}", "--host=192.0.2.1")
        assert ended.returncode == 2
        assert f"Cannot listen on port {port} of 192.0.2.1: " in ended.stderr
        assert "Give an address of this machine with --host" in ended.stderr
        assert "another model server" not in ended.stderr
        assert "| tensorflow\n" not in ended.stderr


def test_a_flag_nobody_knows(tmp_path):
    ended = refused_at_once(f"--model_base_path={tmp_path}", "--enable_batchin")
    assert ended.returncode == 2
    assert "No such flag: --enable_batchin, neither here nor in TensorFlow Serving" in ended.stderr
    assert "Did you mean --enable_batching?" in ended.stderr


def test_flags_without_effect_are_named_once_each(tmp_path):
    ended = refused_at_once(
        *("--enable_profiler=false", "--num_load_threads", "1", "--prefer_tflite_model", "--port=1"),
        f"--model_base_path={tmp_path}/missing/..",
        f"--port_file={tmp_path}/none/port",
    )
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    for flag in ("enable_profiler", "num_load_threads", "prefer_tflite_model"):
        assert len([line for line in lines if f" W --{flag} has no effect here: " in line]) == 1
    assert "the folder does not exist; make it first" in ended.stderr, "the flags after them were read"


def test_help_needs_no_tensorflow():
    ended = refused_at_once("--help")
    assert ended.returncode == 0
    for flag in (field.name for field in fields(Settings) if field.init):
        assert f"--{flag} " in ended.stdout, "whole, in a terminal of 80 columns"
    assert "| tensorflow\n" not in ended.stderr
