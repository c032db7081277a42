"""Layers in one row: the same network, with the layers of its backbones to be had."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.training.look.known import known_network
from training import architectures
from training.look import layering
from training.look.errors import LookError, Undefined


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("radar", "re_lu"),
        ("vgg16", "block3_conv2"),
        pytest.param("convnext_tiny", "convnext_tiny_stage_1_block_1_depthwise_conv", marks=pytest.mark.slow),
    ],
)
def test_a_flat_network_answers_the_same_and_names_every_layer(architecture, layer):
    network = architectures.build(architecture, height=32, width=32, modes=5)
    flat = layering.flatten(network.features)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(
        flat.model(images, training=False), network.features(images, training=False), rtol=1e-5, atol=1e-6
    )
    assert any(name.startswith(layer) for name in flat.outputs)
    assert len(flat.model.weights) == len(network.features.weights)
    assert flat.model.weights[0] is network.features.weights[0]


def test_a_sequential_inside_a_model_inside_a_model():
    keras.utils.set_random_seed(1)
    deepest = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(3, 3, name="deep"), layers.ReLU(name="end")])
    inner = keras.Input((10, 10, 3))
    middle = keras.Model(inner, layers.Add()([deepest(layers.Conv2D(2, 3)(inner))] * 2))
    pixels = keras.Input((10, 10, 3))
    outer = keras.Model(pixels, middle(pixels))
    flat = layering.flatten(outer)
    images = np.random.default_rng(0).normal(size=(2, 10, 10, 3)).astype(np.float32)
    np.testing.assert_array_equal(flat.model(images), outer(images))
    (found,) = layering.outputs_of(layering.runner(flat, ["end"]), images)
    np.testing.assert_array_equal(2 * found, outer(images))


def test_layers_are_picked_from_the_first_with_weights_to_the_last_maps():
    flat = layering.flatten(known_network(nested=True).features)
    assert layering.with_maps(flat)[:2] == ["colors", "around"]
    assert layering.pick(flat, ["around"]) == ["around"]
    flat = layering.flatten(architectures.build("nakai2022", height=32, width=32, modes=5).features)
    assert layering.pick(flat) == ["conv2d", "conv2d_2", "conv2d_3"]


def test_an_unknown_layer_is_answered_with_those_there_are():
    flat = layering.flatten(known_network().features)
    with pytest.raises(LookError, match=r"--layer: expected one of colors, around, .*; received 'conv9'"):
        layering.pick(flat, ["conv9"])


def test_a_network_without_maps_has_none_to_pick():
    flat = layering.flatten(architectures.build("mlp", height=32, width=32, modes=5).features)
    with pytest.raises(Undefined, match="keeps no sense of place"):
        layering.pick(flat)
