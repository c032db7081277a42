"""What the connection says of whose requests it sends."""

from __future__ import annotations

import numpy as np

from serving.protocol.connection import Connection
from serving.protocol.contract import CLASSIFY, PROBABILITIES
from serving.protocol.priority import HEADER, Priority
from tests.client.command import client
from tests.conftest import write_frames
from tests.serving.stand_in import stand_in


def test_every_call_carries_its_priority() -> None:
    metadata: list[dict[str, str]] = []
    with stand_in(metadata=metadata) as target:
        for priority in Priority:
            with Connection(target, priority=priority) as connection:
                connection.describe()
                connection.call(CLASSIFY, np.zeros((1, 32, 32, 3), np.uint8), outputs=[PROBABILITIES])
        with Connection(target) as connection:
            connection.describe()
    assert [entry[HEADER] for entry in metadata] == ["live", "live", "bulk", "bulk", "live"]


def test_classify_lets_others_go_first(tmp_path) -> None:
    metadata: list[dict[str, str]] = []
    folder = write_frames(tmp_path / "season", 3)
    with stand_in(metadata=metadata) as target:
        done = client("classify", folder, "--server", target, "--out", tmp_path / "r.csv")
    assert done.returncode == 0, done.stderr
    assert {entry[HEADER] for entry in metadata} == {"bulk"}
