"""The embedded model server: what gRPC costs, what batching gains, how long callers wait.

The server is a process of its own; the load comes from this one, by one channel and requests made beforehand, so that
it takes little of the cores both share. What is compared is measured in turn: while one side works, the other rests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from serving.protocol import contract, wire
from serving.protocol.tensors import to_tensor_proto
from tests.benchmarks.material import publish_fresh
from tests.benchmarks.table import Row, row

ROUNDS = 7
CORES = os.cpu_count() or 1
TIMEOUT = 120.0
_numbers = itertools.count()
# The largest warm-up request has 512 rows; batches of 64 keep a live request from waiting long for a bulk batch.
BATCHING = """
max_batch_size { value: 512 }  enable_large_batch_splitting { value: true }  max_execution_batch_size { value: 64 }
batch_timeout_micros { value: 0 }  max_enqueued_batches { value: 64 }  num_batch_threads { value: 1 }
"""


def run(build: Path) -> Iterator[Row]:
    from serving.model_server.servable import Servable

    version, _ = publish_fresh(build / "models-nakai2022", "nakai2022", 32)
    parameters = build / "batching.config"
    parameters.write_text(BATCHING)
    servable = Servable.load(version)
    with (
        serving(version.parent) as plain,
        serving(version.parent, "--enable_batching", f"--batching_parameters_file={parameters}") as batching,
    ):
        for size in (64, 256):
            yield from _large_requests(servable, plain, size)
        yield from _single_images(servable, plain, batching)
        for name, target in (("off", plain), ("on", batching)):
            yield from _latencies(name, target)
        yield from _priority(batching)
    servable.close()


def _large_requests(servable: Any, target: str, size: int) -> Iterator[Row]:
    images, count = random_images(size), 6144 // size
    alone, every_core, over_grpc = "in process, one caller", "in process, a caller per core", "over gRPC"
    samples: dict[str, list[float]] = {name: [] for name in (alone, every_core, over_grpc)}
    with Load(target, images) as load:
        for number in range(ROUNDS + 1):
            measured = {
                alone: _in_process(servable, images, count, 1),
                every_core: _in_process(servable, images, count, CORES),
                over_grpc: size * count / load.run(count, 2 * CORES).seconds,
            }
            if number:  # the first time is warm-up
                for name, value in measured.items():
                    samples[name].append(value)
    for name, values in samples.items():
        yield row(f"model_server batches of {size}: {name}", values, "images/s")
    label = f"model_server batches of {size}: gRPC"
    yield row(f"{label} / one caller", ratios_of(samples[over_grpc], samples[alone]), "1", ">= 0.9")
    # No goal: here the load takes its share of the same cores, which callers in process do not need.
    yield row(f"{label} / a caller per core", ratios_of(samples[over_grpc], samples[every_core]), "1")


def _single_images(servable: Any, plain: str, batching: str) -> Iterator[Row]:
    images = random_images(1)
    alone, every_core, off, on = (
        "in process, one caller",
        "in process, a caller per core",
        "64 callers, batching off",
        "64 callers, batching on",
    )
    samples: dict[str, list[float]] = {name: [] for name in (alone, every_core, off, on)}
    with Load(plain, images) as load_off, Load(batching, images) as load_on:
        for number in range(ROUNDS + 1):
            measured = {
                alone: _in_process(servable, images, 600, 1),
                every_core: _in_process(servable, images, 600, CORES),
                off: 1500 / load_off.run(1500, 64).seconds,
                on: 3000 / load_on.run(3000, 64).seconds,
            }
            if number:
                for name, value in measured.items():
                    samples[name].append(value)
    for name, values in samples.items():
        yield row(f"model_server one image: {name}", values, "images/s")
    yield row("model_server one image: batching / one caller", ratios_of(samples[on], samples[alone]), "1", ">= 1.5")
    ratios = ratios_of(samples[on], samples[every_core])
    # No goal: two callers use the cores better than TensorFlow's own threads inside one call do.
    yield row("model_server one image: batching / a caller per core", ratios, "1")
    yield row("model_server one image: batching on / off", ratios_of(samples[on], samples[off]), "1")


def _latencies(name: str, target: str) -> Iterator[Row]:
    with Load(target, random_images(1)) as load:
        for callers in (1, 8, 64):
            load.run(5 * callers, callers)
            rounds = [load.run(300 + 20 * callers, callers) for _ in range(ROUNDS)]
            for quantile in (0.5, 0.95, 0.99):
                values = [1000 * measured.quantile(quantile) for measured in rounds]
                label = f"model_server latency, batching {name}, {callers} callers: p{100 * quantile:.0f}"
                yield row(label, values, "ms")


def _priority(target: str) -> Iterator[Row]:
    """One live caller beside a batch job: how long it waits, with the header and without."""
    waits: dict[str, list[float]] = {"bulk": [], "live": []}
    with Load(target, random_images(1)) as live, contextlib.ExitStack() as stack:
        jobs = {header: stack.enter_context(Load(target, random_images(64), priority=header)) for header in waits}
        for _ in range(ROUNDS):
            for header, job in jobs.items():
                with job.kept_up(16):
                    waits[header].append(1000 * live.run(40, 1).quantile(0.5))
    yield row("model_server live beside bulk, header says so: p50", waits["bulk"], "ms")
    yield row("model_server live beside bulk, without header: p50", waits["live"], "ms")
    yield row(
        "model_server live beside bulk: with / without header", ratios_of(waits["bulk"], waits["live"]), "1", "< 1"
    )


def _in_process(servable: Any, images: np.ndarray, count: int, threads: int) -> float:
    inputs = {contract.IMAGES: images}
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: servable.run(contract.CLASSIFY, inputs, [contract.PROBABILITIES]), range(count)))
        return count * len(images) / (time.perf_counter() - started)


class _Measured:
    def __init__(self, seconds: float, latencies: list[float]) -> None:
        self.seconds = seconds
        self._latencies = sorted(latencies)

    def quantile(self, share: float) -> float:
        return float(np.quantile(self._latencies, share))


class Load:
    """Sends one request again and again, by one channel."""

    def __init__(self, target: str, images: np.ndarray, *, priority: str = "live") -> None:
        spec = {"name": contract.MODEL_NAME, "signature_name": contract.CLASSIFY}
        request = wire.PredictRequest(model_spec=spec, output_filter=[contract.PROBABILITIES])
        request.inputs[contract.IMAGES].CopyFrom(to_tensor_proto(images))
        self._request = request.SerializeToString()
        self._metadata = (("snowmode-priority", priority),)
        self._channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)])
        self._method = self._channel.unary_unary(wire.PREDICT)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def run(self, count: int, callers: int, stop: threading.Event | None = None) -> _Measured:
        """Keeps `callers` requests in flight until `count` are answered, or until told to stop."""
        latencies: list[float] = []
        failed: list[BaseException] = []
        lock, finished = threading.Lock(), threading.Event()
        left, flying = count, 0

        def send() -> None:
            nonlocal left, flying
            with lock:
                if not left or failed or (stop is not None and stop.is_set()):
                    if not flying:
                        finished.set()
                    return
                left, flying = left - 1, flying + 1
            started = time.perf_counter()
            future = self._method.future(self._request, timeout=TIMEOUT, metadata=self._metadata)
            future.add_done_callback(lambda done: received(done, started))

        def received(done: Any, started: float) -> None:
            nonlocal flying
            latencies.append(time.perf_counter() - started)
            with lock:
                flying -= 1
                if done.exception() is not None:
                    failed.append(done.exception())
            send()

        started = time.perf_counter()
        for _ in range(callers):
            send()
        finished.wait(TIMEOUT)
        if failed:
            raise failed[0]
        return _Measured(time.perf_counter() - started, latencies)

    @contextlib.contextmanager
    def kept_up(self, callers: int) -> Iterator[None]:
        """Sends in the background while the block runs."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.run, 1_000_000, callers, stop)
            try:
                yield
            finally:
                stop.set()
                running.result()


@contextlib.contextmanager
def serving(base_path: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Runs a server process; gives its address."""
    port_file = base_path / f"port-{next(_numbers)}"
    command = [
        *(sys.executable, "-m", "serving.model_server", f"--model_base_path={base_path}"),
        *(f"--model_name={contract.MODEL_NAME}", "--host=127.0.0.1", "--port=0", f"--port_file={port_file}"),
        *("--exit_with_parent", "--file_system_poll_wait_seconds=0", *flags),
    ]
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})}
    )
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
            time.sleep(0.05)
        yield f"127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        process.wait()


def random_images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def ratios_of(values: list[float], others: list[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]
