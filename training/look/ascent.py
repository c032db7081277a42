"""Ascent: what a filter or a mode asks for, by changing pixels until it responds most.

Erhan et al. 2009; Olah et al. 2017 (Distill, Feature Visualization). Every step shifts the pictures at random
(jitter) and smooths them (total variation): without that, gradient ascent ends in a pattern of single pixels that no
frame has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.verification.report_tables import Table
from training.data.labelled import LabelledFrames
from training.look import layering
from training.look.activations import SILENT, responses
from training.look.drawing import grid
from training.look.errors import Undefined
from training.look.files import save_figure, save_numbers
from training.look.part import Part, Picture
from training.look.subject import Subject

STEPS = 48
MOST_FILTERS = 64
_SHOWN = 12  # a row

_STEP = 6.0  # grey levels, root mean square
_SMOOTHING = 0.4  # share of the smoothing gradient, both of length 1
_JITTER = 1 / 16  # of the side

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Climb:
    """Pictures that make something respond.

    Attributes:
        pictures: Shape (M, H, W, 3), 0..255.
        start: Response to the pictures it began with, shape (M,).
        end: Response to `pictures`, shape (M,).
    """

    pictures: Floats
    start: Floats
    end: Floats


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
    layers: Sequence[str] = (),
    steps: int = STEPS,
) -> Part:
    """Writes what the filters of a layer and the modes ask for; see `training.look.techniques.run`.

    Args:
        subject: The network.
        frames: Their mean is one of the two starts, and their responses are what is compared with.
        out: Folder of the part.
        seed: Of noise and jitter.
        tick: Called with steps done and their number.
        layers: By name; without any, one in the middle and the one that heat maps are made of.
        steps: Uphill.
    """
    starts = starting_points(frames.images, seed)
    flat = layering.flatten(subject.network.features)
    try:
        names = layering.pick(flat, layers, count=2)
    except Undefined:
        names = []  # the modes remain
    total, done = (len(names) + 1) * steps, 0
    numbers: dict[str, Any] = {
        "layers": names,
        "modes": subject.codes,
        "start_noise": starts[0],
        "start_mean": starts[1],
    }
    rows: list[tuple[str, ...]] = [
        ("", "pictures", "above the strongest frame", "median, of the strongest frame", "without a way up")
    ]

    # Modes.
    ticker = _shifted(tick, done, total)
    climb = of_modes(subject.network.model, starts, len(subject.codes), steps=steps, seed=seed, tick=ticker)
    logits = subject.logits(frames.images)
    rows.append(_row("modes (logits)", climb, logits.max(axis=0)))
    numbers |= {"modes.frames": logits, **_arrays("modes", climb)}
    save_figure(_modes(subject, frames, climb, logits), out / "modes.png")
    pictures = [Picture("modes.png", _MODES_CAPTION, "what each mode asks for")]

    # Filters.
    of_frames = responses(flat, names, frames.images) if names else {}
    for name in names:
        done += steps
        chosen = strongest_filters(of_frames[name])
        real = of_frames[name][:, chosen]
        ticker = _shifted(tick, done, total)
        climb = of_filters(flat, name, starts, chosen, steps=steps, seed=seed, tick=ticker)
        rows.append(_row(name, climb, real.max(axis=0)))
        numbers |= {f"{name}.filters": chosen, **_arrays(name, climb)}
        file = f"{name.replace('/', '_')}.png"
        save_figure(_filters(subject, frames, name, climb, chosen, real), out / file)
        pictures.append(Picture(file, _FILTERS_CAPTION, f"what the filters of {name} ask for"))
    tick(total, total)
    save_numbers(out / "ascent.npz", **numbers)
    return Part(
        "ascent",
        "What filters and modes ask for",
        f"For {rows[1][2]} modes a picture was made that the network takes for more of it than any of "
        f"{len(frames.labels):,} real frames.",
        paragraphs=(
            f"From noise (pixels of all frames, shuffled), and from the mean of the frames, {steps} steps uphill. "
            "Each shifts all pictures at random, adds the gradient of the response, smooths, and stays within 0 to "
            "255. All filters of a layer climb in one batch. Below each pair stands the real frame that the filter "
            "responds to most. A filter that is silent on its start has no way up, and the start stays as it was.",
        ),
        warnings=(
            "These pictures are no radar frames and no weather: the network has never seen anything like them. Where "
            "they respond far more than every real frame, they tell more of the method than of the data.",
        ),
        pictures=tuple(pictures),
        tables=(
            Table(
                "Response against real frames",
                tuple(rows),
                "Of filters: mean of the channel over all places. The better of the two starts counts.",
            ),
        ),
        numbers="ascent.npz",
    )


def starting_points(images: NDArray[np.uint8], seed: int) -> Floats:
    """Gives the two starts, shape (2, H, W, 3): pixels of all frames, shuffled, and the mean of the frames.

    Noise of other colours would leave most filters of a network silent that has seen radar palettes only, and a
    silent ReLU has no gradient.
    """
    count = images.shape[1] * images.shape[2]
    drawn = np.random.default_rng(seed).integers(0, len(images) * count, count)
    noise = images.reshape(-1, 3)[drawn].reshape(images.shape[1:])
    return np.stack([noise, images.mean(axis=0, dtype=np.float64)]).astype(np.float32)


def strongest_filters(values: Floats, most: int = MOST_FILTERS) -> NDArray[np.intp]:
    """Picks at most so many channels, those that differ most between frames (N, C), in their order."""
    spread = values.std(axis=0, dtype=np.float64)
    return np.sort(np.argsort(-spread, kind="stable")[:most])


def of_filters(
    flat: layering.Flat,
    name: str,
    starts: Floats,
    filters: NDArray[np.intp],
    *,
    steps: int,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Climb:
    """Climbs for filters of a layer, all in one batch.

    The border of the maps is left out while climbing: padding makes responses there that no frame could.

    Args:
        flat: The network.
        name: Of the layer.
        starts: Shape (S, H, W, 3).
        filters: Channels, shape (F,).
        steps: Uphill.
        seed: Of the jitter.
        tick: Called with steps done and their number.

    Returns:
        M = S * F pictures, all filters of the first start first; responses are means over all places.
    """
    model = layering.runner(flat, [name])
    index = tf.constant(np.tile(filters, len(starts)), tf.int64)
    height, width = flat.outputs[name].shape[1:3]
    top, left = (2 if side >= 8 else 0 for side in (height, width))

    def own(images: Any, *, inner: bool) -> Any:
        # Of each picture the channel that it climbs for.
        (found,) = layering.outputs_of(model, images)
        found = found[:, top : height - top, left : width - left] if inner else found
        return tf.gather(tf.reduce_mean(found, axis=(1, 2)), index, batch_dims=1)

    begin = np.repeat(starts, len(filters), axis=0)
    return _climb(own, begin, steps=steps, seed=seed, tick=tick)


def of_modes(
    model: Any,
    starts: Floats,
    modes: int,
    *,
    steps: int,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Climb:
    """Climbs for the logit of each mode, all in one batch; see `of_filters`."""
    index = tf.constant(np.tile(np.arange(modes), len(starts)), tf.int64)

    def own(images: Any, *, inner: bool) -> Any:
        del inner
        return tf.gather(model(images, training=False), index, batch_dims=1)

    return _climb(own, np.repeat(starts, modes, axis=0), steps=steps, seed=seed, tick=tick)


def _climb(
    response: Callable[..., Any],
    start: Floats,
    *,
    steps: int,
    seed: int,
    tick: Callable[[int, int], None],
) -> Climb:
    side = max(1, round(min(start.shape[1:3]) * _JITTER))
    shifts = np.random.default_rng(seed).integers(-side, side + 1, (steps, 2), dtype=np.int32)

    @tf.function  # type: ignore[untyped-decorator]
    def step(pictures: Any, shift: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pictures)
            total = tf.reduce_sum(response(tf.roll(pictures, shift, axis=(1, 2)), inner=True))
        uphill = _unit(tape.gradient(total, pictures))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pictures)
            rough = tf.reduce_sum(tf.image.total_variation(pictures))
        smoother = _unit(tape.gradient(rough, pictures))
        # Where nothing responds there is nothing to climb, and smoothing alone would wipe the picture out.
        moving = tf.cast(tf.reduce_any(uphill != 0, axis=(1, 2, 3), keepdims=True), tf.float32)
        changed = pictures + _STEP * moving * (uphill - _SMOOTHING * smoother)
        return tf.clip_by_value(changed, 0.0, 255.0)

    measure = tf.function(lambda pictures: response(pictures, inner=False))
    pictures = tf.constant(start)
    for n, shift in enumerate(shifts):
        pictures = step(pictures, tf.constant(shift))
        if n % 8 == 0:
            tick(n, steps)
    return Climb(pictures.numpy(), measure(tf.constant(start)).numpy(), measure(pictures).numpy())


def _row(label: str, climb: Climb, strongest: Floats) -> tuple[str, ...]:
    """Sets what was reached, from the better of the two starts, against the strongest real frame."""
    best = climb.end.reshape(2, -1).max(axis=0)
    share = best[strongest > SILENT] / strongest[strongest > SILENT]
    return (
        label,
        str(len(climb.end)),
        f"{int((best > strongest).sum())} of {len(best)}",
        f"{np.median(share):.1f} x" if len(share) else "-",
        str(int((climb.end == climb.start).sum())),
    )


def _arrays(name: str, climb: Climb) -> dict[str, Any]:
    pictures = np.round(climb.pictures).astype(np.uint8)
    return {f"{name}.pictures": pictures, f"{name}.start": climb.start, f"{name}.end": climb.end}


def _unit(gradient: Any) -> Any:
    """Brings each picture's gradient to a root mean square of 1; one that is zero stays so."""
    length = tf.sqrt(tf.reduce_mean(tf.square(gradient), axis=(1, 2, 3), keepdims=True))
    return tf.math.divide_no_nan(gradient, length)


