"""Labelled frames: what they are called, and what is known of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled frame.

    Attributes:
        path: Its file.
        season: The winter it belongs to.
        mode: Code of its mode.
        event: ``season/event``, unique over all seasons; empty where it is not known yet.
        time_utc: ISO 8601, or empty.
        sha256: Of the file, or empty where nobody has read it yet.
        split: The side of the split that a manifest puts it on, or empty.
    """

    path: Path
    season: str
    mode: str
    event: str
    time_utc: str = ""
    sha256: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """Frames in memory, or mapped into it.

    Attributes:
        labels: N labels.
        images: uint8 RGB, shape (N, H, W, 3).
        classes: Index of the mode of each, shape (N,).
    """

    labels: list[Label]
    images: NDArray[np.uint8]
    classes: NDArray[np.int64]

    def events(self) -> NDArray[np.str_]:
        """Gives the event of each frame, shape (N,)."""
        return np.array([label.event for label in self.labels])

    def take(self, chosen: NDArray[np.bool_]) -> LabelledFrames:
        """Gives the frames where `chosen`, shape (N,), is true."""
        labels = [self.labels[n] for n in np.flatnonzero(chosen)]
        return LabelledFrames(labels, self.images[chosen], self.classes[chosen])


def draw_per_mode(labels: list[Label], per_mode: int, seed: int) -> list[Label]:
    """Draws at most `per_mode` frames of each mode at random, in the order they came."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    taken: Counter[str] = Counter()
    chosen = []
    for position in order.tolist():
        mode = labels[position].mode
        if taken[mode] < per_mode:
            taken[mode] += 1
            chosen.append(position)
    return [labels[position] for position in sorted(chosen)]
