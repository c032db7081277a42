"""The connection and the contract at the client's end, against real and misbehaving servers."""

from __future__ import annotations

import numpy as np
import pytest

from serving.protocol.connection import Connection
from serving.protocol.contract import CLASSIFY, EMBED, EXPLAIN, GRADCAM, PROBABILITIES, ModelCard
from serving.protocol.errors import ContractError, RequestRefused, ServerError, ServerUnavailable
from tests.serving.stand_in import CARD, stand_in


def test_a_model_describes_itself_and_answers_every_signature(server: str) -> None:
    with Connection(server) as connection:
        served = connection.describe()
        card = served.card
        images = np.zeros((3, card.input.height, card.input.width, 3), np.uint8)
        assert served.version > 202600000000
        assert connection.call(CLASSIFY, images)[PROBABILITIES].shape == (3, len(card.modes))
        maps = connection.call(EXPLAIN, images)[GRADCAM]
        assert maps.shape == (3, len(card.modes), card.heat_map.height, card.heat_map.width)
        assert connection.call(EMBED, images)["features"].shape == (3, card.feature_size)


def test_only_the_outputs_asked_for_come(server: str) -> None:
    with Connection(server) as connection:
        images = np.zeros((1, 32, 32, 3), np.uint8)
        assert set(connection.call(CLASSIFY, images, outputs=[PROBABILITIES])) == {PROBABILITIES}


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 16, 16, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3), np.float32)],
)
def test_a_wrong_shape_is_refused_and_the_server_lives(server: str, images: np.ndarray) -> None:
    with Connection(server) as connection:
        with pytest.raises(RequestRefused) as caught:
            connection.call(CLASSIFY, images)
        assert caught.value.code == "INVALID_ARGUMENT"
        assert connection.describe().card.codes


def test_an_answer_of_many_megabytes_comes_through(server: str) -> None:
    with Connection(server) as connection:
        images = np.zeros((2500, 32, 32, 3), np.uint8)
        answer = connection.call(EXPLAIN, images)
        assert sum(array.nbytes for array in answer.values()) > 8 << 20


def test_no_server_and_unknown_models_are_told_apart(server: str) -> None:
    with Connection("localhost:1") as connection, pytest.raises(ServerUnavailable, match="No model server answers"):
        connection.describe()
    with Connection(server, model="rain") as connection, pytest.raises(ServerError, match="'rain'"):
        connection.describe()
    with Connection(server, version=1) as connection, pytest.raises(ServerError, match="snowmode version 1"):
        connection.describe()


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        (b"not json", "Invalid JSON"),
        (b"{}", "Field required"),
        (
            CARD.model_dump_json().replace('"contract_version":1', '"contract_version":2').encode(),
            "contract version 1",
        ),
        (CARD.model_dump_json().replace('"code":"B"', '"code":"A"').encode(), "must differ"),
    ],
)
def test_a_card_of_another_contract_is_refused(card: bytes, complaint: str) -> None:
    with (
        stand_in(card=card) as target,
        Connection(target) as connection,
        pytest.raises(ContractError, match=complaint),
    ):
        connection.describe()


def test_a_later_card_with_more_to_say_is_understood() -> None:
    text = CARD.model_dump_json().replace('{"contract_version"', '{"wind_model":"none","contract_version"')
    with stand_in(card=text.encode()) as target, Connection(target) as connection:
        assert connection.describe().card == CARD
    assert ModelCard.model_validate_json(CARD.model_dump_json()) == CARD


def test_a_model_without_describe_is_no_model_of_the_contract(tmp_path) -> None:
    import tensorflow as tf

    from serving.protocol.embedded import server_at

    class Doubler(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def double(self, x):
            return {"y": x * 2}

    module = Doubler()
    tf.saved_model.save(module, str(tmp_path / "snowmode" / "1"), signatures={"serving_default": module.double})
    with (
        server_at(f"embedded:{tmp_path}") as target,
        Connection(target) as connection,
        pytest.raises(ContractError, match=r"cannot describe itself \(FAILED_PRECONDITION: Serving signature key"),
    ):
        connection.describe()
