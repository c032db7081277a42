"""The release gate lets a sound model pass and says what is wrong with another."""

import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError

from serving.protocol import contract
from tests.benchmarks.material import card_for
from tests.training.conftest import toy_network
from training.errors import GateError
from training.publishing import export, gate
from training.publishing.gate_probe import malformed

BAD_INPUT = "bad input: an error, no crash"


@pytest.fixture
def without_child(monkeypatch):
    """Leaves out the check that starts a process: it imports TensorFlow anew, and has tests of its own."""
    monkeypatch.setattr(gate, "_bad_input", lambda folder: iter(()))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A toy model that passes: its folder, card and network."""
    network = toy_network(seed=2)
    folder = tmp_path_factory.mktemp("toy") / "202401010000"
    return folder, write(folder, network), network


@pytest.fixture
def images():
    return np.random.default_rng(3).integers(0, 256, (3, 16, 16, 3), np.uint8)


def write(folder, network):
    card = card_for(network, "toy", 16)
    export.write(folder, network, card)
    return card


def replace(monkeypatch, signature, change):
    """Exports another function under the name of a signature, made from the right one."""
    original = export.signatures

    def changed(network, card):
        functions = original(network, card)
        return {**functions, signature: change(functions[signature])}

    monkeypatch.setattr(export, "signatures", changed)


# The other architecture passes in test_run.
@pytest.mark.parametrize("exported", ["nakai2022"], indirect=True)
def test_a_sound_model_passes_every_check(exported):
    eager = export.signatures(exported.network, exported.card)
    passed = gate.check(exported.folder, exported.card, exported.images, eager)
    assert [line.partition(":")[0] for line in passed] == [
        "card",
        "operations",
        "equal",
        "batches",
        "heat maps",
        "finite",
        "bad input",
    ]
    assert BAD_INPUT in passed


@pytest.mark.usefixtures("without_child")
def test_the_smallest_network_passes(sound, images):
    folder, card, _ = sound
    assert len(gate.check(folder, card, images)) == 7


def test_without_an_assertion_of_the_shape_wrong_input_gets_through(tmp_path, toy, images, monkeypatch):
    monkeypatch.setattr(tf, "ensure_shape", lambda x, shape: tf.identity(x))
    card = write(tmp_path / "1", toy)
    monkeypatch.undo()
    with pytest.raises(GateError, match=r"(?s)1 must not be published:.*  bad input: ") as caught:
        gate.check(tmp_path / "1", card, images)
    assert "InvalidArgumentError" in str(caught.value) or "the process died with code" in str(caught.value)


def test_a_model_that_ends_the_process_is_noticed(tmp_path, monkeypatch):
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 'F0000 Check failed: dims == 4' >&2\nkill -ABRT $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    assert list(gate._bad_input(tmp_path)) == ["the process died with code -6: F0000 Check failed: dims == 4"]


@pytest.mark.usefixtures("without_child")
def test_an_operation_that_calls_python_is_refused(tmp_path, toy, images, monkeypatch):
    def call_python(classify):
        def through_python(frames):
            answers = classify(frames)
            logits = tf.py_function(lambda x: x, [answers[contract.LOGITS]], tf.float32)
            return {**answers, contract.LOGITS: tf.ensure_shape(logits, [None, 5])}

        return through_python

    replace(monkeypatch, contract.CLASSIFY, call_python)
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"  operations: not on the allow-list: EagerPyFunc"):
        gate.check(tmp_path / "1", card, images)


@pytest.mark.usefixtures("without_child")
def test_a_card_that_differs_is_refused(sound, images):
    folder, card, _ = sound
    other = card.model_copy(update={"temperature": 2.0})
    with pytest.raises(GateError) as caught:
        gate.check(folder, other, images)
    assert "  card: describe answers with another card" in str(caught.value)
    assert "  card: expected the card in assets.extra/model_card.json" in str(caught.value)


@pytest.mark.usefixtures("without_child")
def test_files_beside_the_model_have_to_be_there(tmp_path, sound, images):
    folder, card, _ = sound
    for name in (contract.WARMUP_FILE, contract.CARD_FILE):
        copy = tmp_path / f"without {name}"
        shutil.copytree(folder, copy)
        (copy / "assets.extra" / name).unlink()
        with pytest.raises(GateError, match=rf"  card: expected .*assets\.extra/{name}$"):
            gate.check(copy, card, images)
    copy = tmp_path / "unreadable"
    shutil.copytree(folder, copy)
    (copy / "assets.extra" / contract.CARD_FILE).write_text("{}")
    with pytest.raises(GateError, match=r"  card: ValidationError: "):
        gate.check(copy, card, images)


@pytest.mark.usefixtures("without_child")
def test_weights_that_are_no_numbers_are_refused(tmp_path, toy, images):
    kernel = toy.head.get_layer("logits").kernel
    kernel.assign(tf.fill(kernel.shape, np.nan))
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"  finite: serving_default: logits of black and white frames is not finite"):
        gate.check(tmp_path / "1", card, images)


@pytest.mark.usefixtures("without_child")
def test_heat_maps_that_are_the_same_for_every_mode_are_refused(tmp_path, toy, images):
    kernel = toy.head.get_layer("logits").kernel
    kernel.assign(tf.ones(kernel.shape))
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"  heat maps: gradcam: the maps of SY and VX are the same"):
        gate.check(tmp_path / "1", card, images)


@pytest.mark.usefixtures("without_child")
def test_heat_maps_that_are_all_empty_are_refused(tmp_path, toy, images):
    kernel = toy.head.get_layer("logits").kernel
    kernel.assign(-tf.ones(kernel.shape))
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"  heat maps: gradcam: every map is empty"):
        gate.check(tmp_path / "1", card, images)


@pytest.mark.usefixtures("without_child")
def test_heat_maps_of_another_size_than_the_card_says_are_refused(sound, images):
    folder, card, _ = sound
    other = card.model_copy(update={"heat_map": contract.HeatMapEntry(height=7, width=7)})
    with pytest.raises(
        GateError, match=r"  heat maps: gradcam: expected shape \(3, 5, 7, 7\), received \(3, 5, 14, 14\)"
    ):
        gate.check(folder, other, images)


@pytest.mark.usefixtures("without_child")
def test_heat_maps_pooled_over_the_batch_are_refused(tmp_path, toy, images, monkeypatch):
    def pool(explain):
        def pooled(frames):
            answers = explain(frames)
            maps = answers[contract.GRADCAM]
            return {**answers, contract.GRADCAM: tf.zeros_like(maps) + tf.reduce_mean(maps, axis=0)}

        return pooled

    replace(monkeypatch, contract.EXPLAIN, pool)
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"  batches: explain: gradcam of a batch and of single frames differ by"):
        gate.check(tmp_path / "1", card, images)


@pytest.mark.usefixtures("without_child")
def test_an_export_that_answers_otherwise_than_the_network_is_refused(sound, images):
    folder, card, network = sound
    eager = export.signatures(network, card.model_copy(update={"temperature": 3.0}))
    with pytest.raises(
        GateError, match=r"  equal: serving_default: probabilities of the Session path and eager differ"
    ):
        gate.check(folder, card, images, eager)


@pytest.mark.usefixtures("without_child")
def test_a_missing_signature_is_named(tmp_path, toy, images, monkeypatch):
    original = export.signatures
    monkeypatch.setattr(
        export,
        "signatures",
        lambda network, card: {
            name: function for name, function in original(network, card).items() if name != contract.EMBED
        },
    )
    card = write(tmp_path / "1", toy)
    with pytest.raises(GateError, match=r"embed"):
        gate.check(tmp_path / "1", card, images)


def test_what_is_no_model_is_refused(tmp_path, toy):
    for content in (None, b"no graph"):
        if content is not None:
            (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(GateError, match="must not be published"):
            gate.check(tmp_path, card_for(toy, "toy", 16), np.zeros((2, 16, 16, 3), np.uint8))


@pytest.mark.usefixtures("without_child")
def test_a_damaged_graph_is_refused(tmp_path, sound, images):
    folder, card, _ = sound
    copy = tmp_path / "1"
    shutil.copytree(folder, copy)
    graph = copy / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GateError, match=r"1 must not be published:\n  load: "):
        gate.check(copy, card, images)


@pytest.mark.usefixtures("without_child")
def test_whatever_a_check_ends_with_is_named(sound, images, monkeypatch):
    def damaged(folder):
        raise DecodeError("Error parsing message")

    folder, card, _ = sound
    monkeypatch.setattr(gate, "_operations", damaged)
    with pytest.raises(GateError, match=r"published:\n  operations: DecodeError: Error parsing message$"):
        gate.check(folder, card, images)


def test_every_malformed_input_is_malformed_and_the_shapes_that_kill_servers_are_among_them():
    cases = dict(malformed(np.uint8, (32, 32, 3)))
    for array in cases.values():
        assert array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != (32, 32, 3)
    assert {array.ndim for array in cases.values()} >= {0, 1, 3, 4, 5}
    assert any(array.dtype != np.uint8 for array in cases.values())
    for array in dict(malformed(np.int32, ())).values():
        assert array.dtype != np.int32 or array.ndim != 1
