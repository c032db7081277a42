"""The real server in a process of its own, and what the tests say to it."""

import itertools
import os
import signal
import subprocess
import sys
import time

import grpc

from serving.protocol import wire
from serving.protocol.tensors import to_array, to_tensor_proto

DEADLINE = 90.0


def wait_until(condition, what):
    """Polls a state; the deadline is only there so that a broken server ends the test."""
    deadline = time.monotonic() + DEADLINE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)
    return result


class Server:
    """The server process, and our own messages to talk to it."""

    def __init__(self, folder, base_path, *flags, command=("serving.model_server",), env=()):
        """Starts it; with None for the base path the flags must say what to serve."""
        model = () if base_path is None else (f"--model_base_path={base_path}", "--model_name=toy")
        self.log = folder / f"server-{next(_numbers)}.log"
        self.port_file = self.log.with_suffix(".port")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    # Whoever runs the tests under nohup hands its deafness down.
                    *("env", "--default-signal=HUP"),
                    *(sys.executable, "-m", *command, *model, "--port=0", "--host=127.0.0.1"),
                    *(f"--port_file={self.port_file}", *flags),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **dict(env)},
            )
        self._channel = None

    @property
    def output(self):
        return self.log.read_text()

    @property
    def target(self):
        def ready():
            assert self.process.poll() is None, self.output
            return self.port_file.exists()

        wait_until(ready, "server ready")
        return f"127.0.0.1:{self.port_file.read_text().strip()}"

    @property
    def channel(self):
        if self._channel is None:
            self._channel = grpc.insecure_channel(self.target)
        return self._channel

    def call(self, path, request, answer, **kwargs):
        return self.method(path, answer)(request, timeout=DEADLINE, **kwargs)

    def method(self, path, answer):
        return self.channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def predict(self, inputs, signature="", **spec):
        return self.call(wire.PREDICT, predict_request(inputs, signature, **spec), wire.PredictResponse)

    def status(self, **spec):
        request = wire.GetModelStatusRequest(model_spec={"name": "toy", **spec})
        answer = self.call(wire.GET_MODEL_STATUS, request, wire.GetModelStatusResponse)
        return {entry.version: entry for entry in answer.model_version_status}

    def states(self):
        return {number: wire.State.Name(entry.state) for number, entry in self.status().items()}

    def end(self, how=signal.SIGTERM):
        if self._channel is not None:
            self._channel.close()
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(DEADLINE)


_numbers = itertools.count()


def predict_request(inputs, signature="", output_filter=(), **spec):
    request = wire.PredictRequest(
        model_spec={"name": "toy", "signature_name": signature, **spec}, output_filter=output_filter
    )
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(to_tensor_proto(value))
    return request


def outputs_of(response):
    return {alias: to_array(proto) for alias, proto in response.outputs.items()}
