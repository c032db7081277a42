"""Several networks on the same frames: where they agree, and what each of them looks at.

From scratch or transferred, old or new: two networks with one score may have learned two different things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.frame_pictures import read_picture, undecorated
from radar.frames import decode, prepare
from radar.heat_map_pictures import fit, overlay
from radar.verification.overall import heidke_skill_score
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style
from radar.verification.report_tables import Table
from training.data.labelled import LabelledFrames
from training.data.loading import read_all
from training.look.errors import LookError
from training.look.explainer import Explainer, enlarge
from training.look.files import save_figure, save_numbers
from training.look.part import Part, Picture
from training.look.statistics import spearman
from training.look.subject import Subject

SHOWN = 6
_SIDE = 200


@dataclass(frozen=True, slots=True)
class Compared:
    """What M networks say of N frames.

    Attributes:
        probabilities: Calibrated, shape (M, N, K).
        agreement: Share of the frames that two networks call the same, shape (M, M), 0 to 1.
        kappa: The same beyond chance (Cohen's kappa), shape (M, M), at most 1; NaN where chance alone would do it.
        likeness: Median rank correlation of the Grad-CAM maps of two networks over frames that they call the same,
            shape (M, M), -1 to 1; NaN where there are none.
        counts: Over how many frames, shape (M, M).
    """

    probabilities: NDArray[np.float64]
    agreement: NDArray[np.float64]
    kappa: NDArray[np.float64]
    likeness: NDArray[np.float64]
    counts: NDArray[np.int64]


def compare(
    probabilities: NDArray[np.floating], maps: Sequence[NDArray[np.floating] | None], *, modes: int
) -> Compared:
    """Compares what networks say.

    Args:
        probabilities: Shape (M, N, K).
        maps: Of each network the Grad-CAM of the mode it calls a frame, shape (N, h, w), of any size; None where a
            network has none.
        modes: K.
    """
    called = np.asarray(probabilities).argmax(axis=2)
    number = len(called)
    agreement, kappa, likeness = (np.full((number, number), np.nan) for _ in range(3))
    counts = np.zeros((number, number), np.int64)
    shapes = [field.shape[1:] for field in maps if field is not None]
    size = tuple(max(shape[axis] for shape in shapes) for axis in range(2)) if shapes else ()
    large = [None if field is None else enlarge(field, size) for field in maps]
    for a in range(number):
        for b in range(number):
            table = np.bincount(called[a] * modes + called[b], minlength=modes**2).reshape(modes, modes)
            agreement[a, b] = np.trace(table) / max(table.sum(), 1)
            kappa[a, b] = heidke_skill_score(table)
            first, second = large[a], large[b]
            same = called[a] == called[b]
            if first is not None and second is not None and same.any():
                found = spearman(first[same], second[same])
                counts[a, b] = int((~np.isnan(found)).sum())
                likeness[a, b] = np.median(found[~np.isnan(found)]) if counts[a, b] else np.nan
    return Compared(np.asarray(probabilities, np.float64), agreement, kappa, likeness, counts)


def most_disputed(probabilities: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Chooses the frames that the networks disagree on most.

    Disagreement is the entropy of the mean less the mean entropy (the Jensen-Shannon divergence), in nats.

    Args:
        probabilities: Shape (M, N, K).
        count: At most so many.

    Returns:
        Their indices, the most disputed first.
    """
    table = np.asarray(probabilities, np.float64)
    divergence = _entropy(table.mean(axis=0)) - _entropy(table).mean(axis=0)
    return np.argsort(-divergence, kind="stable")[:count].astype(np.int64)


def draw_frames(
    subjects: Sequence[Subject],
    frames: LabelledFrames,
    chosen: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    maps: Sequence[NDArray[np.floating] | None],
) -> Figure:
    """Draws frames in rows, and in a column a network what it looks at.

    Args:
        subjects: M networks.
        frames: N of them.
        chosen: Which to draw.
        probabilities: Shape (M, N, K).
        maps: See `compare`.
    """
    codes = subjects[0].codes
    colors = {mode.code: mode.color for mode in subjects[0].modes}
    with style():
        figure = Figure(figsize=(1.9 * (len(subjects) + 1) + 0.3, 2.05 * len(chosen) + 0.9), layout="constrained")
        grid = figure.subplots(len(chosen), len(subjects) + 1, squeeze=False)
        for row, n in zip(grid, chosen.tolist(), strict=True):
            label = frames.labels[n]
            picture = fit(
                undecorated(read_picture(label.path, subjects[0].rule), subjects[0].rule), _SIDE // 2, _SIDE
            )
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            row[0].imshow(picture)
            row[0].set_title(f"observed {label.mode}", fontsize=7, pad=2)
            row[0].set_xlabel(label.time_utc[:16].replace("T", " ") or label.path.name, fontsize=5.5, labelpad=2)
            borders = [colors.get(label.mode, "0.3")]
            for m, axes in enumerate(row[1:]):
                k = int(probabilities[m, n].argmax())
                field = maps[m]
                peak = 0.0 if field is None else float(field[n].max())
                axes.imshow(overlay(grey, np.zeros((1, 1)) if field is None else field[n], peak))
                axes.set_title(f"{codes[k]}  p = {probabilities[m, n, k]:.2f}", fontsize=7, pad=2)
                borders.append(colors[codes[k]])
            for axes, color in zip(row, borders, strict=True):
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(visible=True, color=color, linewidth=1.4)
        for axes, subject in zip(grid[0, 1:], subjects, strict=True):
            axes.annotate(
                f"{subject.recipe.name}\n{subject.name}",
                (0.5, 1.22),
                xycoords="axes fraction",
                ha="center",
                fontsize=6,
                fontweight="bold",
            )
        figure.suptitle("Most disputed frames", x=0.01, ha="left", fontweight="bold")
        note = "Grad-CAM of the mode that each calls it, each map on its own scale."
        synthetic = any(subject.synthetic for subject in subjects)
        figure.supxlabel(f"{note} {SYNTHETIC_NOTE}" if synthetic else note, x=0.01, ha="left", wrap=True, **CREDIT)
    return figure


def draw_agreement(found: Compared, names: Sequence[str]) -> Figure:
    """Draws agreement of the answers, and likeness of the maps, of every pair of networks."""
    number = len(names)
    with style():
        figure = Figure(figsize=(2 * (1.1 * number + 2.2), 1.0 * number + 2.0), layout="constrained")
        tables = ((found.agreement, "same answer"), (found.likeness, "likeness of the maps"))
        for axes, (values, title) in zip(figure.subplots(1, 2), tables, strict=True):
            axes.imshow(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1)
            for a, b in np.ndindex(number, number):
                text = "-" if np.isnan(values[a, b]) else f"{values[a, b]:.2f}"
                color = "white" if values[a, b] > 0.55 else "black"
                axes.text(b, a, text, ha="center", va="center", color=color)
            axes.set_xticks(range(number), names, rotation=30, ha="right", fontsize=7)
            axes.set_yticks(range(number), names, fontsize=7)
            axes.set_title(title, loc="left")
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
    return figure


def look(
    subjects: Sequence[Subject],
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Compares two or more networks; the frames are those of the first.

    Args:
        subjects: The networks; each sees the frames as it was trained to.
        frames: What they are compared on.
        out: Folder of the part.
        seed: Changes nothing: nothing is drawn at random.
        tick: Called with what is done and how much there is.

    Raises:
        LookError: Fewer than two networks, or networks of different modes.
    """
    check(subjects)
    total = len(subjects) + 2
    tables, maps = [], []
    for n, subject in enumerate(subjects):
        images = frames.images if n == 0 else _as_seen_by(subject, frames)
        tables.append(subject.probabilities(images))
        maps.append(_maps(subject, images, tables[-1].argmax(axis=1)))
        tick(n + 1, total)
    probabilities = np.stack(tables)
    found = compare(probabilities, maps, modes=len(subjects[0].codes))
    chosen = most_disputed(probabilities, SHOWN)
    names = _names(subjects)
    save_figure(draw_agreement(found, names), out / "agreement.png")
    save_figure(draw_frames(subjects, frames, chosen, probabilities, maps), out / "disputed.png")
    tick(total - 1, total)
    save_numbers(
        out / "compare.npz",
        network=[subject.name for subject in subjects],
        probabilities=probabilities,
        observed=frames.classes,
        frame=[label.path.name for label in frames.labels],
        event=frames.events(),
        agreement=found.agreement,
        kappa=found.kappa,
        likeness=found.likeness,
        disputed=chosen,
    )
    tick(total, total)
    count = len(frames.labels)
    all_same = float((probabilities.argmax(axis=2) == probabilities.argmax(axis=2)[0]).all(axis=0).mean())
    off = ~np.eye(len(subjects), dtype=bool)
    alike = found.likeness[off & ~np.isnan(found.likeness)]
    maps_say = (
        f"; where two agree, their maps have a median rank correlation of {alike.mean():.2f}" if alike.size else ""
    )
    return Part(
        "compare",
        "Several networks",
        f"{_all(len(subjects))} networks give one answer for {all_same:.0%} of {count:,} frames{maps_say}.",
        paragraphs=(
            "The same frames through several networks. Where they answer alike for reasons that look different, "
            "one of them may be right by luck; where they disagree, the frame is worth a second look.",
        ),
        warnings=(
            "The frames may have trained one of the networks and not the other: to tell which is better, use "
            "`training compare`, which scores what all of them held out.",
        ),
        pictures=(
            Picture("agreement.png", _AGREEMENT.format(n=count), "Agreement of the networks"),
            Picture("disputed.png", _DISPUTED.format(shown=len(chosen), n=count), "Frames they disagree on"),
        ),
        tables=(_table(subjects, names, frames, found),),
        numbers="compare.npz",
    )


def check(subjects: Sequence[Subject]) -> None:
    """Raises LookError if networks cannot be compared; costs nothing, so it comes before the frames."""
    if len(subjects) < 2:
        raise LookError(f"Expected two or more networks to compare, received {len(subjects)}")
    first = subjects[0]
    for other in subjects[1:]:
        if other.codes != first.codes:
            raise LookError(
                f"Expected networks of the same modes; {first.name} knows {', '.join(first.codes)}, {other.name} "
                f"{', '.join(other.codes)}"
            )


def _as_seen_by(subject: Subject, frames: LabelledFrames) -> NDArray[np.uint8]:
    rule = subject.rule
    images = np.zeros((len(frames.labels), rule.height, rule.width, 3), np.uint8)

    def load(n: int, data: bytes) -> None:
        images[n] = prepare(decode(data, no_echo=rule.no_echo, max_pixels=rule.max_pixels), rule)

    _, errors = read_all([label.path for label in frames.labels], load)
    for label, problem in zip(frames.labels, errors, strict=True):
        if problem:
            raise LookError(
                f"{subject.name} cannot use a frame that another network could: {label.path} {problem}; compare on "
                "frames that all of them can use"
            )
    return images


def _maps(subject: Subject, images: NDArray[np.uint8], called: NDArray[np.integer]) -> NDArray[np.floating] | None:
    explainer = Explainer(subject.network, subject.rule.no_echo)
    if explainer.undefined("gradcam"):
        return None
    maps: NDArray[np.floating] = explainer.cams(images).gradcam[np.arange(len(images)), called]
    return maps


def _names(subjects: Sequence[Subject]) -> list[str]:
    recipes = [subject.recipe.name for subject in subjects]
    if len(set(recipes)) == len(recipes):
        return recipes
    return [f"{number}: {name}" for number, name in enumerate(recipes, start=1)]


def _table(subjects: Sequence[Subject], names: Sequence[str], frames: LabelledFrames, found: Compared) -> Table:
    called = found.probabilities.argmax(axis=2)
    rows: list[tuple[str, ...]] = [
        ("", "run or version", "architecture", "weights", "input", "right", "mean largest probability")
    ]
    for name, subject, answers, table in zip(names, subjects, called, found.probabilities, strict=True):
        size = subject.card.input
        rows.append(
            (
                name,
                subject.name,
                subject.recipe.architecture,
                f"{subject.network.model.count_params():,}",
                f"{size.height} x {size.width}",
                f"{(answers == frames.classes).mean():.1%}",
                f"{table.max(axis=1).mean():.2f}",
            )
        )
    note = (
        f"Of {len(frames.labels):,} frames, of all modes alike; no score: they may have trained some of the networks."
    )
    return Table("The networks", tuple(rows), note)


def _entropy(table: NDArray[np.float64]) -> Any:
    return -(table * np.log(np.maximum(table, 1e-300))).sum(axis=-1)


_AGREEMENT = (
    "Left: share of n = {n} frames that two networks call the same. Right: median rank correlation of their "
    "Grad-CAM maps over those frames, at the larger of the two resolutions."
)
_DISPUTED = (
    "The {shown} of n = {n} frames on which the probabilities differ most (Jensen-Shannon divergence). Colour "
    "of the borders: the mode."
)


def _all(number: int) -> str:
    return "Both" if number == 2 else f"All {number}"
