"""A synthetic winter and exported models that several tests look at. TensorFlow is imported by those alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = 32


@dataclass(frozen=True)
class Exported:
    """A model on disk and what it was made of."""

    folder: Path
    network: Any
    card: Any
    images: Any
    session: Any


@pytest.fixture(scope="session")
def winter(tmp_path_factory):
    """A labelled folder of 200 frames with several events of each mode."""
    from training.synth import make_winter

    folder = tmp_path_factory.mktemp("winters") / "hse20142015"
    make_winter(folder, frames=200, seed=1, year=2014, size=(64, 64), workers=1)
    return folder


@pytest.fixture(scope="session", params=["nakai2022", "radar"])
def exported(request, tmp_path_factory):
    """Each architecture with random weights, exported once."""
    import keras

    from tests.benchmarks.material import card_for
    from training import architectures
    from training.publishing import export
    from training.publishing.session import SessionModel

    keras.utils.set_random_seed(1)
    network = architectures.build(request.param, height=SIZE, width=SIZE, modes=5)
    rng = np.random.default_rng(1)
    for weight in network.model.weights:
        # Fresh offsets and moving averages are all 0 or 1, under which mistakes would not show.
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    card = card_for(network, request.param, SIZE, temperature=1.7)
    folder = tmp_path_factory.mktemp(request.param) / "202401010000"
    export.write(folder, network, card)
    images = rng.integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    session = SessionModel(folder)
    yield Exported(folder, network, card, images, session)
    session.close()


@pytest.fixture
def toy():
    """A toy network of its own for each test."""
    return toy_network(seed=2)


def toy_network(seed):
    """Makes the smallest network of the right form: 16x16 pixels, one convolution, global average pooling."""
    import keras
    from keras import layers

    from training.architectures import EMBEDDING, join

    keras.utils.set_random_seed(seed)
    pixels = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    features = keras.Model(pixels, layers.Conv2D(6, 3, activation="relu")(x))
    activations = keras.Input(features.output.shape[1:])
    y = layers.GlobalAveragePooling2D(name=EMBEDDING)(activations)
    return join(features, keras.Model(activations, layers.Dense(5, name="logits")(y)))
