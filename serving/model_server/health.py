"""grpc.health.v1 under TensorFlow Serving's service names, and a drain that watchers cannot hold up."""

from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from serving.protocol import wire

_NAMES = ("", "PredictionService", "ModelService", wire.PREDICTION_SERVICE, wire.MODEL_SERVICE)


class Health(health.HealthServicer):  # type: ignore[misc]  # grpcio-health-checking has no types
    """Says SERVING until it drains."""

    def __init__(self) -> None:
        super().__init__()
        self._watchers: set[Callable[[Any], None]] = set()
        for name in _NAMES:
            self.set(name, health_pb2.HealthCheckResponse.SERVING)

    def add_to(self, server: Any) -> None:
        """Registers the service."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    def drain(self) -> None:
        """Says NOT_SERVING, and hangs up on watchers: an open stream would use up the whole grace period."""
        self.enter_graceful_shutdown()
        for send in list(self._watchers):
            send(None)

    def Watch(self, request: Any, context: Any, send_response_callback: Any = None) -> Any:  # noqa: N802
        """Streams the state of one service."""
        if send_response_callback is not None:
            self._watchers.add(send_response_callback)
            context.add_callback(lambda: self._watchers.discard(send_response_callback))
        return super().Watch(request, context, send_response_callback)
