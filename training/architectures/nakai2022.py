"""The network of the original process: four unpadded convolutions, a dense layer, a softmax.

At 32x32 pixels `conv2d_3` is 10x10x64, the layer its heat maps were made of.
"""

from __future__ import annotations

import keras
from keras import layers

from training.architectures import EMBEDDING, Network, join

DENSE_UNITS = 512  # the original does not state it


def build(*, height: int, width: int, modes: int) -> Network:
    """Builds it; see `training.architectures.Network`."""
    pixels = keras.Input((height, width, 3), name="pixels")
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(32, 3, activation="relu", name="conv2d")(x)
    x = layers.Conv2D(32, 3, activation="relu", name="conv2d_1")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, activation="relu", name="conv2d_2")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="conv2d_3")(x)
    features = keras.Model(pixels, x, name="features")

    activations = keras.Input(features.output.shape[1:], name="activations")
    y = layers.MaxPooling2D()(activations)
    y = layers.Flatten()(y)
    y = layers.Dense(DENSE_UNITS, activation="relu", name=EMBEDDING)(y)
    y = layers.Dense(modes, name="logits")(y)
    return join(features, keras.Model(activations, y, name="head"))
