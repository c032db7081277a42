"""Bulk requests hold up no live ones, not even by the threads they wait on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from serving.model_server.errors import ServableError
from serving.model_server.priority import priority_of
from serving.model_server.services import handlers
from serving.protocol import wire
from serving.protocol.priority import HEADER, Priority
from tests.serving.model_server.toy_server import DEADLINE, wait_until


class SlowForBulk:
    """Answers live requests at once, and bulk ones when the gate opens."""

    def __init__(self):
        self.gate, self.bulk_running = threading.Event(), 0

    def predict(self, request, *, timeout, priority):
        if priority is Priority.BULK:
            self.bulk_running += 1
            self.gate.wait(DEADLINE)
        return wire.PredictResponse(model_spec={"name": priority})


def test_live_requests_are_answered_while_bulk_ones_wait_on_every_thread_they_have():
    answers = SlowForBulk()
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as bulk_pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(handlers(answers, bulk_pool=bulk_pool))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            predict = channel.unary_unary(
                wire.PREDICT, lambda message: message.SerializeToString(), wire.PredictResponse.FromString
            )
            bulk = [
                predict.future(wire.PredictRequest(), timeout=DEADLINE, metadata=((HEADER, "bulk"),))
                for _ in range(5)
            ]
            wait_until(lambda: answers.bulk_running, "a bulk request runs")
            for metadata in ((), ((HEADER, "live"),)):
                answer = predict(wire.PredictRequest(), timeout=DEADLINE, metadata=metadata)
                assert answer.model_spec.name == "live"
            assert not any(call.done() for call in bulk)
            answers.gate.set()
            assert [call.result().model_spec.name for call in bulk] == ["bulk"] * 5
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("value", "priority"),
    [(None, Priority.LIVE), ("live", Priority.LIVE), ("bulk", Priority.BULK), (b"bulk", Priority.BULK)],
)
def test_the_header_is_read(value, priority):
    assert priority_of(value) is priority


@pytest.mark.parametrize("value", ["", "Bulk", b"\xff"])
def test_another_value_is_refused(value):
    with pytest.raises(ServableError, match="expected live or bulk") as refused:
        priority_of(value)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
