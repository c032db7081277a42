"""The network as a drawing and as a table: shapes, weights, and how far each layer sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radar.verification.report_tables import Table
from training.architectures import Network
from training.data.labelled import LabelledFrames
from training.layers import layer_diagram
from training.look.files import save_figure, save_numbers
from training.look.part import Part, Picture
from training.look.subject import Subject

_WINDOWED = frozenset({"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D"})


@dataclass(frozen=True, slots=True)
class Row:
    """One layer.

    Attributes:
        part: ``features`` or ``head``; with the name of the backbone where it lies in one.
        name: Of the layer.
        kind: Its class.
        shape: Of its output, without the batch.
        weights: How many numbers it holds.
        learned: How many of them training changes.
        sees: Side of the square of input pixels that one value can depend on, along the longest way through the
            network, in pixels; 0 where that is everything.
    """

    part: str
    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    learned: int
    sees: int


def rows_of(network: Network) -> list[Row]:
    """Lists every layer from the pixels to the logits; those inside a backbone too."""
    found: list[Row] = []
    sees, step = 1, 1
    for half, model in (("features", network.features), ("head", network.head)):
        for part, layer in _layers(model, half):
            kind = type(layer).__name__
            if kind == "InputLayer":
                continue
            shape = tuple(layer.output.shape[1:])
            if kind in _WINDOWED and half == "features":
                sees, step = _widened(layer, sees, step)
            learned = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
            whole = half == "head" and len(shape) < 3
            found.append(Row(part, layer.name, kind, shape, layer.count_params(), learned, 0 if whole else sees))
    return found


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Draws the network; frames and seed change nothing. See `training.look.techniques.run`."""
    rows = rows_of(subject.network)
    save_figure(layer_diagram(subject.network, title=subject.recipe.architecture), out / "layers.svg")
    tick(1, 2)
    total, learned = sum(row.weights for row in rows), sum(row.learned for row in rows)
    save_numbers(
        out / "architecture.npz",
        layer=[row.name for row in rows],
        kind=[row.kind for row in rows],
        part=[row.part for row in rows],
        shape=[" x ".join(map(str, row.shape)) for row in rows],
        weights=[row.weights for row in rows],
        learned=[row.learned for row in rows],
        receptive_field_px=[row.sees for row in rows],
    )
    tick(2, 2)
    last = next((row for row in reversed(rows) if row.part.startswith("features")), rows[-1])
    sees = f"one value of the last feature map sees {last.sees} x {last.sees} pixels of the input"
    size = subject.card.input
    return Part(
        "architecture",
        "The network",
        f"{total:,} weights in {sum(row.weights > 0 for row in rows)} layers; {sees}, of {size.height} x "
        f"{size.width}.",
        paragraphs=(
            "From left to right, what a frame becomes. Heat maps are made at the block in orange: the last one that "
            "still knows of rows and columns.",
        ),
        pictures=(
            Picture(
                "layers.svg",
                "Blocks are as high as they have rows and as wide as they have channels (roots and logarithms of "
                "both). Below: rows x columns x channels, layers, weights.",
                "Block diagram of the network",
            ),
        ),
        tables=(_table(rows, total, learned),),
        numbers="architecture.npz",
    )


def _table(rows: list[Row], total: int, learned: int) -> Table:
    cells = [
        (
            row.name,
            row.kind,
            row.part,
            " x ".join(map(str, row.shape)),
            f"{row.weights:,}" if row.weights else "-",
            f"{row.sees}" if row.sees else "all",
        )
        for row in rows
    ]
    note = (
        f"{total:,} weights, {learned:,} of them trainable; the others are statistics of batch normalisation, or "
        "frozen. The column sees: side of the square of input pixels that one value can depend on, along the "
        "longest way."
    )
    header = ("layer", "kind", "part", "output", "weights", "sees (px)")
    return Table("Layers", (header, *cells), note)


def _layers(model: Any, part: str) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):  # a backbone is a model within the model
            yield from _layers(layer, f"{part}/{layer.name}")
        else:
            yield part, layer


def _widened(layer: Any, sees: int, step: int) -> tuple[int, int]:
    """Follows the receptive field through a layer with a window (Dumoulin and Visin 2016, arXiv 1603.07285).

    Layers come in the order in which they are computed. Of branches that are joined again the widest counts, and a
    shortcut of size 1 adds nothing to the field; but its stride would be counted twice, so a layer counts only if it
    really makes the map smaller.
    """
    window = layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size
    dilation = getattr(layer, "dilation_rate", (1, 1))
    size = (max(window) - 1) * max(dilation) + 1
    shortcut = size == 1 and max(layer.strides) > 1
    return sees + (size - 1) * step, step * (1 if shortcut else max(layer.strides))
