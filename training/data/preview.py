"""Contact sheets of labelled frames: a page a mode, so that a person can see what the labels say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure

from radar import frames
from radar.errors import FrameError
from radar.modes import SNOWFALL_MODES
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE
from training.data.labelled import Label

COLUMNS = 8

_Item = TypeVar("_Item")


def contact_sheets(labels: Sequence[Label], out: Path, *, rows: int = 6, synthetic: bool = False) -> Iterator[Path]:
    """Draws a contact sheet for each mode, events spread evenly over the page.

    Args:
        labels: The frames, with events.
        out: Folder for the pictures, made if need be.
        rows: Rows of eight frames.
        synthetic: Whether a computer made the frames.

    Yields:
        Each picture when it is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for mode in SNOWFALL_MODES:
        mine = [label for label in labels if label.mode == mode.code]
        if not mine:
            continue
        chosen = spread(mine, rows * COLUMNS)
        height = -(-len(chosen) // COLUMNS)
        figure = Figure(figsize=(1.42 * COLUMNS, 1.62 * height + 0.75), layout="constrained", dpi=130)
        events = len({label.event for label in mine})
        figure.suptitle(
            f"{mode.code}, {mode.name_en}: {len(mine):,} frames of {events:,} events, {len(chosen)} of them here",
            x=0.01,
            ha="left",
            fontweight="bold",
            color=mode.color if mode.code != "NO" else "0.35",
        )
        grid = figure.subplots(height, COLUMNS, squeeze=False).ravel()
        for axes in grid:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        last = ""
        for axes, label in zip(grid, chosen, strict=False):
            _draw(axes, label)
            axes.spines[:].set(visible=True, color=mode.color, linewidth=2.4 if label.event != last else 0.6)
            last = label.event
        note = "A thick frame begins another event. Times in UTC."
        figure.supxlabel(f"{note} {SYNTHETIC_NOTE}" if synthetic else note, x=0.01, ha="left", **CREDIT)
        path = out / f"{mode.code}.png"
        figure.savefig(path)
        yield path


def spread(labels: Sequence[Label], count: int) -> list[Label]:
    """Chooses labels: from as many events as there is room for, each with about as many frames, in order of time."""
    events: dict[str, list[Label]] = {}
    for label in sorted(labels, key=lambda label: (label.season, label.time_utc, label.event, label.path.name)):
        events.setdefault(label.event, []).append(label)
    shown = _evenly(list(events.values()), count)
    share = max(1, count // len(shown))
    return [label for event in shown for label in _evenly(event, share)][:count]


def _evenly(items: list[_Item], count: int) -> list[_Item]:
    if len(items) <= count:
        return items
    return [items[int(n)] for n in np.linspace(0, len(items) - 1, count).round()]


def _draw(axes: Any, label: Label) -> None:
    stamp = label.time_utc[:16].replace("T", " ") or label.path.name[-18:]
    axes.set_title(stamp, fontsize=6, pad=2)
    try:
        axes.imshow(frames.decode(frames.read(label.path)))
    except FrameError as error:
        axes.text(0.5, 0.5, f"{label.path.name}\n{error}", ha="center", va="center", fontsize=5, wrap=True)
