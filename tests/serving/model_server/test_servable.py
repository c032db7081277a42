"""`Servable` by itself, as the release gate and the benchmarks use it."""

import grpc
import numpy as np
import pytest

from serving.model_server.errors import ServableError
from serving.model_server.servable import Servable


@pytest.fixture(scope="module")
def servable(toy):
    servable = Servable.load(toy, "toy", 5)
    yield servable
    servable.close()


def test_it_tells_what_it_takes_and_gives(servable):
    assert (servable.name, servable.version) == ("toy", 5)
    assert list(servable.signatures) == ["describe", "fail", "join", "serving_default", "unguarded", "wait"]
    signature = servable.signatures["serving_default"]
    assert {alias: str(spec) for alias, spec in signature.inputs.items()} == {"images": "uint8 [?,8,8,3]"}
    assert {alias: str(spec) for alias, spec in signature.outputs.items()} == {
        "logits": "float [?,4]",
        "probabilities": "float [?,4]",
    }
    assert signature.inputs["images"].numpy_dtype == np.uint8


def test_it_runs_one_signature(servable, images):
    answer = servable.run("serving_default", {"images": images}, ["probabilities"])
    assert list(answer) == ["probabilities"]
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, rtol=1e-5)
    assert list(servable.run("", {"images": images})) == ["logits", "probabilities"]


def test_strings_keep_their_zero_bytes(servable):
    assert servable.run("describe", {"query": np.zeros(1, np.int32)})["model_card"].tolist() == [b'{"a": 1}\0']
    first = servable.run("join", {"a": np.array([b"x\0"], object), "b": np.array([b"\0"], object)})["first"]
    assert first.shape == ()
    assert first.item() == b"x\0\0"


@pytest.mark.parametrize(
    ("signature", "inputs", "outputs", "code"),
    [
        ("X", {}, None, grpc.StatusCode.FAILED_PRECONDITION),
        ("", {}, None, grpc.StatusCode.INVALID_ARGUMENT),
        ("", {"images": np.zeros((1, 8, 8), np.uint8)}, None, grpc.StatusCode.INVALID_ARGUMENT),
        ("", {"images": np.zeros((1, 8, 8, 3), "M8[s]")}, None, grpc.StatusCode.INVALID_ARGUMENT),
        ("", {"images": np.zeros((1, 8, 8, 3), np.uint8)}, ["X"], grpc.StatusCode.INVALID_ARGUMENT),
        ("fail", {"number": np.ones(1, np.int32)}, None, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_refusals_carry_a_code(servable, signature, inputs, outputs, code):
    with pytest.raises(ServableError) as refused:
        servable.run(signature, inputs, outputs)
    assert refused.value.code is code


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.2])
def test_a_deadline(servable, tmp_path, timeout):
    with pytest.raises(ServableError) as refused:
        servable.run("wait", {"folder": np.array(str(tmp_path).encode(), object)}, timeout=timeout)
    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_very_long_deadline_is_none(servable, images):
    assert servable.run("", {"images": images}, timeout=1e12)


def test_the_version_is_the_folder_name_by_default(publish, tmp_path):
    servable = Servable.load(publish(tmp_path, 12))
    assert (servable.name, servable.version) == ("snowmode", 12)
    servable.close()


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ServableError) as refused:
        Servable.load(tmp_path)
    assert str(tmp_path) in str(refused.value)
