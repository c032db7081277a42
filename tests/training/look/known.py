"""A network whose evidence is known, and frames with the place of it.

Its weights are set by hand: the logit of SY is driven by red pixels alone, that of VX by blue ones; LT has a constant
logit. Dark grey, which the frames hold more of and which is further from white, moves nothing.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from training.architectures import EMBEDDING, join

SIZE = 32
PATCH = 6
RED, BLUE, GREY = (255, 40, 0), (0, 65, 255), (20, 20, 20)
SY, VX, LT = range(3)


def known_network(*, nested=False, size=SIZE):
    """Builds it; `nested` puts its convolutions into a model within the model, as transfer learning does."""
    pixels = keras.Input((size, size, 3))
    scaled = layers.Rescaling(1 / 255)
    colors = layers.Conv2D(2, 1, activation="relu", name="colors")
    around = layers.Conv2D(2, 3, padding="same", activation="relu", name="around")
    if nested:
        inner = keras.Input((size, size, 3))
        backbone = keras.Model(inner, layers.AveragePooling2D(2)(around(colors(inner))), name="backbone")
        features = keras.Model(pixels, backbone(scaled(pixels), training=False))
    else:
        features = keras.Model(pixels, layers.AveragePooling2D(2)(around(colors(scaled(pixels)))))
    kernel = np.array([[1, -1], [-1, 0], [0, 1]], np.float32).reshape(1, 1, 3, 2)  # red - green, blue - red
    colors.set_weights([kernel, np.array([-0.3, -0.3], np.float32)])
    around.set_weights(
        [np.eye(2, dtype=np.float32)[np.newaxis, np.newaxis] * np.full((3, 3, 1, 1), 1 / 9), np.zeros(2)]
    )

    activations = keras.Input(features.output.shape[1:])
    pooled = layers.GlobalAveragePooling2D(name=EMBEDDING)(activations)
    logits = layers.Dense(3, name="logits")
    head = keras.Model(activations, logits(pooled))
    # The largest patch has about 36 of 1024 pixels; so it gives a logit of some 6.
    logits.set_weights([np.array([[300, 0, 0], [0, 300, 0]], np.float32), np.array([0, 0, 1], np.float32)])
    return join(features, head)


def known_frames(count, *, seed=1, size=SIZE):
    """Draws frames with one red or blue patch among dark grey ones.

    Returns:
        Images uint8 (N, size, size, 3); the mode of each, SY or VX, (N,); whether a pixel is evidence, as a mask
        (N, size, size).
    """
    rng = np.random.default_rng(seed)
    images = np.full((count, size, size, 3), 255, np.uint8)
    places = np.zeros((count, size, size), bool)
    classes = rng.integers(0, 2, count)
    for image, place, mode in zip(images, places, classes, strict=True):
        for _ in range(4):
            row, column = rng.integers(0, size - PATCH, 2)
            image[row : row + PATCH, column : column + PATCH] = GREY
        row, column = rng.integers(1, size - PATCH - 1, 2)
        image[row : row + PATCH, column : column + PATCH] = RED if mode == SY else BLUE
        place[row : row + PATCH, column : column + PATCH] = True
    return images, classes, places
