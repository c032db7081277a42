"""The layers of a network in one row, also those of a backbone inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from training.look.errors import LookError, Undefined

_NO_MAPS = frozenset({"InputLayer", "Dropout", "SpatialDropout2D", "Identity", "ZeroPadding2D"})


@dataclass(frozen=True, slots=True)
class Flat:
    """A model without models inside.

    Attributes:
        model: With the layers, and the weights, of the original: no copies.
        outputs: Output of each layer by its name, in the order they are called in.
        layers: The layers by name.
    """

    model: Any
    outputs: dict[str, Any]
    layers: dict[str, Any]


def flatten(model: Any) -> Flat:
    """Takes a model out of its nested models.

    Keras 3 does not connect the input of the outer model with layers of an inner one, so that their outputs could not
    be had otherwise.

    Args:
        model: Functional; calls of layers in it may be of inner models, of any depth.
    """
    outputs: dict[str, Any] = {}
    called: dict[str, Any] = {}
    results: dict[str, Any] = {}  # also of inner models

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            result = args[0]
            for inner in layer.layers:
                result = call(inner, result)
            results[layer.name] = result
        elif isinstance(layer, keras.Model) and hasattr(layer, "layers"):
            _again(layer, args[0], call)
            # The output of what that made starts from an input of its own; this is the one that goes on from ours.
            results[layer.name] = results[layer.output_names[0]]
        else:
            results[layer.name] = outputs[layer.name] = layer(*args, **kwargs)
            called[layer.name] = layer
        return results[layer.name]

    flat = _again(model, keras.Input(model.input.shape[1:], name="pixels"), call)
    return Flat(flat, outputs, called)


def _again(model: Any, tensors: Any, call: Any) -> Any:
    return keras.models.clone_model(
        model, input_tensors=tensors, clone_function=lambda layer: layer, call_function=call
    )


def with_maps(flat: Flat) -> list[str]:
    """Lists the layers whose outputs are maps (rows, columns, channels), from the first with weights on."""
    names: list[str] = []
    for name, output in flat.outputs.items():
        layer = flat.layers[name]
        begun = bool(names) or layer.count_params() > 0
        if begun and len(output.shape) == 4 and type(layer).__name__ not in _NO_MAPS:
            names.append(name)
    return names


def pick(flat: Flat, wanted: Sequence[str] = (), *, count: int = 3) -> list[str]:
    """Picks layers to look at.

    Args:
        flat: The network.
        wanted: By name; without any, the last layer of each size the maps have, thinned to `count`.
        count: At most so many.

    Raises:
        LookError: There is no layer of a wanted name.
        Undefined: No layer gives maps.
    """
    names = with_maps(flat)
    if not names:
        raise Undefined("none of its layers gives maps: it keeps no sense of place")
    if unknown := [name for name in wanted if name not in names]:
        raise LookError(f"--layer: expected one of {', '.join(names)}; received {unknown[0]!r}")
    if wanted:
        return list(wanted)
    sizes: dict[tuple[int, ...], str] = {}
    for name in names:
        # Pooling only thins out what the layer before has found.
        if "Pooling" not in type(flat.layers[name]).__name__:
            sizes[tuple(flat.outputs[name].shape[1:3])] = name
    ends = list(sizes.values())
    if len(ends) < 2 and len(names) > 2:
        ends = [names[len(names) // 2], *ends]
    step = max(1, len(ends) - 1) / max(1, count - 1)
    chosen = {min(len(ends) - 1, round(n * step)) for n in range(count)}
    return [ends[n] for n in sorted(chosen)]


def runner(flat: Flat, names: Sequence[str]) -> Any:
    """Makes a model that gives the outputs of layers."""
    return keras.Model(flat.model.input, [flat.outputs[name] for name in names])


def outputs_of(model: Any, images: Any) -> list[Any]:
    """Runs what `runner` made; gives one tensor a layer, also where there is one only."""
    found = model(images, training=False)
    return list(found) if isinstance(found, list | tuple) else [found]
