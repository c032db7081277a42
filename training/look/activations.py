"""Activations: what layers make of frames of each mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.verification.plots import style
from radar.verification.report_tables import Table
from training.data.labelled import LabelledFrames
from training.look import layering
from training.look.batches import in_batches
from training.look.drawing import DIVERGING, foot, grid, head, legible, shade
from training.look.files import save_figure, save_numbers
from training.look.part import Part, Picture
from training.look.subject import Subject

SHOWN = 10
"""Channels of a layer that are shown as maps."""
SILENT = 1e-6
"""A channel that stays below this on every frame is silent."""

Floats = NDArray[np.float32]


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,  # nothing is drawn here
    tick: Callable[[int, int], None] = lambda *_: None,
    layers: Sequence[str] = (),
) -> Part:
    """Writes feature maps and mean responses of chosen layers; see `training.look.techniques.run`.

    Args:
        subject: The network.
        frames: What to look at.
        out: Folder of the part.
        seed: Not used.
        tick: Called with frames done and their number.
        layers: By name; without any, three from the input to the heat maps.
    """
    flat = layering.flatten(subject.network.features)
    names = layering.pick(flat, layers)
    examples = exemplars(subject.probabilities(frames.images), frames.classes)
    means = responses(flat, names, frames.images, tick=tick)
    maps = feature_maps(flat, names, frames.images[list(examples.values())])
    numbers: dict[str, Any] = {
        "layers": names,
        "modes": subject.codes,
        "classes": frames.classes,
        "files": [str(label.path) for label in frames.labels],
        "examples": list(examples.values()),
    }
    pictures, rows = [], [("layer", "size", "channels", "silent", "told apart best by")]
    for name in names:
        of_mode = by_mode(means[name], frames.classes, len(subject.codes))
        spread = separation(means[name], frames.classes)
        order = np.argsort(-spread, kind="stable")
        numbers |= {f"{name}.response": means[name], f"{name}.maps": maps[name], f"{name}.separation": spread}
        stem = name.replace("/", "_")
        save_figure(_maps(subject, frames, examples, name, maps[name], order[:SHOWN]), out / f"{stem}.png")
        pictures.append(Picture(f"{stem}.png", _maps_caption(name), f"feature maps of {name}"))
        save_figure(_responses(subject, frames, name, of_mode), out / f"{stem}_by_mode.png")
        pictures.append(Picture(f"{stem}_by_mode.png", _RESPONSES_CAPTION, f"mean responses of {name} by mode"))
        silent = int((means[name].max(axis=0) < SILENT).sum())
        height, width, channels = maps[name].shape[1:]
        rows.append((name, f"{height} x {width}", str(channels), str(silent), _best(subject, of_mode, order)))
    save_numbers(out / "activations.npz", **numbers)
    silent_of_all = sum(int(row[3]) for row in rows[1:])
    channels_of_all = sum(int(row[2]) for row in rows[1:])
    return Part(
        "activations",
        "Feature maps",
        f"{silent_of_all} of {channels_of_all} channels are silent on all {len(frames.labels):,} frames.",
        paragraphs=(
            "Each layer turns a frame into maps, one a channel. A channel is shown here if its mean response differs "
            "between modes by more than it does between frames of one mode.",
        ),
        warnings=(
            "A channel that looks like a band need not be used as one: what counts is what the layers after make of "
            "it. One frame stands for each mode here: the one the network is surest of.",
        ),
        pictures=tuple(pictures),
        tables=(Table("Layers", tuple(rows), "Silent: below one millionth on every frame."),),
        numbers="activations.npz",
    )


def exemplars(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> dict[int, int]:
    """Finds for each mode that occurs the frame of it with the highest probability of it.

    Args:
        probabilities: Shape (N, K).
        classes: Shape (N,).

    Returns:
        Number of the frame by number of the mode.
    """
    found = {}
    for k in np.unique(classes).tolist():
        of_mode = np.flatnonzero(classes == k)
        found[k] = int(of_mode[probabilities[of_mode, k].argmax()])
    return found


def responses(
    flat: layering.Flat,
    names: Sequence[str],
    images: NDArray[np.uint8],
    *,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Floats]:
    """Computes the mean over places of every channel, shape (N, C), by layer."""
    model = layering.runner(flat, names)

    def run(batch: Any) -> tuple[Any, ...]:
        return tuple(tf.reduce_mean(one, axis=(1, 2)) for one in layering.outputs_of(model, batch))

    found = in_batches(tf.function(run), images.astype(np.float32), tick=tick)
    return dict(zip(names, found, strict=True))


def feature_maps(flat: layering.Flat, names: Sequence[str], images: NDArray[np.uint8]) -> dict[str, Floats]:
    """Computes the maps, shape (N, h, w, C), by layer."""
    model = layering.runner(flat, names)
    found = in_batches(tf.function(lambda batch: tuple(layering.outputs_of(model, batch))), images.astype(np.float32))
    return dict(zip(names, found, strict=True))


def by_mode(values: Floats, classes: NDArray[np.integer], modes: int) -> NDArray[np.float64]:
    """Averages rows (N, C) by mode; NaN where a mode has no frame. Shape (K, C)."""
    found = np.full((modes, values.shape[1]), np.nan)
    for k in np.unique(classes).tolist():
        found[k] = values[classes == k].mean(axis=0, dtype=np.float64)
    return found


def separation(values: Floats, classes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Gives the share of each column's variance that lies between modes (eta squared), 0 to 1.

    Args:
        values: Shape (N, C).
        classes: Shape (N,).

    Returns:
        Shape (C,); 0 where a column never changes.
    """
    exact = values.astype(np.float64)
    mean = exact.mean(axis=0)
    whole = np.square(exact - mean).sum(axis=0)
    between = np.zeros_like(whole)
    for k in np.unique(classes).tolist():
        of_mode = exact[classes == k]
        between += len(of_mode) * np.square(of_mode.mean(axis=0) - mean)
    # Rounding alone makes a share of next to nothing.
    moving = whole > 1e-12 * np.maximum(1.0, np.square(mean)) * len(exact)
    share: NDArray[np.float64] = np.divide(between, whole, out=np.zeros_like(whole), where=moving)
    return np.clip(share, 0.0, 1.0)


