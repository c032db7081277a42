"""The data of a run: which frames, of which modes, on which side of the split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar.errors import LabelsError
from radar.modes import SNOWFALL_MODES, Mode
from serving.protocol.contract import InputEntry
from training.data.labelled import Label, LabelledFrames, draw_per_mode
from training.data.loading import load_frames
from training.data.sources import read_labels
from training.data.splits import FLATTERS, SIDES, crossing_events, split
from training.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """The frames of a run, and on which side each is."""

    frames: LabelledFrames
    sides: NDArray[np.str_]
    modes: tuple[Mode, ...]

    def on(self, side: str) -> LabelledFrames:
        """Gives the frames of one side."""
        return self.frames.take(self.sides == side)


def read_data_labels(sources: Sequence[Path], say: Callable[[str], None]) -> tuple[list[Label], tuple[Mode, ...]]:
    """Reads the labels of all sources, and finds out which modes there are.

    Raises:
        LabelsError: They cannot be used, or are all of one mode.
    """
    labels = read_labels(sources, tuple(mode.code for mode in SNOWFALL_MODES), say=say)
    found = {label.mode for label in labels}
    modes = tuple(mode for mode in SNOWFALL_MODES if mode.code in found)
    if len(modes) < 2:
        raise LabelsError(f"Expected frames of at least two modes, received {modes[0].code} alone")
    if absent := [mode.code for mode in SNOWFALL_MODES if mode.code not in found]:
        say(f"Warning: no frames of {', '.join(absent)}; the model will take such weather for one of the others")
    return labels, modes


def load_data(
    recipe: Recipe,
    labels: list[Label],
    modes: Sequence[Mode],
    *,
    seed: int,
    say: Callable[[str], None],
    cache: Path | None = None,
    loaded: Callable[[int, int], None] = lambda *_: None,
) -> Data:
    """Draws, loads and splits frames as a recipe says.

    Raises:
        LabelsError: They cannot be used, or not be split.
    """
    if recipe.data.per_mode:
        sealed = [label for label in labels if label.season in recipe.data.test_seasons]
        others = [label for label in labels if label.season not in recipe.data.test_seasons]
        labels = [*draw_per_mode(others, recipe.data.per_mode, seed), *sealed]
    rule = InputEntry(**recipe.input.model_dump()).frame_rule()
    codes = tuple(mode.code for mode in modes)
    frames = load_frames(labels, codes, rule, say, cache=cache, progress=loaded)
    sides = split(
        frames.labels,
        by=recipe.data.split,
        share=recipe.data.validation_share,
        seed=seed,
        test_seasons=recipe.data.test_seasons,
        guard_hours=recipe.data.guard_hours,
    )
    if recipe.data.split == "frame":
        say(FLATTERS)
    if recipe.data.split == "manifest" and (shared := crossing_events(frames.labels, sides)):
        say(f"Warning: the manifest puts {len(shared)} events on both sides, {shared[0]} for one; scores flatter")
    return Data(frames, sides, tuple(modes))


def describe(data: Data) -> list[str]:
    """Tells how many frames and events of each mode are on each side, as lines of a table."""
    codes = [mode.code for mode in data.modes]
    sides = [side for side in SIDES if side in data.sides]
    lines = [f"{'frames (events)':<16}" + "".join(f"{code:>14}" for code in codes) + f"{'all':>16}"]
    for side in sides:
        mine = [label for label, s in zip(data.frames.labels, data.sides.tolist(), strict=True) if s == side]
        frames = Counter(label.mode for label in mine)
        events = Counter(mode for mode, _ in {(label.mode, label.event) for label in mine})
        cells = [f"{frames[code]:,} ({events[code]:,})" for code in codes]
        whole = f"{len(mine):,} ({len({label.event for label in mine}):,})"
        lines.append(f"{side:<16}" + "".join(f"{cell:>14}" for cell in cells) + f"{whole:>16}")
    return lines
