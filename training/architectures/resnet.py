"""A small residual network with pre-activation blocks (He et al. 2016, arXiv 1603.05027)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.architectures import Network, join
from training.architectures.blocks import batch_norm, pooled_head

STAGES = ((32, 1), (64, 2), (128, 2))
"""Filters and stride of each stage; two blocks each."""


def build(*, height: int, width: int, modes: int) -> Network:
    """Builds it; see `training.architectures.Network`."""
    pixels = keras.Input((height, width, 3), name="pixels")
    x = layers.Rescaling(-1 / 255, offset=1.0)(pixels)  # no echo (white) becomes 0
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x)
    for filters, strides in STAGES:
        x = _block(x, filters, strides=strides)
        x = _block(x, filters)
    x = layers.ReLU()(batch_norm(x))
    features = keras.Model(pixels, x, name="features")
    return join(features, pooled_head(features, modes))


def _block(x: Any, filters: int, *, strides: int = 1) -> Any:
    active = layers.ReLU()(batch_norm(x))
    straight = x
    if strides > 1 or x.shape[-1] != filters:
        straight = layers.Conv2D(filters, 1, strides=strides, use_bias=False)(active)
    y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(active)
    y = layers.ReLU()(batch_norm(y))
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    return layers.Add()([straight, y])
