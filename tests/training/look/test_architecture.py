import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.look.conftest import known_look, subject_of
from training import architectures
from training.look.architecture import look, rows_of


@pytest.mark.parametrize("name", ["radar", "nakai2022", "resnet", "vgg16", "mlp"])
def test_every_weight_is_in_the_table_once(name):
    network = architectures.build(name, height=64, width=64, modes=5)
    rows = rows_of(network)
    assert sum(row.weights for row in rows) == network.model.count_params()
    learned = sum(int(np.prod(weight.shape)) for weight in network.model.trainable_weights)
    assert sum(row.learned for row in rows) == learned
    assert rows[-1].name == "logits"
    assert rows[-1].shape == (5,)
    if name == "vgg16":
        assert {row.part for row in rows} == {"features", "features/vgg16", "head"}


@pytest.mark.parametrize(("name", "size"), [("radar", 96), ("nakai2022", 48), ("convbn", 64), ("resnet", 192)])
def test_one_value_sees_as_far_as_its_gradient_reaches(name, size):
    keras.utils.set_random_seed(0)
    network = architectures.build(name, height=size, width=size, modes=3)
    for layer in network.features.layers:
        # Positive weights throughout: nothing cancels, and no ReLU shuts.
        layer.set_weights([np.abs(values) + 0.01 for values in layer.get_weights()])
    pixels = tf.Variable(np.random.default_rng(0).uniform(0, 100, (1, size, size, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        out = network.features(pixels, training=False)
        middle = tf.reduce_sum(out[:, out.shape[1] // 2, out.shape[2] // 2])
    reached = (np.abs(tape.gradient(middle, pixels).numpy()) > 0).any(axis=(0, 3))
    last = [row for row in rows_of(network) if row.part == "features"][-1]
    # Pooling passes the gradient to the largest pixel alone, so a side may miss by the width of a window.
    assert last.sees - 4 <= max(reached.any(axis=1).sum(), reached.any(axis=0).sum()) <= last.sees


def test_the_drawing_is_an_svg_with_every_shape(tmp_path):
    network = architectures.build("radar", height=32, width=32, modes=5)
    part = look(subject_of(network, modes=5), known_look(4), tmp_path, seed=0)
    svg = (tmp_path / "layers.svg").read_text(encoding="utf-8")
    assert svg.count("<svg") == 1
    for shape in ("32 x 32 x 3", "16 x 16 x 24", "8 x 8 x 64"):
        assert shape in svg
    assert f"{network.model.count_params():,}" in svg
    assert f"{network.model.count_params():,} weights" in part.finding
    numbers = np.load(tmp_path / "architecture.npz")
    assert numbers["weights"].sum() == network.model.count_params()
    assert len(part.tables[0].rows) == len(numbers["layer"]) + 1
