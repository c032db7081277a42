"""The recommended network: small, with batch normalisation, a sense of place, and a head that explains itself.

Two channels hold each pixel's row and column, because coast and mountains stand still and decide between modes (DM is
bound to them) while global average pooling would forget the place. With that pooling Grad-CAM equals HiResCAM.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from training.architectures import EMBEDDING, Network, join


@keras.saving.register_keras_serializable(package="snowmode")
class Place(layers.Layer):  # type: ignore[misc]
    """Adds two channels: row and column of each pixel, -1 to 1."""

    def call(self, x: Any) -> Any:
        """Adds the channels to x, shape (N, H, W, C)."""
        rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in x.shape[1:3])
        place = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)[np.newaxis]
        return ops.concatenate([x, ops.zeros_like(x[..., :2]) + place], axis=-1)


def build(*, height: int, width: int, modes: int) -> Network:
    """Builds it; see `training.architectures.Network`."""
    pixels = keras.Input((height, width, 3), name="pixels")
    x = layers.Rescaling(-1 / 255, offset=1.0)(pixels)  # no echo (white) becomes 0
    x = Place()(x)
    x = _block(x, 24, strides=2, size=5)
    x = _block(x, 32)
    x = layers.MaxPooling2D()(x)
    x = _block(x, 48)
    x = _block(x, 64)
    x = _block(x, 64)
    features = keras.Model(pixels, x, name="features")

    activations = keras.Input(features.output.shape[1:], name="activations")
    y = layers.GlobalAveragePooling2D(name=EMBEDDING)(activations)
    y = layers.Dropout(0.2)(y)
    y = layers.Dense(modes, name="logits")(y)
    return join(features, keras.Model(activations, y, name="head"))


def _block(x: Any, filters: int, *, strides: int = 1, size: int = 3) -> Any:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)
