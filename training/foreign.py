"""Foreign frames: does a model know when it does not know?

Pictures that are none of the weather a model was trained on (another radar, another season, another sea) still get
probabilities. The rejection threshold is meant to turn them away while it keeps the known weather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import frames
from radar.archive import scan
from radar.errors import FrameError
from radar.frames import FrameRule
from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Foreign:
    """What became of the frames of a foreign folder.

    Attributes:
        name: Of the folder.
        frames: How many could be read.
        rejected: Share that was not accepted, 0 to 1; the more the better.
        predicted: How many were called each mode, shape (K,).
        confidence: Median of the largest probability.
    """

    name: str
    frames: int
    rejected: float
    predicted: NDArray[np.int64]
    confidence: float


def load_folder(folder: Path, rule: FrameRule) -> NDArray[np.uint8]:
    """Loads every frame of a folder, subfolders included, as a model sees them: shape (N, H, W, 3).

    Raises:
        TrainingError: Not one can be read.
        ArchiveError: There is no such folder.
    """
    images, problem = [], "it holds no frames"
    for name in scan(folder, recursive=True).names:
        try:
            images.append(frames.load(folder / name, rule))
        except FrameError as error:
            problem = f"{name} {error}"
    if not images:
        raise TrainingError(f"--foreign {folder}: expected frames that can be read; {problem}")
    return np.stack(images)


def reject(
    folders: Sequence[Path],
    rule: FrameRule,
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    threshold: float,
) -> list[Foreign]:
    """Classifies foreign frames and counts which are turned away.

    Args:
        folders: A kind of foreign frames each.
        rule: Of the model's input.
        probabilities: Of images (N, H, W, 3): calibrated, shape (N, K).
        threshold: Of the largest probability.

    Raises:
        TrainingError: Not one frame of a folder can be read.
        ArchiveError: There is no such folder.
    """
    found = []
    for folder in folders:
        table = probabilities(load_folder(folder, rule))
        winners = table.max(axis=1)
        found.append(
            Foreign(
                name=folder.resolve().name,
                frames=len(table),
                rejected=float((winners < threshold).mean()),
                predicted=np.bincount(table.argmax(axis=1), minlength=table.shape[1]),
                confidence=float(np.median(winners)),
            )
        )
    return found
