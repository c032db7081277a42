"""Networks. Each file has one function `build(height, width, modes)` that returns `Network`.

A network is `features` (pixels 0..255 to the activations that heat maps are made of) and `head` (activations to
logits). The head has a layer named `embedding`, whose output is the penultimate layer of the `embed` signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

EMBEDDING = "embedding"


@dataclass(frozen=True)
class Network:
    """A model in its two halves and as a whole.

    Attributes:
        features: float32 (N, H, W, 3), pixels 0..255, to activations (N, h, w, k).
        head: Activations to logits (N, K).
        model: One after the other.
        embed: Activations to the penultimate layer (N, d).
    """

    features: Any
    head: Any
    model: Any
    embed: Any


def join(features: Any, head: Any) -> Network:
    """Joins the halves of a network."""
    model = keras.Model(features.input, head(features.output))
    embed = keras.Model(head.input, head.get_layer(EMBEDDING).output)
    return Network(features, head, model, embed)


def build(name: str, *, height: int, width: int, modes: int) -> Network:
    """Builds a network by name, with fresh weights.

    Raises:
        ValueError: There is no architecture of that name.
    """
    from training.architectures import nakai2022, radar

    builders: dict[str, Callable[..., Network]] = {"nakai2022": nakai2022.build, "radar": radar.build}
    if name not in builders:
        raise ValueError(f"Expected an architecture among {', '.join(builders)}. Received: name={name!r}")
    return builders[name](height=height, width=width, modes=modes)
