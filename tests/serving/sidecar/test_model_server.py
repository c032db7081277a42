"""What the sidecar asks the model server, how often, and what it does while there is none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protocol.errors import RequestRefused, ServerUnavailable
from serving.sidecar import model_server
from serving.sidecar.errors import NotFound
from serving.sidecar.model_server import ModelServer
from serving.sidecar.settings import Settings
from serving.sidecar.store.cards import newest_card
from serving.sidecar.store.database import Database
from tests.client.hosting import hosting
from tests.serving.sidecar.process import wait_until
from tests.serving.stand_in import CARD, Refuse, brightness, stand_in

IMAGES = np.random.default_rng(1).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    one = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    one.upgrade()
    yield one
    one.close()


@pytest.fixture
def batches() -> list[int]:
    """Sizes of the batches that the stand-in was asked about."""
    return []


@pytest.fixture
def asked(database: Database, batches: list[int]) -> Iterator[ModelServer]:
    def answer(images: np.ndarray) -> np.ndarray:
        batches.append(len(images))
        return brightness(images)

    with stand_in(answer) as target:
        one = ModelServer(Settings(server=target), database)
        yield one
        one.close()


def test_an_answer_is_asked_for_once(asked: ModelServer, batches: list[int]) -> None:
    served = asked.served()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: asked.explain(served, IMAGES[n % 4]), range(64)))
    assert batches == [1] * 4
    for n, one in enumerate(found):
        np.testing.assert_allclose(one.probabilities, brightness(IMAGES[n % 4 : n % 4 + 1])[0], atol=1e-6)
    asked.explain(served, IMAGES[5])
    assert batches == [1] * 5


def test_answers_are_not_kept_for_ever(
    asked: ModelServer, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "_KEPT", 3)
    served = asked.served()
    for n in (0, 1, 2, 3, 3, 2, 0):  # when the fourth one comes, the first one goes
        asked.explain(served, IMAGES[n])
    assert len(batches) == 5


def test_a_refusal_is_not_kept(database: Database) -> None:
    tries: list[int] = []

    def refuse_once(images: np.ndarray) -> np.ndarray:
        tries.append(1)
        if len(tries) == 1:
            raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "not today")
        return brightness(images)

    with stand_in(refuse_once) as target:
        one = ModelServer(Settings(server=target), database)
        served = one.served()
        with pytest.raises(RequestRefused, match="not today"):
            one.explain(served, IMAGES[0])
        assert one.explain(served, IMAGES[0]).winner in (0, 1)
        one.close()


def test_a_server_that_comes_back_is_found_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_server, "FRESH_SECONDS", 0.0)
    with stand_in() as target:
        one = ModelServer(Settings(server=target), database)
        served = one.served()
        one.check()
    for ask in (one.check, one.served, lambda: one.explain(served, IMAGES[0])):
        with pytest.raises(ServerUnavailable):
            ask()
    with stand_in(port=int(target.rpartition(":")[2])):

        def is_back() -> bool:
            try:
                one.check()
            except ServerUnavailable:  # gRPC waits a moment before it tries again
                return False
            return True

        wait_until(is_back, "the server answers again")
        assert one.served() == served
        one.explain(served, IMAGES[0])
    one.close()


def test_cards_are_kept_before_anybody_asks(asked: ModelServer, database: Database) -> None:
    asked.start()

    def kept() -> object:
        with database.reading() as connection:
            return newest_card(connection, "snowmode")

    assert wait_until(kept, "the card is kept") == (7, CARD)


def test_a_read_only_sidecar_keeps_no_cards(database: Database) -> None:
    with stand_in() as target:
        one = ModelServer(Settings(server=target, read_only=True), database)
        assert one.served().version == 7
        one.close()
    with database.reading() as connection:
        assert newest_card(connection, "snowmode") is None


def test_only_versions_that_are_hosted(database: Database) -> None:
    with hosting({1: ("AVAILABLE", "")}) as target:
        one = ModelServer(Settings(server=target), database)
        first = one.served()
        assert (first.version, one.served(1)) == (1, first)
        with pytest.raises(NotFound, match="does not host version 2"):
            one.served(2)
        one.close()
