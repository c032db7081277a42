"""Filters: the first layer's kernels before and after training, and what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.verification.plots import style
from radar.verification.report_tables import Table
from training.architectures import Network
from training.data.labelled import LabelledFrames
from training.errors import TrainingError
from training.look import layering
from training.look.drawing import Picture as Pixels
from training.look.drawing import foot, grid, head, shade
from training.look.errors import Undefined
from training.look.files import save_figure, save_numbers
from training.look.part import Part, Picture
from training.look.subject import Subject, fresh

SHOWN = 24
_COLUMNS = 12
UNCHANGED = 0.95
"""A filter whose cosine with itself before training is above this has hardly turned."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """What training did to F filters.

    Attributes:
        norm_before: Euclidean norm of each, shape (F,).
        norm_after: The same.
        cosine: Of the angle between before and after; 1 where neither has any length, shape (F,).
        relative: Norm of the difference over the norm before; infinite where that is 0, shape (F,).
    """

    norm_before: Floats
    norm_after: Floats
    cosine: Floats
    relative: Floats


def look(
    subject: Subject,
    frames: LabelledFrames,  # weights alone are looked at
    out: Path,
    *,
    seed: int,  # that of the training counts
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Writes the first layer's filters before and after training; see `training.look.techniques.run`."""
    name, after = first_kernels(subject.network)
    try:
        _, before = first_kernels(fresh(subject))
    except TrainingError as error:
        raise Undefined(f"what it was before training cannot be had: {error}") from error
    tick(1, 2)
    change = compare(before, after)
    order = np.argsort(-change.relative, kind="stable")
    save_numbers(
        out / "filters.npz",
        layer=name,
        before=before,
        after=after,
        **{field: getattr(change, field) for field in ("norm_before", "norm_after", "cosine", "relative")},
    )
    save_figure(_side_by_side(subject, name, before, after, order), out / "filters.png")
    save_figure(_scatter(subject, name, change), out / "change.png")
    count = len(change.cosine)
    still = int((change.cosine > UNCHANGED).sum())
    return Part(
        "filters",
        "First-layer filters",
        f"Of the {count} filters of {name}, {still} hardly turned in training (cosine above {UNCHANGED}); the median "
        f"cosine is {np.median(change.cosine):.2f}, the median change {np.median(change.relative):.0%} of the length "
        "before.",
        paragraphs=(
            f"Before: weights of the same recipe and seed ({subject.seed}) without training, or those that a "
            "backbone came with. After: as trained. Small networks on smooth frames often solve their task with "
            "filters that stay close to the random ones they began with; layers further up do the learning then.",
        ),
        warnings=("Filters that look like noise are no sign of a bad network, nor pretty ones of a good one.",),
        pictures=(
            Picture("filters.png", _caption(after), "first-layer filters before and after training"),
            Picture(
                "change.png",
                "Left: length of each filter before and after; on the line nothing grew. Right: how far each turned; "
                "1 not at all, 0 at right angles.",
                "change of length and direction of the filters",
            ),
        ),
        tables=(_table(change, order),),
        numbers="filters.npz",
    )


def first_kernels(network: Network) -> tuple[str, NDArray[np.float32]]:
    """Finds the first layer that has filters over the frame.

    Returns:
        Its name, and its kernels, shape (rows, columns, inputs, F). Of a dense layer on all pixels a filter is as
        large as the frame.

    Raises:
        Undefined: There is none.
    """
    rows, columns, channels = network.features.output.shape[1:]
    for half in (network.features, network.head):
        for name, layer in layering.flatten(half).layers.items():
            kernel = getattr(layer, "kernel", None)
            if kernel is None:
                continue
            values = np.asarray(kernel)
            if values.ndim == 4:
                return name, values
            if values.ndim == 2 and values.shape[0] == rows * columns * channels:
                return name, values.reshape(rows, columns, channels, -1)
            break
    raise Undefined("its first layer with weights has no filters over the frame")


def compare(before: NDArray[np.floating], after: NDArray[np.floating]) -> Change:
    """Compares filters, each shape (rows, columns, inputs, F)."""
    old, new = (np.asarray(values, np.float64).reshape(-1, values.shape[-1]) for values in (before, after))
    norm_before, norm_after = np.linalg.norm(old, axis=0), np.linalg.norm(new, axis=0)
    product, lengths = (old * new).sum(axis=0), norm_before * norm_after
    same = np.where((norm_before == 0) & (norm_after == 0), 1.0, 0.0)
    cosine = np.divide(product, lengths, out=same, where=lengths > 0)
    moved = np.linalg.norm(new - old, axis=0)
    relative = np.divide(moved, norm_before, out=np.where(moved > 0, np.inf, 0.0), where=norm_before > 0)
    return Change(norm_before, norm_after, np.clip(cosine, -1.0, 1.0), relative)


