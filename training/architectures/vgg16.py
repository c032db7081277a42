"""VGG16 (Simonyan and Zisserman 2014, arXiv 1409.1556) up to its last convolution, with a pooled head.

The backbone expects photographs in BGR less the mean colour of ImageNet; that is done inside the graph. A palette is
no photograph, so what the first layers know of colour is worth little here.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.architectures import Network, join
from training.architectures.backbones import load_weights
from training.architectures.blocks import pooled_head

IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="snowmode")
class ToCaffe(layers.Layer):  # type: ignore[misc]
    """RGB 0..255 to BGR less the mean colour, as the network was trained by its authors in Caffe."""

    def call(self, x: Any) -> Any:
        """Converts x, shape (N, H, W, 3)."""
        red, green, blue = ops.split(x, 3, axis=-1)
        return ops.concatenate([blue, green, red], axis=-1) - ops.convert_to_tensor(IMAGENET_MEAN_BGR, x.dtype)


def build(*, height: int, width: int, modes: int, weights: str) -> Network:
    """Builds it; see `training.architectures.Network`."""
    whole = keras.applications.VGG16(include_top=False, weights=None, input_shape=(height, width, 3))
    load_weights(whole, weights)
    # Without the last pooling, which would halve the heat maps.
    backbone = keras.Model(whole.input, whole.get_layer("block5_conv3").output, name="vgg16")
    pixels = keras.Input((height, width, 3), name="pixels")
    features = keras.Model(pixels, backbone(ToCaffe()(pixels), training=False), name="features")
    return join(features, pooled_head(features, modes, dropout=0.3), backbone=backbone, last_stage=("block5_",))
