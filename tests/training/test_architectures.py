"""Networks: two halves that belong together, and backbones whose weights come from a file."""

import h5py
import keras
import numpy as np
import pytest

from tests.benchmarks.material import card_for
from training import architectures
from training.architectures import convnext_tiny, vgg16
from training.errors import TrainingError
from training.publishing import export, gate
from training.recipe import TransferTable, load_recipe, recipe_names

SMALL = ["convbn", "mlp", "nakai2022", "radar", "resnet"]


def pixels(size, count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3)).astype(np.float32)


def build(name, size=32, **more):
    keras.utils.set_random_seed(1)
    return architectures.build(name, height=size, width=size, modes=4, **more)


@pytest.mark.parametrize("name", SMALL)
def test_the_halves_make_the_whole(name):
    network = build(name)
    x = pixels(32)
    activations = network.features(x, training=False)
    logits = network.head(activations, training=False)
    np.testing.assert_allclose(network.model(x, training=False), logits, atol=1e-5)
    assert logits.shape == (3, 4)
    embedding = network.embed(activations, training=False)
    last = network.head.get_layer("logits")
    np.testing.assert_allclose(embedding @ last.kernel + last.bias, logits, atol=1e-5)
    # Every weight is in the whole, once.
    assert network.model.count_params() == network.features.count_params() + network.head.count_params()


@pytest.mark.parametrize("name", SMALL)
def test_a_network_takes_other_sizes_and_numbers_of_modes(name):
    network = architectures.build(name, height=40, width=56, modes=2)
    assert network.model(np.zeros((1, 40, 56, 3), np.float32)).shape == (1, 2)


@pytest.mark.parametrize("name", ["convbn", "radar", "resnet"])
def test_heads_that_pool_globally_have_one_feature_a_channel(name):
    network = build(name)
    assert network.embed.output.shape[-1] == network.features.output.shape[-1]
    assert network.explains


def test_the_baseline_has_no_places_to_explain():
    assert not build("mlp").explains


def test_the_residual_blocks_are_pre_activated():
    network = build("resnet")
    additions = [layer for layer in network.features.layers if isinstance(layer, keras.layers.Add)]
    assert len(additions) == 6
    # What is added is a bare convolution on one side: nothing stands between the sum and the next block.
    for layer in additions:
        sources = [tensor._keras_history.operation for tensor in layer.input]
        assert isinstance(sources[1], keras.layers.Conv2D)
        assert not any(isinstance(source, keras.layers.ReLU | keras.layers.BatchNormalization) for source in sources)


def test_every_recipe_builds_a_network_of_its_size():
    for name in recipe_names():
        recipe = load_recipe(name)
        if recipe.architecture not in ("vgg16", "convnext_tiny"):  # below, and slow
            size = {"height": recipe.input.height, "width": recipe.input.width}
            assert architectures.build(recipe.architecture, **size, modes=5).model.output.shape == (None, 5)


# Backbones.


@pytest.fixture(scope="module")
def vgg_weights(tmp_path_factory):
    """Weights of VGG16 without its top, as keras.applications writes them."""
    keras.utils.set_random_seed(7)
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    file = tmp_path_factory.mktemp("weights") / "vgg16_notop.weights.h5"
    model.save_weights(file)
    return file, [weight.copy() for weight in model.get_weights()]


def test_weights_of_a_backbone_come_from_a_file(vgg_weights):
    file, values = vgg_weights
    network = build("vgg16", 48, transfer=TransferTable(weights=str(file)))
    loaded = network.backbone.get_weights()
    assert len(loaded) == len(values) == 26
    for a, b in zip(loaded, values, strict=True):
        np.testing.assert_array_equal(a, b)
    assert network.features.output.shape == (None, 3, 3, 512)
    fresh = build("vgg16", 48).backbone.get_weights()
    assert (fresh[0] != values[0]).any()


def test_the_original_files_of_keras_are_read_too(tmp_path, vgg_weights):
    # The files that keras.applications offers are of the older format: a group a layer, weights by name.
    _, values = vgg_weights
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    file = tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    pairs = iter(values)
    with h5py.File(file, "w") as h5:
        h5.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = h5.create_group(layer.name)
            names = [f"{layer.name}_W_1:0", f"{layer.name}_b_1:0"] if layer.weights else []
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[name] = next(pairs)
    loaded = build("vgg16", transfer=TransferTable(weights=str(file))).backbone.get_weights()
    for a, b in zip(loaded, values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_photographs_are_prepared_inside_the_graph():
    x = pixels(32)
    expected = keras.applications.vgg16.preprocess_input(x.copy())
    np.testing.assert_allclose(vgg16.ToCaffe()(x), expected, atol=1e-4)


def test_a_file_that_is_not_there_is_named_and_nothing_downloaded(tmp_path):
    with pytest.raises(TrainingError, match=r"x\.h5: expected a file of weights .* Nothing is downloaded"):
        build("vgg16", transfer=TransferTable(weights=str(tmp_path / "x.h5")))


@pytest.mark.parametrize("kind", ["text", "other model", "other shapes"])
def test_weights_that_do_not_fit_are_refused(tmp_path, kind):
    file = tmp_path / "wrong.weights.h5"
    if kind == "text":
        file.write_text("no weights")
    elif kind == "other model":
        build("convbn").model.save_weights(file)
    else:
        keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 1)).save_weights(file)
    with pytest.raises(
        TrainingError, match=r"expected the weights of vgg16 .*; received a file that does not fit: .+"
    ):
        build("vgg16", transfer=TransferTable(weights=str(file)))


def test_the_last_stage_of_a_backbone_is_named(vgg_weights):
    network = build("vgg16")
    last = [layer.name for layer in network.backbone.layers if layer.name.startswith(network.last_stage)]
    assert last == ["block5_conv1", "block5_conv2", "block5_conv3"]


@pytest.mark.slow
def test_convnext_computes_what_keras_computes_without_grouped_convolutions():
    keras.utils.set_random_seed(1)
    original = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_shape=(32, 32, 3), name="convnext_tiny"
    )
    copy = convnext_tiny._with_depthwise_layers(original)
    x = pixels(32)
    np.testing.assert_allclose(copy.predict(x, verbose=0), original.predict(x, verbose=0), atol=1e-4)
    assert not any(getattr(layer, "groups", 1) > 1 for layer in copy.layers)
    assert any(layer.name.startswith("convnext_tiny_stage_3_") for layer in copy.layers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "vgg16", "convnext_tiny"])
def test_a_network_passes_the_release_gate(name, tmp_path):
    network = build(name)
    card = card_for(network, name, 32).model_copy(update={"modes": card_for(network, name, 32).modes[:4]})
    export.write(tmp_path / "202401010000", network, card)
    images = pixels(32).astype(np.uint8)
    assert len(gate.check(tmp_path / "202401010000", card, images, export.signatures(network, card))) == 7
