"""What the server counts, under TensorFlow Serving's names, with its labels and bucket bounds; and some of our own.

| TensorFlow Serving's                                        | labels                      |
|-------------------------------------------------------------|-----------------------------|
| `:tensorflow:serving:request_count`                         | model_name, status          |
| `:tensorflow:serving:request_latency` (of successes, us)    | model_name, API, entrypoint |
| `:tensorflow:serving:runtime_latency` (us)                  | model_name, API, runtime    |
| `:tensorflow:serving:model_warmup_latency` (us)             | model_path, status          |
| `:tensorflow:serving:model_warmup_records_read`             | model_path, status          |
| `:tensorflow:serving:batching_session:queuing_latency` (us) | thread_pool_name            |
| `...:input_batch_size`, `...:processed_batch_size` (rows)   |                             |
| `...:padding_size` (rows)                                   | execution_batch_size        |
| `...:wrapped_run_count`                                     |                             |
| `:tensorflow:cc:saved_model:load_attempt_count`             | model_path, status          |
| `:tensorflow:cc:saved_model:load_latency` (us)              | model_path                  |
| `:tensorflow:core:graph_runs`, `...:graph_run_time_usecs`   |                             |

| ours, each with model_name, version, signature_name                                                  |
|-------------------------------------------------------------------------------------------------------|
| `:snowmode:serving:queue_depth`: requests waiting for a batch; label priority                         |
| `:snowmode:serving:in_flight`: requests being answered                                                |
| `:snowmode:serving:latency` (of successes, us): the answer of one version, time in the queue included |

One server a process, so the instruments are the module's, as `prometheus_client` means them to be. The page is
written here all the same: `prometheus_client` appends `_total` to the name of a counter, TensorFlow Serving does not.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

from serving.model_server.errors import ServableError
from serving.protocol.priority import Priority

CONTENT_TYPE = "text/plain"

_REGISTRY = CollectorRegistry()
_SERVING = ":tensorflow:serving:"
_BATCHING = f"{_SERVING}batching_session:"
_PER_SIGNATURE = ("model_name", "version", "signature_name")


def _exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    return tuple(scale * growth**power for power in range(count))


_LATENCY_BUCKETS = _exponential(10, 1.8, 33)
_SIZE_BUCKETS = _exponential(1, 2, 14)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=_REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=_REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=_REGISTRY)


_REQUESTS = _counter(f"{_SERVING}request_count", "Requests", "model_name", "status")
_REQUEST_LATENCY = _histogram(
    f"{_SERVING}request_latency", "Time of a request", _LATENCY_BUCKETS, "model_name", "API", "entrypoint"
)
_RUNTIME_LATENCY = _histogram(
    f"{_SERVING}runtime_latency", "Time in TensorFlow", _LATENCY_BUCKETS, "model_name", "API", "runtime"
)
_WARMUP_LATENCY = _histogram(
    f"{_SERVING}model_warmup_latency", "Time to warm up", _LATENCY_BUCKETS, "model_path", "status"
)
_WARMUP_RECORDS = _counter(f"{_SERVING}model_warmup_records_read", "Records replayed", "model_path", "status")
_QUEUING_LATENCY = _histogram(
    f"{_BATCHING}queuing_latency", "Time in a queue", _exponential(100, 1.2, 52), "thread_pool_name"
)
_INPUT_SIZE = _histogram(f"{_BATCHING}input_batch_size", "Rows of each input", _SIZE_BUCKETS)
_PROCESSED_SIZE = _histogram(f"{_BATCHING}processed_batch_size", "Rows of each batch", _SIZE_BUCKETS)
_PADDING_SIZE = _histogram(
    f"{_BATCHING}padding_size", "Rows that only pad a batch", _SIZE_BUCKETS, "execution_batch_size"
)
_BATCH_RUNS = _counter(f"{_BATCHING}wrapped_run_count", "Batches run")
_LOAD_ATTEMPTS = _counter(":tensorflow:cc:saved_model:load_attempt_count", "Loads", "model_path", "status")
_LOAD_LATENCY = _counter(":tensorflow:cc:saved_model:load_latency", "Time to load", "model_path")
_GRAPH_RUNS = _counter(":tensorflow:core:graph_runs", "Runs of a graph")
_GRAPH_RUN_TIME = _counter(":tensorflow:core:graph_run_time_usecs", "Time of the runs of a graph")
_QUEUE_DEPTH = _gauge(":snowmode:serving:queue_depth", "Requests waiting for a batch", *_PER_SIGNATURE, "priority")
_IN_FLIGHT = _gauge(":snowmode:serving:in_flight", "Requests being answered", *_PER_SIGNATURE)
_LATENCY = _histogram(":snowmode:serving:latency", "Time of an answer", _LATENCY_BUCKETS, *_PER_SIGNATURE)


@cache
def _child(instrument: Any, *labels: str) -> Any:
    """Finds an instrument's child faster than `labels` does: together a tenth of a request's time in Python."""
    return instrument.labels(*labels)


Depth: TypeAlias = Mapping[Priority, Gauge]
"""Requests waiting in a queue."""


@dataclass(slots=True)
class Request:
    """A request being counted.

    Attributes:
        model: the model it found; empty until then, or anybody could fill the page with names.
    """

    model: str = ""


@contextmanager
def counting(entrypoint: str) -> Iterator[Request]:
    """Counts a Predict request by how it ends, and notes how long it took if it got its answer.

    Args:
        entrypoint: GRPC or REST.
    """
    request = Request()
    started = perf_counter()
    status = "UNKNOWN"
    try:
        yield request
        status = "OK"
        _child(_REQUEST_LATENCY, request.model, "Predict", entrypoint).observe(1e6 * (perf_counter() - started))
    except ServableError as error:
        status = error.code.name
        raise
    finally:
        _child(_REQUESTS, request.model, status).inc()


@contextmanager
def answering(model: str, version: int, signature: str) -> Iterator[None]:
    """Shows a request as in flight, and notes how long its answer took."""
    labels = model, str(version), signature
    in_flight = _child(_IN_FLIGHT, *labels)
    in_flight.inc()
    started = perf_counter()
    try:
        yield
        microseconds = 1e6 * (perf_counter() - started)
        _child(_LATENCY, *labels).observe(microseconds)
        _child(_RUNTIME_LATENCY, model, "Predict", "TF1").observe(microseconds)
    finally:
        in_flight.dec()


@contextmanager
def loading(path: str) -> Iterator[None]:
    """Counts a load of a version, and notes how long it takes."""
    started = perf_counter()
    status = "fail"
    try:
        yield
        status = "success"
    finally:
        _LOAD_ATTEMPTS.labels(path, status).inc()
        _LOAD_LATENCY.labels(path).inc(round(1e6 * (perf_counter() - started)))


@dataclass(slots=True)
class WarmUp:
    """A warm-up being counted.

    Attributes:
        records: how many have been replayed.
    """

    records: int = 0


@contextmanager
def warming_up(path: str) -> Iterator[WarmUp]:
    """Notes how long the warm-up of a version takes, how many records it replays, and how it ends."""
    warm_up = WarmUp()
    started = perf_counter()
    status = "UNKNOWN"
    try:
        yield warm_up
        status = "OK"
    except ServableError as error:
        status = error.code.name
        raise
    finally:
        _WARMUP_LATENCY.labels(path, status).observe(1e6 * (perf_counter() - started))
        _WARMUP_RECORDS.labels(path, status).inc(warm_up.records)


def note_graph_run(seconds: float) -> None:
    """Counts a run of a graph."""
    _GRAPH_RUNS.inc()
    _GRAPH_RUN_TIME.inc(round(1e6 * seconds))


def note_batch_input(rows: int, inputs: int) -> None:
    """Notes a request that goes into a queue, once for each input as TensorFlow Serving does."""
    for _ in range(inputs):
        _INPUT_SIZE.observe(rows)


def note_queued(pool: str, seconds: float) -> None:
    """Notes how long a request waited in its queue."""
    _child(_QUEUING_LATENCY, pool).observe(1e6 * seconds)


def note_batch(rows: int, padded: int) -> None:
    """Notes a batch that runs: the rows asked for, and those it has with the padding."""
    _BATCH_RUNS.inc()
    _PROCESSED_SIZE.observe(padded)
    _PADDING_SIZE.labels(str(padded)).observe(padded - rows)


def queue_depth(model: str, version: int, signature: str) -> Depth:
    """Gives the gauges of the lanes of a queue."""
    return {priority: _QUEUE_DEPTH.labels(model, str(version), signature, priority) for priority in Priority}


def forget(model: str, version: int) -> None:
    """Takes the gauges of an unloaded version off the page."""
    for gauge in (_QUEUE_DEPTH, _IN_FLIGHT):
        gauge.remove_by_labels({"model_name": model, "version": str(version)})
    _child.cache_clear()


def first_values(names: Iterable[str]) -> dict[str, int]:
    """Reads metrics as HandleReloadConfigRequest does, in all its narrowness.

    Args:
        names: with slashes, as TensorFlow Serving has them inside: `/tensorflow/core/graph_runs`. The colons are
            Prometheus's.

    Returns:
        For each name the value of one set of labels, the first in the order of their texts; 0 for a histogram, for
        what was never counted, and for a name that nobody knows.
    """
    families = {family.name.replace(":", "/"): family for family in _REGISTRY.collect()}
    return {name: _first_value(families[name]) if name in families else 0 for name in names}


def _first_value(family: Metric) -> int:
    if family.type == "histogram":
        return 0
    samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return int(min(samples, key=lambda sample: [*sample.labels.values()]).value) if samples else 0


def page() -> str:
    """Writes the page that Prometheus reads."""
    lines = []
    for family in _REGISTRY.collect():
        lines.append(f"# TYPE {family.name} {family.type}")
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            name = family.name if family.type == "counter" else sample.name
            labels = ",".join(f'{key}="{_label(key, value)}"' for key, value in sample.labels.items())
            lines.append(f"{name}{{{labels}}} {sample.value:.15g}")
    return "\n".join(lines) + "\n"


def _label(key: str, value: str) -> str:
    if key == "le" and value != "+Inf":
        return f"{float(value):g}"  # six digits, as TensorFlow Serving writes its bounds
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