def tile(kernel: NDArray[np.floating], high: float) -> Pixels:
    """Draws a kernel of three inputs as colours, grey being 0, and of others as the sum over them.

    Args:
        kernel: Shape (rows, columns, inputs).
        high: Value of the brightest colour.
    """
    if kernel.shape[-1] < 3:
        return shade(kernel.sum(axis=-1), high=high, kind="diverging")
    colors = 0.5 + 0.5 * np.clip(kernel[..., :3] / max(high, 1e-12), -1, 1)
    drawn: Pixels = np.round(colors * 255).astype(np.uint8)
    return drawn


def _side_by_side(subject: Subject, name: str, before: Any, after: Any, order: NDArray[np.intp]) -> Figure:
    # One scale for before and after: growth is to be seen. Single weights far out would make all others grey.
    high = float(np.quantile(np.abs(np.concatenate([before.ravel(), after.ravel()])), 0.995))
    difference = after - before
    changed = float(np.quantile(np.abs(difference), 0.995))
    kinds = [("before", before, high), ("after", after, high), ("change", difference, changed)]
    tiles: list[list[Pixels | None]] = []
    rows = []
    shown = order[:SHOWN]
    extra = range(3, after.shape[2]) if after.shape[2] <= 8 else range(0)
    for start in range(0, len(shown), _COLUMNS):
        part = shown[start : start + _COLUMNS]
        for label, kernels, scale in kinds:
            rows.append(label)
            tiles.append([tile(kernels[..., f], scale) for f in part])
        for channel in extra:
            rows.append(f"after, input {channel + 1}")
            tiles.append([shade(after[..., channel, f], high=high, kind="diverging") for f in part])
    columns = [f"{n}." for n in range(1, min(_COLUMNS, len(shown)) + 1)]
    numbers = "; ".join(
        ", ".join(map(str, shown[start : start + _COLUMNS].tolist())) for start in range(0, len(shown), _COLUMNS)
    )
    return grid(
        tiles,
        rows=rows,
        columns=columns,
        title=f"{name}: filters before and after training",
        subtitle=f"the {len(shown)} of {after.shape[-1]} that changed most, in this order: {numbers}",
        note=(
            f"Colours: weights of red, green and blue; grey is 0, full colour {high:.3g} (before, after) and "
            f"{changed:.3g} (change)."
        ),
        synthetic=subject.synthetic,
    )


def _scatter(subject: Subject, name: str, change: Change) -> Figure:
    with style():
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        top = 1.08 * float(max(change.norm_before.max(), change.norm_after.max(), 1e-12))
        left.plot([0, top], [0, top], color="0.7", lw=0.8)
        left.plot(change.norm_before, change.norm_after, "o", color="#0072B2", ms=4, alpha=0.7)
        left.set(xlabel="length before", ylabel="length after", xlim=(0, top), ylim=(0, top), aspect="equal")
        right.plot(np.sort(change.cosine)[::-1], "o-", color="#0072B2", ms=3, lw=0.8)
        right.axhline(UNCHANGED, color="#D55E00", lw=0.8, ls=":")
        right.set(xlabel="filters, from the one that turned least", ylabel="cosine before, after")
        right.set_ylim(min(-0.05, float(change.cosine.min()) - 0.05), 1.05)
        head(figure, f"{name}: what training did to {len(change.cosine)} filters")
        foot(figure, f"Dotted: cosine {UNCHANGED}.", synthetic=subject.synthetic)
    return figure


def _table(change: Change, order: NDArray[np.intp]) -> Table:
    rows = [
        (
            str(f),
            f"{change.norm_before[f]:.3g}",
            f"{change.norm_after[f]:.3g}",
            f"{change.cosine[f]:.2f}",
            f"{change.relative[f]:.0%}" if np.isfinite(change.relative[f]) else "from nothing",
        )
        for f in order[:5]
    ]
    header = ("filter", "length before", "after", "cosine", "change / length before")
    return Table("Changed most", (header, *rows))


def _caption(after: NDArray[np.floating]) -> str:
    text = "Each column is one filter. Before and after share one scale, so that growth shows; change has its own."
    if 3 < after.shape[2] <= 8:
        text += (
            " The layer sees more than the three colours: rows 'after, input 4' and on show the weights of those "
            "(red above 0, blue below), in the architecture `radar` the row and the column of the pixel."
        )
    return text
