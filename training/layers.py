"""The picture of a network: what a frame becomes on its way to the probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from radar.verification.plots import CREDIT, style
from training.architectures import Network

_FRONT, _TOP, _SIDE = "#dbe9f4", "#eef5fa", "#b9d2e6"
_MARKED = {_FRONT: "#fde3d3", _TOP: "#fef1e9", _SIDE: "#f2b894"}
_SHORT = {
    "BatchNormalization": "batch norm",
    "LayerNormalization": "layer norm",
    "MaxPooling2D": "max pooling",
    "AveragePooling2D": "mean pooling",
    "GlobalAveragePooling2D": "mean over place",
    "Rescaling": "rescaling",
    "Flatten": "flatten",
    "Place": "row and column",
}
_HIDDEN = frozenset({"InputLayer", "Dropout", "Activation", "ReLU", "Identity"})


@dataclass(frozen=True, slots=True)
class Stage:
    """Successive layers with outputs of one shape.

    Attributes:
        shape: Of the output, without the batch: (rows, columns, channels), or (numbers,).
        layers: What they are, such as ``("2 x Conv2D 3x3", "BatchNormalization")``.
        weights: How many numbers they hold.
        explained: Whether heat maps are made of the output.
    """

    shape: tuple[int, ...]
    layers: tuple[str, ...]
    weights: int
    explained: bool = False


def stages(network: Network) -> list[Stage]:
    """Sums up a network, from the pixels to the logits."""
    found = [Stage(tuple(network.features.input.shape[1:]), ("frame",), 0)]
    for half in (network.features, network.head):
        parts = [(tuple(layer.output.shape[1:]), layer) for layer in _layers(half)]
        for shape, group in groupby(parts, key=lambda part: part[0]):
            layers = [layer for _, layer in group]
            weights = sum(layer.count_params() for layer in layers)
            named = _named(layers)
            if shape == found[-1].shape and not weights:
                found[-1] = replace(found[-1], layers=(*found[-1].layers, *named))
            elif named or weights:
                found.append(Stage(shape, named, weights))
        if half is network.features:
            found[-1] = replace(found[-1], explained=network.explains)
    return found


def layer_diagram(network: Network, *, title: str) -> Figure:
    """Draws a network: a block for each size the frame takes on, as high as it has rows, as wide as channels.

    Sides grow with the square root, channels with the logarithm, or a small block would be a line.

    Args:
        network: Any.
        title: What it is called.
    """
    parts = stages(network)
    with style():
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        at = 0.0
        for number, stage in enumerate(parts):
            at = _block(axes, at, stage, last=number == len(parts) - 1)
        axes.set(xlim=(-0.45, at), ylim=(-2.35, 1.6), aspect="equal")
        figure.set_size_inches(max(6.4, 0.88 * (at + 0.45)), 0.88 * 3.95 + 0.7)
        axes.axis("off")
        weights = sum(stage.weights for stage in parts)
        figure.suptitle(f"{title}: {weights:,} weights", x=0.01, ha="left", fontweight="bold")
        note = "Under each block: rows x columns x channels, the layers that make it, and their weights."
        if any(stage.explained for stage in parts):
            note += " Heat maps are made of the block in orange."
        figure.supxlabel(note, x=0.01, ha="left", **CREDIT)
    return figure


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        # A backbone is a model within the model.
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def _named(layers: list[Any]) -> tuple[str, ...]:
    names = [_name(layer) for layer in layers if type(layer).__name__ not in _HIDDEN]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return tuple(f"{count} x {name}" if count > 1 else name for name, count in counts.items())


def _name(layer: Any) -> str:
    kind = type(layer).__name__
    if kind in {"Conv2D", "DepthwiseConv2D"}:
        rows, columns = layer.kernel_size
        return f"{kind} {rows}x{columns}"
    return _SHORT.get(kind, kind)


def _block(axes: Axes, at: float, stage: Stage, *, last: bool) -> float:
    """Draws one block with its left edge at `at`; gives the left edge of the next."""
    if len(stage.shape) == 3:
        rows, columns, channels = stage.shape
        height, slant = 0.25 * rows**0.45, 0.085 * columns**0.45
        width = 0.16 + 0.11 * math.log2(channels)
        size = f"{rows} x {columns} x {channels}"
    else:
        (numbers,) = stage.shape[-1:]
        height, slant, width = 0.3 + 0.17 * math.log2(numbers + 1), 0.08, 0.16
        size = f"{numbers:,}"
    colors = _MARKED if stage.explained else {color: color for color in _MARKED}
    low = -height / 2
    edge: dict[str, Any] = {"edgecolor": "0.35", "linewidth": 0.7}
    axes.add_patch(Rectangle((at, low), width, height, facecolor=colors[_FRONT], **edge))
    top = [(at, -low), (at + slant, -low + slant), (at + width + slant, -low + slant), (at + width, -low)]
    side = [
        (at + width, low),
        (at + width + slant, low + slant),
        (at + width + slant, -low + slant),
        (at + width, -low),
    ]
    axes.add_patch(Polygon(top, facecolor=colors[_TOP], **edge))
    axes.add_patch(Polygon(side, facecolor=colors[_SIDE], **edge))
    middle = at + width / 2
    shown = list(stage.layers[:4]) + ([f"and {len(stage.layers) - 4} more"] if len(stage.layers) > 4 else [])
    weights = [f"{stage.weights:,}"] if stage.weights else []
    axes.text(middle, -1.22, size, ha="center", va="top", fontsize=7.5, fontweight="bold")
    axes.text(middle, -1.48, "\n".join([*shown, *weights]), ha="center", va="top", fontsize=6.2, color="0.25")
    step: float = max(width + slant + 0.35, 1.35)
    if not last:
        axes.annotate(
            "",
            (at + step - 0.06, 0),
            (at + width + slant + 0.06, 0),
            arrowprops={"arrowstyle": "->", "color": "0.5", "lw": 0.8},
        )
    return at + step
