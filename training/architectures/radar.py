"""The recommended network: small, with batch normalisation, a sense of place, and a head that explains itself.

Two channels hold each pixel's row and column, because coast and mountains stand still and decide between modes (DM is
bound to them) while global average pooling would forget the place. With that pooling Grad-CAM equals HiResCAM.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from training.architectures import Network, join
from training.architectures.blocks import convolve, pooled_head


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
    x = convolve(x, 24, strides=2, size=5)
    x = convolve(x, 32)
    x = layers.MaxPooling2D()(x)
    x = convolve(x, 48)
    x = convolve(x, 64)
    x = convolve(x, 64)
    features = keras.Model(pixels, x, name="features")
    return join(features, pooled_head(features, modes))
