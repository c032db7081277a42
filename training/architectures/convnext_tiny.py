"""ConvNeXt Tiny (Liu et al. 2022, arXiv 2201.03545) with a pooled head; it scales its input itself.

Its activations are GELUs: guided backpropagation is undefined for it. Grad-CAM is not.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.architectures import Network, join
from training.architectures.backbones import load_weights
from training.architectures.blocks import pooled_head


def build(*, height: int, width: int, modes: int, weights: str) -> Network:
    """Builds it; see `training.architectures.Network`."""
    whole = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_shape=(height, width, 3), name="convnext_tiny"
    )
    load_weights(whole, weights)
    backbone = _with_depthwise_layers(whole)
    pixels = keras.Input((height, width, 3), name="pixels")
    # Inference mode throughout: normalisation keeps what it learned on more pictures than there are here.
    features = keras.Model(pixels, backbone(pixels, training=False), name="features")
    return join(
        features,
        pooled_head(features, modes, dropout=0.3),
        backbone=backbone,
        last_stage=("convnext_tiny_stage_3_", "convnext_tiny_downsampling_block_2"),
    )


def _with_depthwise_layers(model: Any) -> Any:
    """Takes convolutions in as many groups as channels for what they are.

    Keras runs grouped convolutions on a CPU through the XLA compiler only, which an exported model should not need: a
    model server may have been built without it.
    """

    def replaced(layer: Any) -> Any:
        if isinstance(layer, layers.Conv2D) and layer.groups > 1:
            return layers.DepthwiseConv2D(layer.kernel_size, padding=layer.padding, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=replaced)
    for old, new in zip(model.layers, copy.layers, strict=True):
        values = old.get_weights()
        if isinstance(new, layers.DepthwiseConv2D):
            values[0] = values[0].transpose(0, 1, 3, 2)
        new.set_weights(values)
    return copy
