import keras
import numpy as np
import pytest

from tests.training.look.known import known_frames, known_network
from training import architectures
from training.look import randomisation
from training.look.explainer import Explainer
from training.look.statistics import spearman

WHITE = (255, 255, 255)


@pytest.mark.parametrize("name", ["nakai2022", "radar", "resnet", "vgg16"])
def test_a_copy_answers_as_its_original_and_leaves_it_alone(name):
    keras.utils.set_random_seed(3)
    network = architectures.build(name, height=32, width=32, modes=4)
    kept = network.model.get_weights()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    copy = randomisation.copy_of(network)
    np.testing.assert_allclose(copy.model(pixels, training=False), network.model(pixels, training=False), atol=1e-5)
    for layer in randomisation.weighted_layers(copy):
        layer.set_weights([np.zeros_like(values) for values in layer.get_weights()])
    for mine, before in zip(network.model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(mine, before)
    # Every weight is reached, those of a backbone too.
    assert not any(values.any() for values in copy.model.get_weights())


def test_layers_are_grouped_from_the_logits_down():
    network = architectures.build("radar", height=32, width=32, modes=4)
    layers = randomisation.weighted_layers(network)
    assert layers[0].name == "logits"
    assert layers[-1].name.startswith("conv2d")
    steps = randomisation.steps_of(layers, 4)
    assert [len(step) for step in steps] == [1, 4, 3, 3]
    assert [layer for step in steps for layer in step] == layers
    assert len(randomisation.steps_of(layers[:1], 4)) == 1


def test_each_step_replaces_its_layers_and_the_network_is_whole_after_a_draw():
    network = known_network()
    seen = []

    def method(current):
        seen.append([layer.get_weights()[0].copy() for layer in randomisation.weighted_layers(current)])
        return np.random.default_rng(len(seen)).random((2, 4, 4))

    found = randomisation.cascade(network, {"any": method}, seed=1, draws=2)
    trained, *steps = seen
    assert [len(step) for step in found.steps] == [0, 1, 1, 1]
    for draw in (steps[:3], steps[3:]):
        for step, weights in enumerate(draw, start=1):
            changed = [(a != b).any() for a, b in zip(trained, weights, strict=True)]
            assert changed == [n < step for n in range(3)]
    assert (steps[0][0] != steps[3][0]).any()  # two draws differ
    np.testing.assert_array_equal(found.correlation["any"][0], 1)
    assert found.examples["any"].shape == (4, 4, 4)


def test_maps_that_follow_the_weights_fall_and_those_of_the_frame_alone_stay():
    network = known_network()
    images, classes, _ = known_frames(8)
    ranked_by_frame = images.astype(float).std(axis=-1) + np.arange(32)

    def gradcam(current):
        return Explainer(current, WHITE).relevance("gradcam", images, classes)

    found = randomisation.cascade(network, {"frame": lambda _: ranked_by_frame, "gradcam": gradcam}, seed=2)
    assert (found.correlation["frame"] == 1).all()
    assert np.nanmean(found.correlation["gradcam"][-1]) < 0.6


def test_empty_maps_are_counted():
    maps = iter([np.random.default_rng(0).random((2, 3, 3)), *(np.zeros((2, 3, 3)) for _ in range(9))])
    found = randomisation.cascade(known_network(), {"any": lambda _: next(maps)}, seed=0, draws=1)
    assert found.empty["any"].tolist() == [0, 1, 1, 1]
    assert np.isnan(found.correlation["any"][1:]).all()


@pytest.mark.slow
def test_random_weights_separate_grad_cam_from_guided_backpropagation(trained, looked_at):
    """The finding of Adebayo et al. (2018) on a trained network: guided backpropagation hardly notices."""
    images = looked_at.images[:24]
    classes = trained.logits(images).argmax(axis=1)
    explainers = {}

    def method(name):
        def relevance(current):
            explainer = explainers.setdefault(id(current), Explainer(current, WHITE))
            return explainer.relevance(name, images, classes)

        return relevance

    names = ("gradcam", "gradient", "guided")
    found = randomisation.cascade(trained.network, {name: method(name) for name in names}, seed=1, draws=2)
    half = {name: float(np.nanmean(found.correlation[name][found.halfway])) for name in names}
    assert half["guided"] > 0.5
    assert half["gradcam"] < half["guided"] - 0.2
    assert half["gradient"] < half["guided"]
    # Fresh weights are no constant maps, which would fall for another reason.
    assert found.empty["guided"].max() == 0
    assert (spearman(found.examples["guided"][:1], found.examples["guided"][:1]) == 1).all()
