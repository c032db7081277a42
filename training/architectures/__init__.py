"""Networks. Each file has one function `build(height, width, modes)` that returns `Network`.

A network is `features` (pixels 0..255 to the activations that heat maps are made of) and `head` (activations to
logits). The head has a layer named `embedding`, whose output is the penultimate layer of the `embed` signature.

A new architecture is a file here, a name in `training.recipe.Architecture`, and a recipe.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, get_args

import keras

from training.recipe import BACKBONES, Architecture, TransferTable

EMBEDDING = "embedding"


@dataclass(frozen=True)
class Network:
    """A model in its two halves and as a whole.

    Attributes:
        features: float32 (N, H, W, 3), pixels 0..255, to activations (N, h, w, k).
        head: Activations to logits (N, K).
        model: One after the other.
        embed: Activations to the penultimate layer (N, d).
        backbone: The part of `features` that was trained on other pictures; None where all is trained here.
        last_stage: What the names of the layers of the backbone's last stage begin with.
        explains: Whether activations are places of which a heat map can tell. A network without them is a baseline:
            scored, never published.
    """

    features: Any
    head: Any
    model: Any
    embed: Any
    backbone: Any = None
    last_stage: tuple[str, ...] = ()
    explains: bool = True


def join(
    features: Any, head: Any, *, backbone: Any = None, last_stage: tuple[str, ...] = (), explains: bool = True
) -> Network:
    """Joins the halves of a network."""
    model = keras.Model(features.input, head(features.output))
    embed = keras.Model(head.input, head.get_layer(EMBEDDING).output)
    return Network(features, head, model, embed, backbone, last_stage, explains)


def build(name: str, *, height: int, width: int, modes: int, transfer: TransferTable | None = None) -> Network:
    """Builds a network by name.

    Args:
        name: Of the architecture.
        height: Rows of the input.
        width: Columns of the input.
        modes: Number of logits.
        transfer: Where the weights of a backbone come from; all weights are fresh without.

    Raises:
        ValueError: There is no architecture of that name.
        TrainingError: The weights of the backbone do not fit.
    """
    if name not in get_args(Architecture):
        raise ValueError(
            f"Expected an architecture among {', '.join(get_args(Architecture))}. Received: name={name!r}"
        )
    builder = importlib.import_module(f"training.architectures.{name}")
    weights = {"weights": transfer.weights if transfer else ""} if name in BACKBONES else {}
    network: Network = builder.build(height=height, width=width, modes=modes, **weights)
    return network
