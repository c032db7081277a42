"""Wrong and doubtful frames, each with what the network saw in it and the training frames it is most like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar.errors import FrameError
from radar.frame_pictures import read_picture, undecorated
from radar.heat_map_pictures import fit, overlay
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style
from radar.verification.report_tables import Table
from training.data.labelled import Label, LabelledFrames
from training.look.explainer import Explainer
from training.look.files import save_figure, save_numbers
from training.look.neighbours import nearest
from training.look.part import Part, Picture
from training.look.subject import Subject
from training.look.trained_on import training_frames

SHOWN = 8
NEIGHBOURS = 3
_SIDE = 200  # pixels of a picture's longer side


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One frame of the gallery.

    Attributes:
        label: What is known of it.
        observed: Index of its mode.
        probabilities: Shape (K,), calibrated.
        maps: Grad-CAM of every mode, shape (K, h, w), logit units; None where there is none.
        neighbours: Nearest training frames.
        distances: One minus the cosine of the features, for each of them.
    """

    label: Label
    observed: int
    probabilities: NDArray[np.float64]
    maps: NDArray[np.floating] | None
    neighbours: tuple[Label, ...]
    distances: tuple[float, ...]


def misclassified(
    table: NDArray[np.floating], classes: NDArray[np.integer], events: NDArray[np.str_], count: int
) -> NDArray[np.int64]:
    """Chooses misclassified frames, the surest first, one of each event as long as there are events.

    Args:
        table: Probabilities, shape (N, K).
        classes: Observed modes, shape (N,).
        events: Shape (N,).
        count: At most so many.

    Returns:
        Their indices.
    """
    wrong = np.flatnonzero(table.argmax(axis=1) != classes)
    surest = wrong[np.argsort(-table[wrong].max(axis=1), kind="stable")]
    return _one_of_each(surest, events, count)


def least_certain(table: NDArray[np.floating], events: NDArray[np.str_], count: int) -> NDArray[np.int64]:
    """Chooses the frames whose two largest probabilities are closest, one of each event as long as there are events.

    Args:
        table: Probabilities, shape (N, K).
        events: Shape (N,).
        count: At most so many.

    Returns:
        Their indices, the most doubtful first.
    """
    two = np.sort(table, axis=1)[:, -2:]
    return _one_of_each(np.argsort(two[:, 1] - two[:, 0], kind="stable"), events, count)