def _shifted(tick: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: tick(before + done, total)


def _modes(subject: Subject, frames: LabelledFrames, climb: Climb, logits: Floats) -> Figure:
    count = len(subject.codes)
    noise, mean = np.round(climb.pictures).astype(np.uint8).reshape(2, count, *climb.pictures.shape[1:])
    ends = climb.end.reshape(2, count)
    strongest = logits.argmax(axis=0)
    rows = ["from noise", "from the\nmean frame", "strongest\nreal frame"]
    # One caption a column holds the three logits: below each tile there is no room.
    columns = [
        f"{code}\n{ends[0, k]:.1f} / {ends[1, k]:.1f} / {logits[strongest[k], k]:.1f}"
        for k, code in enumerate(subject.codes)
    ]
    return grid(
        [list(noise), list(mean), [frames.images[n] for n in strongest]],
        rows=rows,
        columns=columns,
        title="What each mode asks for",
        note="Numbers: the logit from noise / from the mean frame / of the strongest real frame.",
        synthetic=subject.synthetic,
        smooth=True,
    )


def _filters(
    subject: Subject, frames: LabelledFrames, name: str, climb: Climb, filters: NDArray[np.intp], real: Floats
) -> Figure:
    count = len(filters)
    noise, mean = np.round(climb.pictures).astype(np.uint8).reshape(2, count, *climb.pictures.shape[1:])
    strongest = real.argmax(axis=0)
    # Those that differ most between frames; all of them are in the numbers.
    order = np.sort(np.argsort(-real.std(axis=0), kind="stable")[: 2 * _SHOWN])
    tiles: list[list[Any]] = []
    rows: list[str] = []
    for begin in range(0, len(order), _SHOWN):
        part = order[begin : begin + _SHOWN]
        tiles += [[noise[f] for f in part], [mean[f] for f in part], [frames.images[strongest[f]] for f in part]]
        label = f"{filters[part[0]]} to {filters[part[-1]]}" if len(part) > 1 else f"{filters[part[0]]}"
        rows += [f"filters {label}\nfrom noise", "from the\nmean frame", "strongest\nreal frame"]
    shown = ", ".join(map(str, filters[order].tolist()))
    return grid(
        tiles,
        rows=rows,
        title=f"{name}: what its filters ask for",
        subtitle=f"{len(order)} of {count} filters that climbed, in this order: {shown}",
        note="Pixels 0 to 255 as the network takes them.",
        synthetic=subject.synthetic,
        smooth=True,
    )


_MODES_CAPTION = (
    "Each column is a mode, with the logit of the three pictures. The two upper rows are made by gradient ascent and "
    "show no weather; the lowest is the frame with the largest logit of the mode."
)
_FILTERS_CAPTION = (
    "Three rows a block: gradient ascent from noise, from the mean frame, and the real frame with the largest mean "
    "response of the filter. Two starts that end alike show the filter; two that differ show the start."
)
