"""Methods: against other implementations, closed forms, and a network whose evidence is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.training.conftest import toy_network
from tests.training.look.known import known_frames, known_network
from training import architectures
from training.architectures import EMBEDDING, join
from training.look.errors import Undefined
from training.look.explainer import GUIDED, METHODS, Explainer, enlarge
from training.look.guided import guided_copy, guided_relu

WHITE = (255, 255, 255)
NO_WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def noise(count, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def dense_network():
    """Activations flattened into two dense layers: there Grad-CAM and HiResCAM differ."""
    keras.utils.set_random_seed(4)
    pixels = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(layers.Rescaling(1 / 255)(pixels))
    features = keras.Model(pixels, x)
    activations = keras.Input(features.output.shape[1:])
    y = layers.Dense(12, activation="relu", name=EMBEDDING)(layers.Flatten()(layers.MaxPooling2D()(activations)))
    return join(features, keras.Model(activations, layers.Dense(5)(y)))


def one_model(network):
    """The same network as one flat functional model, as tf-keras-vis needs it."""
    x = network.features.output
    for layer in network.head.layers[1:]:
        x = layer(x)
    return keras.Model(network.features.input, x)


# Against tf-keras-vis.


@NO_WARNINGS
@pytest.mark.parametrize("make", [lambda: toy_network(2), dense_network], ids=["pooled", "dense"])
def test_heat_maps_agree_with_tf_keras_vis(make):
    gradcam = pytest.importorskip("tf_keras_vis.gradcam")
    from tf_keras_vis.utils.scores import CategoricalScore

    network, images = make(), noise(3, 16)
    model = one_model(network)
    ours = Explainer(network, WHITE).cams(images)
    last = next(layer.name for layer in reversed(network.features.layers) if "rescaling" not in layer.name)
    for k in (0, 3):
        raw = {"penultimate_layer": last, "normalize_cam": False, "expand_cam": False}
        theirs = gradcam.Gradcam(model)(CategoricalScore([k] * 3), images.astype(np.float32), **raw)
        np.testing.assert_allclose(ours.gradcam[:, k], theirs, rtol=1e-5, atol=1e-7)


def test_hirescam_is_the_sum_of_jacobian_times_activation():
    """No oracle has it; so it is held against the definition by another way of differentiating."""
    network, images = dense_network(), noise(3, 16)
    activations = network.features(images.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(activations)
        logits = network.head(activations)
    jacobian = tape.batch_jacobian(logits, activations).numpy()
    expected = (jacobian * activations.numpy()[:, np.newaxis]).sum(axis=-1)
    found = Explainer(network, WHITE).cams(images, signed=True)
    np.testing.assert_allclose(found.hirescam, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(found.hirescam - found.gradcam).max() > 0.1 * np.abs(expected).max()


@NO_WARNINGS
def test_gradients_agree_with_tf_keras_vis():
    saliency = pytest.importorskip("tf_keras_vis.saliency")
    from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation
    from tf_keras_vis.utils.scores import CategoricalScore

    network, images = dense_network(), noise(3, 16)
    model, classes = one_model(network), np.full(3, 3)
    explainer = Explainer(network, WHITE)
    options = {"keepdims": True, "normalize_map": False}
    pixels = images.astype(np.float32)
    plain = saliency.Saliency(model)(CategoricalScore([3] * 3), pixels, gradient_modifier=lambda g: g, **options)
    np.testing.assert_allclose(explainer.gradient(images, classes), plain, rtol=1e-5, atol=1e-9)
    guided = saliency.Saliency(model, model_modifier=GuidedBackpropagation(), clone=True)
    theirs = guided(CategoricalScore([3] * 3), pixels, gradient_modifier=lambda g: g, **options)
    np.testing.assert_allclose(explainer.guided(images, classes), theirs, rtol=1e-5, atol=1e-9)


# Closed forms.


def test_three_vectors_of_guided_backpropagation():
    x, dy = tf.constant([-1.0, 2.0, 3.0]), tf.constant([1.0, -1.0, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = guided_relu(x)
    assert tape.gradient(y, x, dy).numpy().tolist() == [0.0, 0.0, 1.0]
    assert y.numpy().tolist() == [0.0, 2.0, 3.0]


def test_with_a_pooled_head_both_heat_maps_are_the_weighted_activations():
    network, images = toy_network(2), noise(4, 16)
    cams = Explainer(network, WHITE).cams(images, signed=True)
    activations = network.features(images.astype(np.float32)).numpy()
    weights = network.head.get_layer("logits").kernel.numpy()
    places = activations.shape[1] * activations.shape[2]
    expected = np.einsum("nhwc,ck->nkhw", activations, weights) / places
    np.testing.assert_allclose(cams.gradcam, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(cams.hirescam, expected, rtol=1e-4, atol=1e-7)


def test_heat_maps_of_probabilities_are_contrasts_of_those_of_logits():
    """The identity that tells why the logit is differentiated: CAM_p = p (CAM - sum_j p_j CAM_j)."""
    explainer, images = Explainer(toy_network(2), WHITE), noise(4, 16)
    logit = explainer.cams(images, signed=True)
    p = np.exp(logit.logits) / np.exp(logit.logits).sum(axis=1, keepdims=True)
    mixed = np.einsum("nk,nkhw->nhw", p, logit.gradcam)[:, np.newaxis]
    expected = p[..., np.newaxis, np.newaxis] * (logit.gradcam - mixed)
    found = explainer.cams(images, score="probability", signed=True).gradcam
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_integrated_gradients_of_a_linear_network_are_weight_times_distance():
    pixels = keras.Input((8, 8, 3))
    features = keras.Model(pixels, layers.Rescaling(1 / 255)(pixels))
    activations = keras.Input((8, 8, 3))
    y = layers.Flatten(name=EMBEDDING)(activations)
    head = keras.Model(activations, layers.Dense(2, name="logits")(y))
    network, images = join(features, head), noise(3, 8)
    found = Explainer(network, WHITE).integrated(images, np.array([0, 1, 0]))
    weights = head.get_layer("logits").kernel.numpy().T.reshape(2, 8, 8, 3)[[0, 1, 0]]
    np.testing.assert_allclose(found.attributions, weights * (images / 255.0 - 1), rtol=1e-4, atol=1e-6)
    assert np.abs(found.gap).max() < 1e-4


def test_integrated_gradients_add_up_to_the_difference_of_the_logits():
    network, images = dense_network(), noise(5, 16)
    classes = np.arange(5)
    found = Explainer(network, WHITE).integrated(images, classes)
    logits = network.model(images.astype(np.float32)).numpy()
    blank = network.model(np.full((1, 16, 16, 3), 255, np.float32)).numpy()[0]
    np.testing.assert_allclose(found.difference, logits[classes, classes] - blank[classes], rtol=1e-4, atol=1e-5)
    total = found.attributions.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(total + found.gap, found.difference, rtol=1e-4, atol=1e-5)
    allowed = 0.02 * np.maximum(np.abs(found.difference), 0.1)
    assert ((np.abs(found.gap) <= allowed) | (found.steps == 256)).all()


def test_a_frame_without_echo_gets_nothing():
    found = Explainer(dense_network(), WHITE).integrated(np.full((1, 16, 16, 3), 255, np.uint8), np.array([2]))
    assert not found.attributions.any()
    assert found.gap[0] == 0


def test_steps_are_doubled_no_further_than_allowed():
    network, images = dense_network(), noise(3, 16)
    classes = np.zeros(3, int)
    few = Explainer(network, WHITE, most_steps=32).integrated(images, classes)
    assert few.steps.tolist() == [32] * 3


# Many frames.


def test_frames_do_not_touch_each_other():
    """Catches pooling over the batch; 35 frames are one full batch and one that is filled up."""
    explainer, images = Explainer(dense_network(), WHITE), noise(35, 16)
    classes = np.arange(35) % 5
    together = explainer.cams(images)
    alone = Explainer(explainer.network, WHITE).cams(images[[33]])
    assert together.gradcam.shape == (35, 5, 14, 14)
    np.testing.assert_allclose(together.gradcam[[33]], alone.gradcam, rtol=1e-4, atol=1e-7)
    for method in METHODS:
        whole = explainer.relevance(method, images, classes)
        assert whole.shape == (35, 16, 16)
        part = explainer.relevance(method, images[::-1], classes[::-1])
        np.testing.assert_allclose(whole, part[::-1], rtol=1e-3, atol=1e-6, err_msg=method)


def test_weights_changed_in_place_are_seen_by_every_method():
    network, images = toy_network(2), noise(2, 16)
    explainer, classes = Explainer(network, WHITE), np.array([1, 4])
    before = {method: explainer.relevance(method, images, classes) for method in METHODS}
    network.model.set_weights([weight[..., ::-1].copy() for weight in network.model.get_weights()])
    expected = Explainer(network, WHITE)
    for method in METHODS:
        after = explainer.relevance(method, images, classes)
        np.testing.assert_allclose(after, expected.relevance(method, images, classes), rtol=1e-4, atol=1e-7)
        assert not np.allclose(after, before[method])


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"among gradcam, .* Received: method='lime'"):
        Explainer(toy_network(2), WHITE).relevance("lime", noise(1, 16), np.array([0]))


# The network whose evidence is known.


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_known_evidence(method, nested):
    images, classes, places = known_frames(16)
    found = Explainer(known_network(nested=nested), WHITE).relevance(method, images, classes)
    assert _share_inside(found, places) > 0.8
    random = np.random.default_rng(0).uniform(size=found.shape)
    assert _share_inside(random, places) < 0.2
    grey = 255 - images.mean(axis=-1)  # what stands out is yellow, and no evidence
    assert _share_inside(grey, places) < 0.6


def test_the_evidence_of_one_mode_is_none_of_the_other():
    images, classes, places = known_frames(16)
    cams = Explainer(known_network(), WHITE).cams(images)
    assert not cams.gradcam[np.arange(16), 1 - classes].any()
    assert _share_inside(enlarge(cams.gradcam[np.arange(16), classes], (32, 32)), places) > 0.8


def _share_inside(relevance, places):
    positive = np.maximum(relevance, 0)
    # A map is coarse: what it enlarges reaches a cell beyond the patch.
    near = tf.nn.max_pool2d(places[..., np.newaxis].astype(np.float32), 5, 1, "SAME").numpy()[..., 0] > 0
    return float((positive * near).sum() / positive.sum())


# Guided backpropagation, where it goes wrong elsewhere.


def test_guided_differs_from_plain_within_a_nested_model():
    keras.utils.set_random_seed(5)
    inner = keras.Input((16, 16, 3))
    x = layers.ReLU()(layers.Conv2D(4, 3)(layers.Conv2D(4, 3, activation="relu")(inner)))
    backbone = keras.Model(inner, x)
    pixels = keras.Input((16, 16, 3))
    features = keras.Model(pixels, backbone(layers.Rescaling(1 / 255)(pixels), training=False))
    activations = keras.Input(features.output.shape[1:])
    y = layers.GlobalAveragePooling2D(name=EMBEDDING)(activations)
    network = join(features, keras.Model(activations, layers.Dense(3)(y)))
    images, classes = noise(2, 16), np.array([0, 2])
    explainer = Explainer(network, WHITE)
    plain, guided = explainer.gradient(images, classes), explainer.guided(images, classes)
    assert np.abs(plain - guided).max() > 0.1 * np.abs(plain).max()


def test_a_guided_copy_answers_the_same_and_leaves_the_original_alone():
    network, images = dense_network(), noise(2, 16).astype(np.float32)
    before = Explainer(network, WHITE).gradient(images, np.array([0, 1]))
    copy = guided_copy(network.model)
    np.testing.assert_array_equal(copy(images), network.model(images))
    np.testing.assert_array_equal(Explainer(network, WHITE).gradient(images, np.array([0, 1])), before)
    assert copy.weights[0] is not network.model.weights[0]


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", "relu6"])
def test_other_activations_are_refused_by_name(activation):
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, activation=activation)(layers.Conv2D(2, 3, activation="relu")(pixels))
    with pytest.raises(Undefined, match=f"a rule for ReLUs; the network has 1 {activation}"):
        guided_copy(keras.Model(pixels, x))
    assert issubclass(Undefined, ValueError)


class _Hidden(layers.Layer):
    """A layer of somebody's own, with its activation inside."""

    def __init__(self, operation, **options):
        super().__init__(**options)
        self.operation = operation

    def call(self, x):
        return getattr(tf.nn, self.operation)(x)

    def get_config(self):
        return {**super().get_config(), "operation": self.operation}


