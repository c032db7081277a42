"""Parameter randomisation: an explanation that stays when the network forgets what it learned explains nothing of it.

Adebayo et al. (2018), Sanity checks for saliency maps, arXiv 1810.03292: the layers of the network get fresh weights,
cascading from the logits down, and each map is compared with the one of the trained network by rank correlation.
Grad-CAM and the plain gradient fall at once; guided backpropagation hardly does before the lowest layers are reached,
for it draws the edges of the frame. So what is judged is the map when the upper half of the layers is random: what
decides between modes is lost by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.architectures import Network, join
from training.look.statistics import spearman

Method = Callable[[Network], NDArray[np.floating]]
"""Relevance (N, H, W) of the same frames and modes by a network."""

MOST_STEPS = 6
DRAWS = 2
"""How often fresh weights are drawn; one draw may be an odd one."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """How maps change while weights are replaced.

    Attributes:
        steps: What was replaced at each step, besides what was before; ``()`` for the trained network, shape S.
        correlation: By method, Spearman correlation with the map of the trained network, shape (S, N): means over the
            draws; 1 at the first step. NaN where a map was constant in every draw.
        empty: By method, share of maps that were constant, shape (S,).
        examples: By method, the maps of one frame in the first draw, shape (S, H, W).
        example: Index of that frame.
    """

    steps: tuple[tuple[str, ...], ...]
    correlation: dict[str, NDArray[np.float64]]
    empty: dict[str, NDArray[np.float64]]
    examples: dict[str, NDArray[np.floating]]
    example: int = 0

    @property
    def halfway(self) -> int:
        """The step at which the upper half of the layers is random."""
        return len(self.steps) // 2


def copy_of(network: Network) -> Network:
    """Copies a network with its weights; the copy may be changed."""
    features, head = (keras.models.clone_model(half) for half in (network.features, network.head))
    features.set_weights(network.features.get_weights())
    head.set_weights(network.head.get_weights())
    return join(features, head, explains=network.explains)


def weighted_layers(network: Network) -> list[Any]:
    """Gives the layers that hold weights, the one of the logits first; those inside a backbone too."""
    return [layer for half in (network.head, network.features) for layer in reversed(list(_layers(half)))]


def steps_of(layers: list[Any], most: int = MOST_STEPS) -> list[list[Any]]:
    """Groups layers from the top into at most so many steps of about equally many; the logits stay by themselves."""
    logits, rest = layers[:1], layers[1:]
    count = min(most - 1, len(rest))
    groups = [list(group) for group in np.array_split(np.arange(len(rest)), count)] if count else []
    return [logits, *([rest[n] for n in group] for group in groups)]


def cascade(
    network: Network,
    methods: Mapping[str, Method],
    *,
    seed: int,
    most: int = MOST_STEPS,
    draws: int = DRAWS,
    example: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Cascade:
    """Replaces the weights of a network from the top down, and compares the maps after each step.

    Args:
        network: Trained; it is not changed.
        methods: By name. Each is called with one copy of the network again and again, whose weights change.
        seed: Of the fresh weights.
        most: At most so many steps.
        draws: How often fresh weights are drawn.
        example: Index of the frame whose maps are kept.
        tick: Called after each step.
    """
    subject = copy_of(network)
    trained = {name: method(subject) for name, method in methods.items()}
    groups = steps_of(weighted_layers(subject), most)
    shape = (draws, len(groups) + 1, len(next(iter(trained.values()))))
    found = {name: np.full(shape, np.nan) for name in methods}
    examples = {name: [maps[example]] for name, maps in trained.items()}
    kept = [layer.get_weights() for layer in weighted_layers(subject)]
    for draw in range(draws):
        for name in methods:
            found[name][draw, 0] = spearman(trained[name], trained[name])
        for step, _ in enumerate(_randomised(subject, groups, seed=seed + draw), start=1):
            for name, method in methods.items():
                maps = method(subject)
                found[name][draw, step] = spearman(trained[name], maps)
                if draw == 0:
                    examples[name].append(maps[example])
            tick()
        for layer, values in zip(weighted_layers(subject), kept, strict=True):
            layer.set_weights(values)
    names = ((), *(tuple(layer.name for layer in group) for group in groups))
    return Cascade(
        names,
        {name: _mean(values) for name, values in found.items()},
        {name: np.isnan(values).mean(axis=(0, 2)) for name, values in found.items()},
        {name: np.stack(maps) for name, maps in examples.items()},
        example,
    )


def _randomised(subject: Network, groups: list[list[Any]], *, seed: int) -> Iterator[None]:
    """Gives the layers of one group after the other the weights they would begin a training with."""
    keras.utils.set_random_seed(seed)
    fresh = join(*(keras.models.clone_model(half) for half in (subject.features, subject.head)))
    new = {id(old): layer for old, layer in zip(weighted_layers(subject), weighted_layers(fresh), strict=True)}
    for group in groups:
        for layer in group:
            layer.set_weights(new[id(layer)].get_weights())
        yield


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):  # a backbone is a model within the model
            yield from _layers(layer)
        elif layer.weights:
            yield layer


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    result = np.full(total.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result
