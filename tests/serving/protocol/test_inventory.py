"""What a server says of itself."""

from __future__ import annotations

import grpc
import pytest

from serving.protocol import contract
from serving.protocol.errors import ServerError, ServerUnavailable
from serving.protocol.inventory import AVAILABLE, Inventory
from serving.protocol.tensors import type_name
from tests.client.hosting import hosting
from tests.serving.stand_in import stand_in


def test_a_real_server(server: str) -> None:
    with Inventory(server) as inventory:
        (state,) = inventory.versions("snowmode")
        version, signatures = inventory.signatures("snowmode")
        with pytest.raises(ServerError) as caught:
            inventory.versions("rain")
    assert (state.version, state.state, state.error) == (version, AVAILABLE, "")
    assert caught.value.code == "NOT_FOUND"
    dtype, shape = signatures[contract.CLASSIFY].inputs[contract.IMAGES]
    assert (type_name(dtype), shape) == ("uint8", (-1, 32, 32, 3))
    assert set(signatures[contract.EXPLAIN].outputs) == set(contract.OUTPUTS[contract.EXPLAIN])


def test_health_is_told_where_there_is_such_a_service(server: str) -> None:
    with Inventory(server) as inventory:
        assert inventory.health() == "SERVING"
        with pytest.raises(ServerError, match="NOT_FOUND"):
            inventory.health("no such service")
    with stand_in() as target, Inventory(target) as inventory:
        assert inventory.health() == "UNIMPLEMENTED"
    with Inventory("localhost:1") as inventory, pytest.raises(ServerUnavailable, match="No model server answers"):
        inventory.health()


def test_a_server_that_does_not_answer_in_time_is_unavailable() -> None:
    with (
        hosting({}, status=grpc.StatusCode.DEADLINE_EXCEEDED) as target,
        Inventory(target) as inventory,
        pytest.raises(ServerUnavailable, match="DEADLINE_EXCEEDED"),
    ):
        inventory.versions("snowmode")