def draw(exhibits: Sequence[Exhibit], subject: Subject, *, title: str) -> Figure:
    """Draws frames in rows: frame, two heat maps, probabilities, nearest training frames.

    Args:
        exhibits: One or more.
        subject: The network.
        title: What they have in common.
    """
    maps = exhibits[0].maps is not None
    near = max(len(exhibit.neighbours) for exhibit in exhibits)
    columns = 2 + 2 * maps + near
    with style():
        figure = Figure(figsize=(1.62 * columns + 0.5, 1.92 * len(exhibits) + 0.8), layout="constrained")
        grid = figure.subplots(len(exhibits), columns, squeeze=False)
        for axes, exhibit in zip(grid, exhibits, strict=True):
            _row(axes, exhibit, subject, maps=maps)
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        note = "d: one minus the cosine of the features, 0 is the same direction."
        if maps:
            note = f"Grad-CAM of the logit, both on the scale of the frame's largest value. {note}"
        figure.supxlabel(f"{note} {SYNTHETIC_NOTE}" if subject.synthetic else note, x=0.01, ha="left", **CREDIT)
    return figure


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Finds and draws them. See `training.look.techniques.run`."""
    table = subject.probabilities(frames.images)
    predicted, events = table.argmax(axis=1), frames.events()
    wrong = misclassified(table, frames.classes, events, SHOWN)
    doubtful = least_certain(table, events, SHOWN)
    tick(1, 5)
    reference, problem = training_frames(subject, exclude=frames.labels, seed=seed)
    chosen = np.concatenate([wrong, doubtful])
    exhibits = _exhibits(subject, frames, table, chosen, reference)
    tick(2, 5)
    pictures = []
    count, total = int((predicted != frames.classes).sum()), len(frames.labels)
    parts = (
        ("wrong", exhibits[: len(wrong)], f"Misclassified, the surest first: {len(wrong)} of {count}"),
        ("doubtful", exhibits[len(wrong) :], f"Least certain: {len(doubtful)} of {total:,}"),
    )
    for n, (name, shown, title) in enumerate(parts):
        if shown:
            save_figure(draw(shown, subject, title=title), out / f"{name}.png")
            caption = f"{title} frames, one of each event as far as there are events. n = {total:,} frames looked at."
            pictures.append(Picture(f"{name}.png", caption, title))
        tick(3 + n, 5)
    save_numbers(
        out / "gallery.npz",
        probabilities=table,
        observed=frames.classes,
        predicted=predicted,
        frame=[label.path.name for label in frames.labels],
        event=events,
        wrong=wrong,
        doubtful=doubtful,
    )
    tick(5, 5)
    accepted = table.max(axis=1) >= subject.card.rejection_threshold
    sure = int((accepted & (predicted != frames.classes)).sum())
    return Part(
        "gallery",
        "Wrong and doubtful frames",
        f"{count} of {total:,} frames are misclassified ({count / total:.0%}); in {sure} of them the most probable "
        f"mode reaches the model's threshold ({subject.card.rejection_threshold:.2f}).",
        paragraphs=(
            "What is wrong with certainty is worth more than any score: a wrong label, a kind of weather that "
            "training never saw, or a habit of the network. The nearest training frames tell which: if they look "
            "like the frame and carry the mode it was called, look at the labels first.",
        ),
        warnings=(problem,) if problem else (),
        pictures=tuple(pictures),
        tables=_tables(frames, table, wrong, subject.codes),
        numbers="gallery.npz",
    )


def _one_of_each(order: NDArray[np.int64], events: NDArray[np.str_], count: int) -> NDArray[np.int64]:
    first = np.zeros(len(order), bool)
    if len(order):
        first[np.unique(events[order], return_index=True)[1]] = True
    return np.concatenate([order[first], order[~first]])[:count]


def _exhibits(
    subject: Subject,
    frames: LabelledFrames,
    table: NDArray[np.float64],
    chosen: NDArray[np.int64],
    reference: LabelledFrames | None,
) -> list[Exhibit]:
    if not len(chosen):
        return []
    images = frames.images[chosen]
    explainer = Explainer(subject.network, subject.rule.no_echo)
    maps = None if explainer.undefined("gradcam") else explainer.cams(images).gradcam
    found = apart = None
    if reference is not None:
        found, apart = nearest(subject.features(images), subject.features(reference.images), NEIGHBOURS)
    return [
        Exhibit(
            frames.labels[n],
            int(frames.classes[n]),
            table[n],
            None if maps is None else maps[row],
            () if reference is None or found is None else tuple(reference.labels[m] for m in found[row]),
            () if apart is None else tuple(apart[row].tolist()),
        )
        for row, n in enumerate(chosen.tolist())
    ]


def _row(axes: NDArray[np.object_], exhibit: Exhibit, subject: Subject, *, maps: bool) -> None:
    cells: list[Axes] = list(axes)
    colors = {mode.code: mode.color for mode in subject.modes}
    order = np.argsort(-exhibit.probabilities)
    called = int(order[0])
    other = exhibit.observed if exhibit.observed != called else int(order[1])
    picture = _picture(exhibit.label, subject)
    _show(
        cells.pop(0), picture, f"observed {subject.codes[exhibit.observed]}", colors[subject.codes[exhibit.observed]]
    )
    cells_of_row = axes[0]
    cells_of_row.set_xlabel(_caption(exhibit.label), fontsize=5.5, color="0.4", labelpad=2)
    if maps and exhibit.maps is not None:
        peak = float(exhibit.maps.max())
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for k, verb in ((called, "called"), (other, "evidence for")):
            code = subject.codes[k]
            _show(cells.pop(0), overlay(grey, exhibit.maps[k], peak), f"{verb} {code}", colors[code])
    _bars(cells.pop(0), exhibit, subject)
    for label, apart in zip(exhibit.neighbours, exhibit.distances, strict=True):
        cell = cells.pop(0)
        _show(
            cell, _picture(label, subject), f"trained as {label.mode}  d {apart:.3f}", colors.get(label.mode, "0.3")
        )
        cell.set_xlabel(_caption(label), fontsize=5.5, color="0.4", labelpad=2)
    for cell in cells:
        cell.axis("off")


def _show(axes: Axes, picture: NDArray[np.uint8], title: str, color: str) -> None:
    axes.imshow(picture)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=6.5, pad=2, color="black")
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=1.4)


def _bars(axes: Axes, exhibit: Exhibit, subject: Subject) -> None:
    places = np.arange(len(subject.codes))[::-1]
    axes.barh(places, exhibit.probabilities, color=[mode.color for mode in subject.modes], height=0.7)
    for place, p, code in zip(places, exhibit.probabilities, subject.codes, strict=True):
        bold = "bold" if code == subject.codes[exhibit.observed] else "normal"
        axes.text(-0.04, place, code, ha="right", va="center", fontsize=6.5, fontweight=bold)
        axes.text(p + 0.03, place, f"{p:.2f}", va="center", fontsize=6)
    axes.set(xlim=(-0.25, 1.25), xticks=[], yticks=[])
    axes.set_title("probability", fontsize=6.5, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _picture(label: Label, subject: Subject) -> NDArray[np.uint8]:
    """Gives a frame for the eye, at its own resolution; a grey one if it has gone since."""
    try:
        whole = undecorated(read_picture(label.path, subject.rule), subject.rule)
    except FrameError:
        return np.full((_SIDE, _SIDE, 3), 200, np.uint8)
    return fit(whole, _SIDE // 2, _SIDE)


def _caption(label: Label) -> str:
    when = label.time_utc[:16].replace("T", " ") or label.path.name
    return f"{when}  {label.event.removeprefix(f'{label.season}/')}"


def _tables(
    frames: LabelledFrames, table: NDArray[np.float64], wrong: NDArray[np.int64], codes: Sequence[str]
) -> tuple[Table, ...]:
    if not len(wrong):
        return ()
    rows = [("frame", "time (UTC)", "event", "observed", "called", "probability")]
    for n in wrong.tolist():
        label, k = frames.labels[n], int(table[n].argmax())
        time = label.time_utc[:16].replace("T", " ") or "-"
        rows.append((label.path.name, time, label.event, label.mode, codes[k], f"{table[n, k]:.2f}"))
    return (Table("Misclassified", tuple(rows)),)
