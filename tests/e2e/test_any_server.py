"""The client against a model server it knows by its address only.

By default that is the embedded server. With `SNOWMODE_TEST_SERVER=host:port` it is the one there, a real TensorFlow
Serving for example, which must host a model of ours as `snowmode`:

    tensorflow_model_server --port=8500 --model_name=snowmode --model_base_path=/models/snowmode
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.protocol import contract, wire
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.errors import RequestRefused, ServerError
from serving.protocol.tensors import to_array, to_tensor_proto
from tests.client.command import client, rows_of
from tests.conftest import write_frames

CODE = grpc.StatusCode
DEADLINE = 60.0


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest) -> str:
    return os.environ.get("SNOWMODE_TEST_SERVER") or request.getfixturevalue("server")


@pytest.fixture(scope="module")
def connection(target: str) -> Iterator[Connection]:
    with Connection(target) as connection:
        yield connection


@pytest.fixture(scope="module")
def served(connection: Connection) -> ServedModel:
    return connection.describe()


@pytest.fixture(scope="module")
def images(served: ServedModel) -> np.ndarray:
    size = served.card.input
    return np.random.default_rng(8).integers(0, 256, (5, size.height, size.width, 3), np.uint8)


@dataclasses.dataclass
class Caller:
    """Sends single messages as any TensorFlow Serving client would."""

    channel: grpc.Channel
    images: np.ndarray

    def __call__(self, path: str, request: object, answer: type) -> object:
        method = self.channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return method(request, timeout=DEADLINE)

    def predict(self, outputs: tuple[str, ...] = (), *, inputs: dict[str, np.ndarray] | None = None, **spec: object):
        request = wire.PredictRequest(model_spec={"name": contract.MODEL_NAME, **spec}, output_filter=outputs)
        for alias, array in ({contract.IMAGES: self.images} if inputs is None else inputs).items():
            request.inputs[alias].CopyFrom(to_tensor_proto(array))
        return self(wire.PREDICT, request, wire.PredictResponse)

    def refusal(self, **how: object) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as refused:
            self.predict(**how)
        return refused.value.code()


@pytest.fixture(scope="module")
def call(target: str, images: np.ndarray) -> Iterator[Caller]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target, options) as channel:
        yield Caller(channel, images)


def test_a_folder_is_classified(target: str, served: ServedModel, tmp_path: Path) -> None:
    folder, out = write_frames(tmp_path / "season", 12), tmp_path / "r.csv"
    done = client("classify", folder, "--server", target, "--out", out, "--strict")
    assert done.returncode == 0, done.stderr
    rows = rows_of(out)
    assert len(rows) == 12
    assert {row["model_version"] for row in rows} == {str(served.version)}
    assert all(row["label"] in served.card.codes and not row["error"] for row in rows)


@pytest.mark.parametrize("signature", [contract.CLASSIFY, contract.EXPLAIN, contract.EMBED])
def test_a_signature_answers_what_the_contract_says(
    connection: Connection, served: ServedModel, images: np.ndarray, signature: str
) -> None:
    answer = connection.call(signature, images)
    assert answer.keys() == set(contract.OUTPUTS[signature])
    card, count = served.card, len(images)
    modes = len(card.modes)
    maps = (count, modes, card.heat_map.height, card.heat_map.width)
    shapes = {contract.GRADCAM: maps, contract.HIRESCAM: maps, contract.FEATURES: (count, card.feature_size)}
    for name, array in answer.items():
        assert array.dtype == np.float32
        assert array.shape == shapes.get(name, (count, modes))
        assert np.isfinite(array).all()
    if contract.PROBABILITIES in answer:
        np.testing.assert_allclose(answer[contract.PROBABILITIES].sum(axis=1), 1, rtol=1e-5)


def test_a_frame_is_judged_alike_alone_and_in_company(connection: Connection, images: np.ndarray) -> None:
    together = connection.call(contract.CLASSIFY, images)[contract.LOGITS]
    alone = [connection.call(contract.CLASSIFY, image[np.newaxis])[contract.LOGITS][0] for image in images]
    np.testing.assert_allclose(np.stack(alone), together, rtol=1e-4, atol=1e-4)


def test_only_the_outputs_asked_for_are_sent(connection: Connection, images: np.ndarray) -> None:
    answer = connection.call(contract.EXPLAIN, images, outputs=[contract.GRADCAM])
    assert list(answer) == [contract.GRADCAM]


def test_an_answer_says_which_version_gave_it(call: Caller, served: ServedModel) -> None:
    for spec in ({}, {"version": {"value": served.version}}):
        assert call.predict((contract.LOGITS,), **spec).model_spec == wire.ModelSpec(
            name=contract.MODEL_NAME, version={"value": served.version}, signature_name=contract.CLASSIFY
        )


def test_numbers_may_come_in_either_form(call: Caller, images: np.ndarray) -> None:
    request = wire.PredictRequest(model_spec={"name": contract.MODEL_NAME}, output_filter=[contract.LOGITS])
    tensor = request.inputs[contract.IMAGES]
    tensor.dtype = wire.DataType.DT_UINT8
    for size in images.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.int_val.append(7)  # one value stands for all
    splat = call(wire.PREDICT, request, wire.PredictResponse)
    full = call.predict((contract.LOGITS,), inputs={contract.IMAGES: np.full_like(images, 7)})
    np.testing.assert_allclose(
        to_array(splat.outputs[contract.LOGITS]), to_array(full.outputs[contract.LOGITS]), rtol=1e-5
    )


def test_metadata_lists_the_signatures_of_the_contract(call: Caller, served: ServedModel) -> None:
    request = wire.GetModelMetadataRequest(model_spec={"name": contract.MODEL_NAME}, metadata_field=["signature_def"])
    answer = call(wire.GET_MODEL_METADATA, request, wire.GetModelMetadataResponse)
    signatures = wire.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert answer.model_spec.version.value == served.version
    for name, outputs in contract.OUTPUTS.items():
        assert set(signatures.signature_def[name].outputs) == set(outputs)


def test_the_version_in_use_is_available(call: Caller, served: ServedModel) -> None:
    request = wire.GetModelStatusRequest(model_spec={"name": contract.MODEL_NAME})
    answer = call(wire.GET_MODEL_STATUS, request, wire.GetModelStatusResponse)
    states = {entry.version: entry.state for entry in answer.model_version_status}
    assert states[served.version] == wire.State.AVAILABLE


def test_refusals_have_the_same_codes_everywhere(call: Caller, images: np.ndarray) -> None:
    refusals = {
        "unknown model": ({"name": "nobody"}, CODE.NOT_FOUND),
        "unknown version": ({"version": {"value": 7}}, CODE.NOT_FOUND),
        "unknown label": ({"version_label": "nowhere"}, CODE.INVALID_ARGUMENT),
        "no name": ({"name": ""}, CODE.INVALID_ARGUMENT),
        "unknown signature": ({"signature_name": "nothing"}, CODE.FAILED_PRECONDITION),
        "no input": ({"inputs": {}}, CODE.INVALID_ARGUMENT),
        "wrong name": ({"inputs": {"pictures": images}}, CODE.INVALID_ARGUMENT),
        "extra input": ({"inputs": {contract.IMAGES: images, "b": images}}, CODE.INVALID_ARGUMENT),
        "unknown output": ({"outputs": ("nothing",)}, CODE.INVALID_ARGUMENT),
        "wrong dtype": ({"inputs": {contract.IMAGES: images.astype(np.float32)}}, CODE.INVALID_ARGUMENT),
        "wrong size": ({"inputs": {contract.IMAGES: images[:, 1:]}}, CODE.INVALID_ARGUMENT),
        "wrong rank": ({"inputs": {contract.IMAGES: images[0]}}, CODE.INVALID_ARGUMENT),
        "a scalar": ({"inputs": {contract.IMAGES: np.uint8(1)}}, CODE.INVALID_ARGUMENT),
    }
    assert {what: call.refusal(**how) for what, (how, _) in refusals.items()} == {
        what: code for what, (_, code) in refusals.items()
    }
    assert call.predict().outputs, "the server lives on"


def test_the_client_says_what_is_wrong_with_a_request(target: str, images: np.ndarray) -> None:
    with Connection(target) as connection, pytest.raises(RequestRefused, match="INVALID_ARGUMENT"):
        connection.call(contract.CLASSIFY, images[:, 1:])
    with Connection(target, model="nobody") as connection, pytest.raises(ServerError, match="See --model"):
        connection.call(contract.CLASSIFY, images)
    with Connection(target, version=7) as connection, pytest.raises(ServerError, match="moved on to a newer version"):
        connection.call(contract.CLASSIFY, images)
