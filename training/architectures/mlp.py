"""The plain baseline: pixels in a row, two dense layers.

It has no activations that lie anywhere in the picture, so no heat map can be made of them and no version of it is
published; a convolutional network that does not beat it has learned nothing from the shapes.
"""

from __future__ import annotations

import keras
from keras import layers

from training.architectures import EMBEDDING, Network, join


def build(*, height: int, width: int, modes: int) -> Network:
    """Builds it; see `training.architectures.Network`."""
    pixels = keras.Input((height, width, 3), name="pixels")
    features = keras.Model(pixels, layers.Rescaling(-1 / 255, offset=1.0)(pixels), name="features")

    activations = keras.Input(features.output.shape[1:], name="activations")
    y = layers.Flatten()(activations)
    y = layers.Dense(128, activation="relu")(y)
    y = layers.Dropout(0.3)(y)
    y = layers.Dense(64, activation="relu", name=EMBEDDING)(y)
    y = layers.Dense(modes, name="logits")(y)
    return join(features, keras.Model(activations, y, name="head"), explains=False)