def _maps(
    subject: Subject,
    frames: LabelledFrames,
    examples: dict[int, int],
    name: str,
    maps: Floats,
    channels: NDArray[np.intp],
) -> Figure:
    # One scale a channel over all modes: whether a map is stronger for one mode than for another is the point.
    high = np.abs(maps).max(axis=(0, 1, 2))
    signed = bool((maps < 0).any())
    tiles = [
        [
            frames.images[n],
            *(
                shade(maps[row, ..., c], high=float(high[c]), kind="diverging" if signed else "sequential")
                for c in channels
            ),
        ]
        for row, n in enumerate(examples.values())
    ]
    return grid(
        tiles,
        rows=[subject.codes[k] for k in examples],
        columns=["frame", *(f"channel {c}" for c in channels)],
        row_colors=[subject.modes[k].color for k in examples],
        title=f"{name}: what it makes of a frame of each mode",
        note=(
            f"{len(channels)} of {maps.shape[-1]} channels, those that tell modes apart best. Each channel has a "
            "scale of its own, from 0 (pale) to its largest value in these frames"
            + (" (red; below 0 blue)." if signed else ".")
        ),
        synthetic=subject.synthetic,
        smooth=False,
    )


def _responses(subject: Subject, frames: LabelledFrames, name: str, of_mode: NDArray[np.float64]) -> Figure:
    present = np.flatnonzero(np.isfinite(of_mode).all(axis=1))
    values = of_mode[present]
    deviations = values - values.mean(axis=0)
    deviations = deviations / np.maximum(np.abs(deviations).max(axis=0), 1e-12)
    order = np.lexsort((-values.std(axis=0), values.argmax(axis=0)))
    with style():
        figure = Figure(figsize=(9, 0.32 * len(present) + 1.5), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(
            deviations[:, order], cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="none"
        )
        counts = [int((frames.classes == k).sum()) for k in present]
        axes.set_yticks(
            range(len(present)), [f"{subject.codes[k]}  n={n}" for k, n in zip(present, counts, strict=True)]
        )
        for label, k in zip(axes.get_yticklabels(), present, strict=True):
            label.set(color=legible(subject.modes[k].color), fontweight="bold")
        axes.set(xticks=[], xlabel=f"{values.shape[1]} channels, by the mode they respond to most")
        figure.colorbar(shown, ax=axes, label="less / more than\nthe mean of modes", ticks=[-1, 0, 1])
        head(figure, f"{name}: mean response of its channels by mode")
        foot(figure, "Each channel divided by its own largest deviation.", synthetic=subject.synthetic)
    return figure


def _best(subject: Subject, of_mode: NDArray[np.float64], order: NDArray[np.intp]) -> str:
    """Names the channels that tell modes apart best, with the mode each responds to most."""
    first = [c for c in order[:3] if np.isfinite(of_mode[:, c]).any()]
    return ", ".join(f"{c} ({subject.codes[int(np.nanargmax(of_mode[:, c]))]})" for c in first)


def _maps_caption(name: str) -> str:
    return (
        f"Layer {name}. Rows: of each mode the frame with the highest probability of it. Columns: channels, in units "
        "of the layer's own, from 0 (pale) to the channel's largest value."
    )


_RESPONSES_CAPTION = (
    "Mean over all frames of a mode and over all places. Red: the channel responds more to this mode than to the "
    "others. A layer whose columns have one red cell each has sorted the modes already."
)
