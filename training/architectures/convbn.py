"""A plain convolutional network of today: convolution, batch normalisation, ReLU, global average pooling."""

from __future__ import annotations

import keras
from keras import layers

from training.architectures import Network, join
from training.architectures.blocks import convolve, pooled_head


def build(*, height: int, width: int, modes: int) -> Network:
    """Builds it; see `training.architectures.Network`."""
    pixels = keras.Input((height, width, 3), name="pixels")
    x = layers.Rescaling(-1 / 255, offset=1.0)(pixels)  # no echo (white) becomes 0
    x = convolve(x, 32)
    x = layers.MaxPooling2D()(x)
    x = convolve(x, 64)
    x = layers.MaxPooling2D()(x)
    x = convolve(x, 128)
    x = convolve(x, 128)
    features = keras.Model(pixels, x, name="features")
    return join(features, pooled_head(features, modes))
