"""How `client watch` classifies: what a file's content decides, and what is the server's doing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from client.sources import Source
from client.watch.folder import Arrival, Stamp
from client.watch.state import Before
from client.watch.work import Answer, Worker
from serving.protocol.connection import Connection
from serving.protocol.errors import ServerError, ServerUnavailable
from tests.client.watch.watching import png, sha256
from tests.serving.stand_in import Refuse, brightness, stand_in


class Server:
    """A stand-in whose answers can be exchanged, and that counts the frames it was asked about."""

    def __init__(self) -> None:
        self.frames = 0
        self.refusal: Refuse | None = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if self.refusal is not None:
            raise self.refusal
        self.frames += len(images)
        return brightness(images)


@pytest.fixture
def behaviour() -> Server:
    return Server()


@pytest.fixture
def connection(behaviour: Server) -> Iterator[Connection]:
    with stand_in(behaviour) as target, Connection(target) as connection:
        yield connection


def arrival(folder: Path, name: str, data: bytes | None) -> Arrival:
    if data is not None:
        (folder / name).write_bytes(data)
    return Arrival(name, Stamp(1, 2, 3), 0.0, "2026-01-01T00:00:00Z")


def run(worker: Worker, arrivals: list[Arrival], before: dict[str, Before] | None = None) -> list[Answer]:
    return [answer for answers in worker.run(arrivals, before or {}) for answer in answers]


def test_answers_come_in_order_with_digest_and_row(tmp_path: Path, connection: Connection) -> None:
    arrivals = [arrival(tmp_path, f"{n}.png", png(n)) for n in (3, 1, 2)]
    answers = run(Worker(connection, tmp_path, Source()), arrivals)
    assert [answer.arrival for answer in answers] == arrivals
    assert [answer.sha256 for answer in answers] == [sha256(png(n)) for n in (3, 1, 2)]
    row = answers[0].row
    assert row is not None
    assert (row.file, row.time_utc, row.model_version, row.error) == ("3.png", "2026-01-01T00:00:00Z", 7, "")
    assert answers[0].codes == ("A", "B")
    assert answers[0].final


def test_a_content_that_is_known_is_not_classified_again(
    tmp_path: Path, connection: Connection, behaviour: Server
) -> None:
    arrivals = [arrival(tmp_path, f"{n}.png", png(n)) for n in range(4)]
    before = {
        "0.png": Before(sha256(png(0)), "", final=True),
        "1.png": Before(sha256(png(9)), "", final=True),
        "2.png": Before(sha256(png(2)), "was refused", final=False),
    }
    answers = run(Worker(connection, tmp_path, Source()), arrivals, before)
    assert [answer.row is None for answer in answers] == [True, False, False, False]
    assert behaviour.frames == 3


def test_which_errors_are_final(
    tmp_path: Path, connection: Connection, behaviour: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    real = source.load

    def load(path: str, rule: object) -> object:
        if path.endswith("fault.png"):
            raise MemoryError("too much")
        return real(path, rule)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "load", load)
    contents = {"damaged.png": png(1)[:50], "gone.png": None, "fault.png": png(2)}
    arrivals = [arrival(tmp_path, name, data) for name, data in contents.items()]
    damaged, gone, fault = run(Worker(connection, tmp_path, source), arrivals)
    assert damaged.final
    assert damaged.row is not None
    assert "truncated" in damaged.row.error
    assert not gone.final
    assert gone.row is not None
    assert gone.row.error == "cannot be read: No such file or directory"
    assert not fault.final
    assert fault.row is not None
    assert "fault of this program: MemoryError: too much" in fault.row.error
    behaviour.refusal = Refuse(grpc.StatusCode.INTERNAL, "no memory")
    (refused,) = run(Worker(connection, tmp_path, Source()), [arrival(tmp_path, "a.png", png(3))])
    assert not refused.final


def test_a_server_that_has_not_what_it_says_it_has(tmp_path: Path, connection: Connection, behaviour: Server) -> None:
    worker = Worker(connection, tmp_path, Source())
    behaviour.refusal = Refuse(grpc.StatusCode.NOT_FOUND, "no such version")
    with pytest.raises(ServerError, match="no such version"):
        run(worker, [arrival(tmp_path, "a.png", png(1))])
    behaviour.refusal = None
    assert len(run(worker, [arrival(tmp_path, "a.png", png(1))])) == 1


def test_a_server_that_is_away_is_told_apart(tmp_path: Path, connection: Connection, behaviour: Server) -> None:
    worker = Worker(connection, tmp_path, Source())
    behaviour.refusal = Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "queue is full")
    with pytest.raises(ServerUnavailable, match="queue is full"):
        run(worker, [arrival(tmp_path, "a.png", png(1))])


def test_the_server_is_asked_now_and_then(tmp_path: Path, connection: Connection) -> None:
    now = [0.0]
    worker = Worker(connection, tmp_path, Source(), clock=lambda: now[0])
    first = worker.ask()
    assert worker.ask() is first
    now[0] += 61
    assert worker.ask() is not first
