"""TensorFlow Serving's REST routes, and the page for Prometheus, as a WSGI application.

`waitress` serves it: requests are read whole before they take one of its threads, so slow clients hold none; it
bounds headers and bodies, understands chunked bodies, and reads a body that a GET should not have, instead of taking
it for the next request. `http.server` does none of these. A body of more than 64 MiB is answered with 413.
"""

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import grpc
import waitress
from google.protobuf import json_format
from waitress import wasyncore

from serving.model_server import metrics
from serving.model_server.errors import ConfigurationError, ServableError
from serving.model_server.predict import Answering
from serving.model_server.priority import priority_of
from serving.model_server.rest_json import read_body, read_inputs, write_outputs
from serving.model_server.versions import LARGEST_VERSION
from serving.protocol import wire
from serving.protocol.priority import HEADER

MAX_BODY_BYTES: Final = 64 << 20

_NAME = r"/(?P<name>[^/:]+)"
_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(f"/v1/models{_NAME}{_WHICH}:(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(f"/v1/models(?:{_NAME})?{_WHICH}(?P<metadata>/metadata)?", re.IGNORECASE)

_HTTP: Final = {
    grpc.StatusCode.CANCELLED: "499 Client Closed Request",
    grpc.StatusCode.UNKNOWN: "500 Internal Server Error",
    grpc.StatusCode.INVALID_ARGUMENT: "400 Bad Request",
    grpc.StatusCode.DEADLINE_EXCEEDED: "504 Gateway Timeout",
    grpc.StatusCode.NOT_FOUND: "404 Not Found",
    grpc.StatusCode.ALREADY_EXISTS: "409 Conflict",
    grpc.StatusCode.PERMISSION_DENIED: "403 Forbidden",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "429 Too Many Requests",
    grpc.StatusCode.FAILED_PRECONDITION: "400 Bad Request",
    grpc.StatusCode.ABORTED: "409 Conflict",
    grpc.StatusCode.OUT_OF_RANGE: "400 Bad Request",
    grpc.StatusCode.UNIMPLEMENTED: "501 Not Implemented",
    grpc.StatusCode.INTERNAL: "500 Internal Server Error",
    grpc.StatusCode.UNAVAILABLE: "503 Service Unavailable",
    grpc.StatusCode.DATA_LOSS: "500 Internal Server Error",
    grpc.StatusCode.UNAUTHENTICATED: "401 Unauthorized",
}

_JSON: Final = "application/json"
_HANG_UP_SECONDS: Final = 1.0


class Models(Protocol):
    """What the routes need of the manager."""

    def lease(self, spec: wire.ModelSpec) -> AbstractContextManager[Answering]:
        """Gives the version a ModelSpec stands for."""

    def status(self, spec: wire.ModelSpec) -> wire.GetModelStatusResponse:
        """Answers GetModelStatus."""


class RestApplication:
    """The routes.

    Args:
        models: what is served.
        timeout: seconds a prediction may take.
        metrics_path: where Prometheus finds the page; empty for nowhere.
    """

    def __init__(self, models: Models, *, timeout: float, metrics_path: str = "") -> None:
        self._models = models
        self._timeout = timeout
        self._metrics_path = metrics_path
        self._changed = threading.Condition()
        self._running = 0
        self._draining = False

    def drain(self, grace: float) -> None:
        """Refuses predictions from now on, and waits for those that run.

        Args:
            grace: seconds they have to finish.
        """
        with self._changed:
            self._draining = True
            self._changed.wait_for(lambda: not self._running, grace)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers a request."""
        method = environ["REQUEST_METHOD"]
        path = _path(environ["REQUEST_URI"])
        if self._metrics_path and path == self._metrics_path:
            return _respond(start_response, "200 OK", metrics.CONTENT_TYPE, metrics.page().encode())
        if not path.lower().startswith("/v1/"):
            return _respond(start_response, "404 Not Found", "", b"")
        try:
            content = self._answer(method, path, environ)
        except ServableError as error:
            text = f'{{ "error": {json.dumps(error.message, ensure_ascii=False)} }}'
            return _respond(start_response, _HTTP[error.code], _JSON, text.encode(errors="replace"))
        return _respond(start_response, "200 OK", _JSON, content)

    def _answer(self, method: str, path: str, environ: dict[str, Any]) -> bytes:
        if method == "POST" and (match := _PREDICTION.fullmatch(path)):
            if (verb := match["method"].lower()) != "predict":
                raise ServableError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"{verb} is not implemented by the embedded server. It needs tf.Example inputs; send arrays to "
                    ":predict.",
                )
            with self._counted():
                return self._predict(_model_spec(match), environ)
        if method == "GET" and (match := _STATUS.fullmatch(path)):
            if match["metadata"]:
                return self._metadata(_model_spec(match))
            if not match["name"]:
                raise _invalid("Missing model name in request.")
            return _json(self._models.status(_model_spec(match))).encode()
        raise _invalid(f"Malformed request: {method} {path}")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            if self._draining:
                raise ServableError(grpc.StatusCode.UNAVAILABLE, "The server is shutting down; try again later")
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _metadata(self, spec: wire.ModelSpec) -> bytes:
        with self._models.lease(spec) as servable:
            named = wire.ModelSpec(name=servable.name, version={"value": servable.version})
            return (
                f'{{\n"model_spec":{_json(named)},\n'
                f'"metadata": {{"signature_def": {_json(servable.signature_defs)}}}\n}}\n'
            ).encode()

    def _predict(self, spec: wire.ModelSpec, environ: dict[str, Any]) -> bytes:
        with metrics.counting("REST") as counted:
            priority = priority_of(environ.get(f"HTTP_{HEADER.replace('-', '_').upper()}"))
            body = read_body(environ["wsgi.input"].read())
            with self._models.lease(spec) as servable:
                counted.model = servable.name
                name = body.signature_name or "serving_default"
                signature = servable.signatures.get(name)
                if signature is None:
                    raise _invalid(f'Serving signature name: "{name}" not found in signature def')
                inputs, layout = read_inputs(body, signature)
                with metrics.answering(servable.name, servable.version, name):
                    outputs = servable.run(name, inputs, timeout=self._timeout, priority=priority)
                return write_outputs(outputs, layout)


class RestServer:
    """Listens for REST requests.

    Args:
        application: answers them.
        host: address to listen on.
        port: port; 0 picks a free one.
        threads: requests answered at a time.

    Raises:
        ConfigurationError: if the port cannot be had.
    """

    def __init__(self, application: RestApplication, *, host: str, port: int, threads: int) -> None:
        # "Task queue depth is 1" is news to nobody.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on --rest_api_port={port} of {host}: {error.strerror or error}. Choose another one "
                "that is free, or leave it out"
            ) from error
        self.port = int(listener.getsockname()[1])
        self._application = application
        self._sockets: dict[int, Any] = {}
        self._server = waitress.create_server(
            application,
            map=self._sockets,
            sockets=[listener],
            threads=threads,
            max_request_body_size=MAX_BODY_BYTES,
            asyncore_use_poll=True,  # select() fails once gRPC's connections have taken the first 1024 descriptors
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="rest", daemon=True)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Refuses predictions, waits for those that run, and closes the port.

        Args:
            grace: seconds they have to finish.
        """
        self._application.drain(grace)
        self._server.task_dispatcher.shutdown(timeout=_HANG_UP_SECONDS)
        # On the thread that polls them; it ends when there are none left.
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._sockets))
        self._thread.join(_HANG_UP_SECONDS)


def _path(uri: str) -> str:
    """Gives the path as it was sent: what `%2F` in a model's name stands for is no separator."""
    path = uri.partition("?")[0] if uri.startswith("/") else urlsplit(uri).path
    return path.encode("latin-1").decode(errors="replace")  # WSGI hands bytes over as Latin-1


def _model_spec(match: re.Match[str]) -> wire.ModelSpec:
    spec = wire.ModelSpec(name=unquote(match["name"] or ""))
    if match["version"]:
        number = int(match["version"])
        if number > LARGEST_VERSION:
            raise _invalid(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = number
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec


def _json(message: Any) -> str:
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return str(text)


def _respond(start_response: Callable[..., Any], status: str, content_type: str, content: bytes) -> Iterable[bytes]:
    headers = [("Content-Length", str(len(content)))]
    if content_type:
        headers.append(("Content-Type", content_type))
    start_response(status, headers)
    return [content]


def _invalid(message: str) -> ServableError:
    return ServableError(grpc.StatusCode.INVALID_ARGUMENT, message)