@pytest.mark.parametrize(
    ("operation", "message"),
    [("relu", "would reach 1 of the 2 ReLUs"), ("sigmoid", "the network computes Sigmoid")],
)
def test_activations_inside_a_layer_of_ones_own_are_not_overlooked(operation, message):
    pixels = keras.Input((8, 8, 3))
    x = _Hidden(operation)(layers.Conv2D(2, 3, activation="relu")(pixels))
    with pytest.raises(Undefined, match=message):
        guided_copy(keras.Model(pixels, x))


def test_bounded_relus_and_none_at_all_are_refused():
    pixels = keras.Input((8, 8, 3))
    with pytest.raises(Undefined, match="1 bounded or leaky ReLU"):
        guided_copy(keras.Model(pixels, layers.ReLU(max_value=6)(pixels)))
    with pytest.raises(Undefined, match="the network has none"):
        guided_copy(keras.Model(pixels, layers.Conv2D(2, 3)(pixels)))


@pytest.mark.parametrize(
    ("architecture", "refused"),
    [
        ("radar", ()),
        ("nakai2022", ()),
        pytest.param("resnet", (), marks=pytest.mark.slow),
        ("mlp", ("gradcam", "hirescam", "guided_gradcam")),
        pytest.param("vgg16", (), marks=pytest.mark.slow),
        pytest.param("convnext_tiny", GUIDED, marks=pytest.mark.slow),
    ],
)
def test_every_architecture_of_the_recipes_has_its_methods(architecture, refused):
    network = architectures.build(architecture, height=32, width=32, modes=5)
    explainer, images = Explainer(network, WHITE, most_steps=1), noise(2, 32)
    reasons = {method: explainer.undefined(method) for method in METHODS}
    assert tuple(sorted(method for method, reason in reasons.items() if reason)) == tuple(sorted(refused))
    for method in METHODS:
        if method in refused:
            with pytest.raises(Undefined):
                explainer.relevance(method, images, np.array([0, 4]))
        elif method == "gradcam" or architecture in ("radar", "mlp"):
            assert np.isfinite(explainer.relevance(method, images, np.array([0, 4]))).all()
    if architecture == "convnext_tiny":
        assert "18 gelu" in reasons["guided"]
