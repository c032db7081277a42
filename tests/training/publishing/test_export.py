"""The exported model: its signatures, its answers, its heat maps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from tensorflow.core.protobuf import saved_model_pb2

from serving.protocol import contract
from serving.protocol.contract import CLASSIFY, DESCRIBE, EMBED, EXPLAIN, GRADCAM, HIRESCAM, LOGITS, PROBABILITIES
from tests.training.conftest import SIZE
from training.publishing import export

OF_IMAGES = (CLASSIFY, EXPLAIN, EMBED)


def inputs(exported, signature):
    if signature == DESCRIBE:
        return {contract.QUERY: np.zeros(len(exported.images), np.int32)}
    return {contract.IMAGES: exported.images}


def scale(values):
    return max(1e-6, float(np.abs(values).max()))


@pytest.fixture(scope="module")
def graph(exported):
    return saved_model_pb2.SavedModel.FromString((exported.folder / "saved_model.pb").read_bytes()).meta_graphs[0]


# The contract.


def test_the_signatures_are_those_of_the_contract(exported, graph):
    signatures = {name: found for name, found in graph.signature_def.items() if name != "__saved_model_init_op"}
    assert set(signatures) == set(contract.OUTPUTS)
    count, modes = -1, len(exported.card.modes)
    maps = [count, modes, exported.card.heat_map.height, exported.card.heat_map.width]
    expected = {
        contract.IMAGES: (tf.uint8, [count, SIZE, SIZE, 3]),
        contract.QUERY: (tf.int32, [count]),
        PROBABILITIES: (tf.float32, [count, modes]),
        LOGITS: (tf.float32, [count, modes]),
        GRADCAM: (tf.float32, maps),
        HIRESCAM: (tf.float32, maps),
        contract.FEATURES: (tf.float32, [count, exported.card.feature_size]),
        contract.MODEL_CARD: (tf.string, [count]),
    }
    for name, signature in signatures.items():
        assert list(signature.inputs) == [contract.QUERY if name == DESCRIBE else contract.IMAGES]
        assert set(signature.outputs) == set(contract.OUTPUTS[name])
        for alias, info in (*signature.inputs.items(), *signature.outputs.items()):
            dtype, shape = expected[alias]
            assert info.dtype == dtype.as_datatype_enum, (name, alias)
            assert [dim.size for dim in info.tensor_shape.dim] == shape, (name, alias)


def test_the_first_operation_on_every_input_asserts_its_shape(exported, graph):
    functions = {function.signature.name: function for function in graph.graph_def.library.function}

    def first_operations(nodes, value):
        """Follows a value through calls of functions to the operations that take it."""
        for node in nodes:
            for position, name in enumerate(node.input):
                if name.split(":")[0] != value:
                    continue
                if node.op in ("StatefulPartitionedCall", "PartitionedCall"):
                    inner = functions[node.attr["f"].func.name]
                    yield from first_operations(inner.node_def, inner.signature.input_arg[position].name)
                elif node.op in ("Identity", "NoOp"):
                    yield from first_operations(nodes, node.name)
                else:
                    yield node

    for name in contract.OUTPUTS:
        for info in graph.signature_def[name].inputs.values():
            found = list(first_operations(graph.graph_def.node, info.name.split(":")[0]))
            assert {node.op for node in found} == {"EnsureShape"}, name
            for node in found:
                asserted = [dim.size for dim in node.attr["shape"].shape.dim]
                assert asserted == [dim.size for dim in info.tensor_shape.dim]


@pytest.mark.parametrize("signature", contract.OUTPUTS)
def test_eager_reloaded_and_session_give_the_same(exported, signature):
    feeds = inputs(exported, signature)
    ran = exported.session.run(signature, feeds)
    tensors = {name: tf.constant(array) for name, array in feeds.items()}
    eager = export.signatures(exported.network, exported.card)[signature](*tensors.values())
    reloaded = tf.saved_model.load(str(exported.folder)).signatures[signature](**tensors)
    assert set(ran) == set(eager) == set(reloaded) == set(contract.OUTPUTS[signature])
    for name, values in ran.items():
        for other in (eager[name].numpy(), reloaded[name].numpy()):
            if signature == DESCRIBE:
                assert (values == other).all()
            else:
                np.testing.assert_allclose(values, other, atol=1e-5 * scale(other))


def test_the_logits_are_those_of_the_network_that_was_trained(exported):
    expected = exported.network.model(exported.images.astype(np.float32), training=False).numpy()
    answers = exported.session.run(CLASSIFY, inputs(exported, CLASSIFY))
    np.testing.assert_allclose(answers[LOGITS], expected, atol=1e-5 * scale(expected))
    # That the frames differ is what makes the comparison worth something.
    assert np.ptp(expected, axis=0).max() > 1e-3


def test_the_temperature_is_in_the_graph(exported):
    assert exported.card.temperature == 1.7
    answers = exported.session.run(CLASSIFY, inputs(exported, CLASSIFY))
    np.testing.assert_allclose(answers[PROBABILITIES], softmax(answers[LOGITS] / 1.7, axis=1), atol=1e-6)
    assert np.abs(answers[PROBABILITIES] - softmax(answers[LOGITS], axis=1)).max() > 1e-4


def test_describe_answers_every_query_with_the_card(exported):
    for count in (0, 1, 5):
        texts = exported.session.run(DESCRIBE, {contract.QUERY: np.arange(count, dtype=np.int32)})[
            contract.MODEL_CARD
        ]
        assert texts.shape == (count,)
        assert all(contract.ModelCard.model_validate_json(text) == exported.card for text in texts)


# Batches.


@pytest.mark.parametrize("signature", OF_IMAGES)
def test_a_batch_gives_what_its_frames_give_alone_in_their_order(exported, signature):
    together = exported.session.run(signature, inputs(exported, signature))
    for n in range(len(exported.images)):
        alone = exported.session.run(signature, {contract.IMAGES: exported.images[n : n + 1]})
        for name, values in together.items():
            assert values.shape[0] == len(exported.images)
            assert alone[name].shape == (1, *values.shape[1:])
            np.testing.assert_allclose(alone[name][0], values[n], atol=1e-5 * scale(values))


@pytest.mark.parametrize("signature", OF_IMAGES)
def test_permuting_the_frames_permutes_the_answers(exported, signature):
    order = [2, 0, 3, 1]
    straight = exported.session.run(signature, inputs(exported, signature))
    permuted = exported.session.run(signature, {contract.IMAGES: exported.images[order]})
    for name, values in straight.items():
        np.testing.assert_allclose(permuted[name], values[order], atol=1e-5 * scale(values))


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("signature", OF_IMAGES)
def test_frames_of_one_colour_give_finite_numbers(exported, signature, value):
    frames = np.full((2, SIZE, SIZE, 3), value, np.uint8)
    for values in exported.session.run(signature, {contract.IMAGES: frames}).values():
        assert np.isfinite(values).all()


# Heat maps.


def cams(exported, score):
    """Grad-CAM and HiResCAM before the ReLU, by the definition, of a score of the logits: (N, K, h, w) each."""
    activations = exported.network.features(tf.constant(exported.images, tf.float32), training=False)
    with tf.GradientTape() as tape:
        tape.watch(activations)
        scores = score(exported.network.head(activations, training=False))
    # Every frame depends on its own activations alone, so this is one Jacobian a frame: (N, K, h, w, k).
    gradients = tape.batch_jacobian(scores, activations).numpy()
    grad = np.einsum("nkc,nhwc->nkhw", gradients.mean(axis=(2, 3)), activations.numpy())
    hires = np.einsum("nkhwc,nhwc->nkhw", gradients, activations.numpy())
    return grad, hires, scores.numpy()


def test_heat_maps_are_grad_cam_and_hirescam_of_the_logits(exported):
    grad, hires, _ = cams(exported, tf.identity)
    answers = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))
    np.testing.assert_allclose(answers[GRADCAM], np.maximum(grad, 0), atol=1e-5 * scale(grad))
    np.testing.assert_allclose(answers[HIRESCAM], np.maximum(hires, 0), atol=1e-5 * scale(hires))


def test_the_probability_version_is_another_map(exported):
    # CAM_prob of a mode = p (CAM_logit - mean of all modes' CAM_logit, weighted by p).
    of_logits, _, logits = cams(exported, tf.identity)
    of_probabilities, _, p = cams(exported, tf.nn.softmax)
    np.testing.assert_allclose(p, softmax(logits, axis=1), atol=1e-6)
    weighted = np.einsum("nk,nkhw->nhw", p, of_logits)
    expected = p[..., np.newaxis, np.newaxis] * (of_logits - weighted[:, np.newaxis])
    np.testing.assert_allclose(of_probabilities, expected, atol=1e-5 * scale(of_logits))
    shown = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))[GRADCAM]
    assert np.abs(shown - np.maximum(of_probabilities, 0)).max() > 0.1 * scale(shown)


def test_maps_of_modes_differ_and_none_is_negative(exported):
    answers = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))
    for name in (GRADCAM, HIRESCAM):
        maps = answers[name]
        assert (maps >= 0).all()
        shown = [k for k in range(maps.shape[1]) if maps[:, k].any()]
        assert len(shown) >= 2  # random weights leave some maps empty
        for a in shown:
            assert all(np.abs(maps[:, a] - maps[:, b]).max() > 1e-3 * scale(maps) for b in shown if b < a)


def test_with_global_average_pooling_both_maps_are_one_and_with_flatten_they_are_two(exported):
    answers = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))
    difference = np.abs(answers[GRADCAM] - answers[HIRESCAM]).max()
    pools = any(isinstance(layer, keras.layers.GlobalAveragePooling2D) for layer in exported.network.head.layers)
    if pools:
        assert difference < 1e-6 * scale(answers[HIRESCAM])
        # Classic CAM: the dense layer's weights times the activations; pooling divides by the number of cells.
        activations = exported.network.features(exported.images.astype(np.float32), training=False).numpy()
        kernel = exported.network.head.get_layer("logits").kernel.numpy()
        cam = np.einsum("nhwc,ck->nkhw", activations, kernel) / np.prod(activations.shape[1:3])
        np.testing.assert_allclose(answers[GRADCAM], np.maximum(cam, 0), atol=1e-5 * scale(cam))
    else:
        assert difference > 0.05 * scale(answers[HIRESCAM])


def test_logits_in_explain_are_those_of_classify(exported):
    explained = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))
    classified = exported.session.run(CLASSIFY, inputs(exported, CLASSIFY))
    for name in (LOGITS, PROBABILITIES):
        np.testing.assert_allclose(explained[name], classified[name], atol=1e-5 * scale(classified[name]))


@pytest.mark.filterwarnings("ignore")
def test_grad_cam_agrees_with_tf_keras_vis(exported):
    gradcam = pytest.importorskip("tf_keras_vis.gradcam")
    scores = pytest.importorskip("tf_keras_vis.utils.scores")
    # The oracle finds no layer by its tensor, only by its place or name in a flat model.
    layer = exported.network.features.layers[-1].name
    oracle = gradcam.Gradcam(exported.network.model, clone=False)
    shown = exported.session.run(EXPLAIN, inputs(exported, EXPLAIN))[GRADCAM]
    for mode in range(shown.shape[1]):
        maps = oracle(
            scores.CategoricalScore([mode] * len(exported.images)),
            exported.images.astype(np.float32),
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,
            normalize_cam=False,
            expand_cam=False,
        )
        np.testing.assert_allclose(shown[:, mode], np.asarray(maps), atol=1e-5 * scale(shown))


# Beside the graph.


def test_the_card_lies_beside_the_model(exported):
    text = (exported.folder / "assets.extra" / contract.CARD_FILE).read_text(encoding="utf-8")
    assert contract.ModelCard.model_validate_json(text) == exported.card


def test_warm_up_requests_are_the_official_ones_and_cover_every_signature_and_size(exported):
    pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    from tensorflow_serving.apis import prediction_log_pb2

    file = exported.folder / "assets.extra" / contract.WARMUP_FILE
    found = []
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == exported.card.model
        signature = request.model_spec.signature_name
        ((alias, tensor),) = request.inputs.items()
        array = tf.make_ndarray(tensor)
        assert not array.any()
        spec = export.input_spec(signature, exported.card)
        assert (alias, array.dtype, array.shape[1:]) == (spec.name, spec.dtype.as_numpy_dtype, tuple(spec.shape[1:]))
        found.append((signature, len(array)))
        if len(array) == 8:
            assert all(len(values) == 8 for values in exported.session.run(signature, {alias: array}).values())
    assert found == [(name, size) for name in contract.OUTPUTS for size in contract.WARMUP_BATCH_SIZES]
    # TensorFlow Serving reads at most 1000 records, and gives up on a file with more.
    assert len(found) <= 1000
