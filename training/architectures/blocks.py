"""Parts that several networks are made of."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from training.architectures import EMBEDDING


def batch_norm(x: Any) -> Any:
    """Normalises by the batch over all devices: each by its own, they drift apart, and one of them is saved."""
    return layers.BatchNormalization(momentum=0.9, synchronized=tf.distribute.has_strategy())(x)


def convolve(x: Any, filters: int, *, strides: int = 1, size: int = 3) -> Any:
    """Convolution, batch normalisation, ReLU."""
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(batch_norm(x))


def pooled_head(features: Any, modes: int, *, dropout: float = 0.2) -> Any:
    """Global average pooling and a linear layer; with it Grad-CAM equals HiResCAM."""
    activations = keras.Input(features.output.shape[1:], name="activations")
    y = layers.GlobalAveragePooling2D(name=EMBEDDING)(activations)
    y = layers.Dropout(dropout)(y)
    y = layers.Dense(modes, name="logits")(y)
    return keras.Model(activations, y, name="head")
