"""Labelled frames: folders with a `labels.csv`, loaded as one array, split by event."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from radar import frames
from radar.errors import FrameError, LabelsError
from radar.frames import FrameRule
from radar.labels import LABELS_FILE
from radar.labels import read_labels as labels_of

TRAINING, VALIDATION = "training", "validation"


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled frame: its file, mode, event (``season/event``, unique over all folders), time or empty."""

    path: Path
    season: str
    mode: str
    event: str
    time_utc: str = ""


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """Frames in memory.

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


def read_labels(folders: Sequence[Path], codes: Sequence[str]) -> list[Label]:
    """Reads `labels.csv` of each folder: columns file, label and event.

    Args:
        folders: Folders of labelled frames.
        codes: Codes that are allowed.

    Raises:
        LabelsError: A file or column is missing, or a label is unknown.
    """
    labels: list[Label] = []
    for folder in folders:
        table = folder / LABELS_FILE
        if not table.is_file():
            raise LabelsError(f"{table}: expected labelled frames in a folder as `training synth` makes it")
        season = folder.resolve().name
        labels += [
            Label(folder / row.file, season, row.mode, f"{season}/{row.event}", row.time_utc)
            for row in labels_of(table, codes, required=("file", "label", "event"))
        ]
    if not labels:
        raise LabelsError(f"No labelled frames in {', '.join(map(str, folders))}")
    return labels


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


def load_frames(
    labels: list[Label], codes: Sequence[str], rule: FrameRule, report: Callable[[str], None]
) -> LabelledFrames:
    """Loads frames as a model sees them; frames that cannot be read are reported and left out.

    Raises:
        LabelsError: Not one frame could be read, or a mode has none.
    """
    images = np.empty((len(labels), rule.height, rule.width, 3), np.uint8)

    def load(position: int) -> str:
        try:
            images[position] = frames.load(labels[position].path, rule)
        except FrameError as error:
            return f"{labels[position].path} {error}"
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(load, range(len(labels)), chunksize=32))
    good = [position for position, error in enumerate(errors) if not error]
    for error in filter(None, errors):
        report(f"Left out: {error}")
    kept = [labels[position] for position in good]
    absent = [code for code in codes if code not in {label.mode for label in kept}]
    if absent:
        raise LabelsError(f"Expected frames of every mode; none could be used of {', '.join(absent)}")
    classes = np.array([codes.index(label.mode) for label in kept], np.int64)
    return LabelledFrames(kept, images[good] if len(good) < len(labels) else images, classes)


def split(data: LabelledFrames, *, by: str, share: float, seed: int) -> NDArray[np.bool_]:
    """Chooses validation frames.

    Args:
        data: Labelled frames.
        by: ``event`` (whole events, shares of the modes kept as well as events allow) or ``frame`` (single frames).
        share: Share of validation frames, met exactly by ``frame`` and nearly by ``event``.
        seed: Of the draw.

    Returns:
        True where a frame validates, shape (N,).

    Raises:
        LabelsError: Too few events to have every mode on both sides.
    """
    chosen = np.zeros(len(data.labels), bool)
    if by == "frame":
        try:
            _, held_out = train_test_split(
                np.arange(len(chosen)), test_size=share, stratify=data.classes, random_state=seed
            )
        except ValueError as error:
            raise LabelsError(
                f"Too few frames for a split by frame with every mode on both sides: {error}"
            ) from error
        chosen[held_out] = True
        return chosen
    folds = max(2, round(1 / share))
    events = data.events()
    for k in np.unique(data.classes):
        count = len(np.unique(events[data.classes == k]))
        if count < 2:
            mode = data.labels[int(np.argmax(data.classes == k))].mode
            raise LabelsError(
                f"A split by event needs at least 2 events of each mode; {mode} has {count}. Give more frames, or "
                "--set data.split=frame (its scores flatter)"
            )
    best, best_distance = chosen, np.inf
    # Events differ in length, so some folds are lopsided: the one whose modes are shared out best is taken.
    whole = np.bincount(data.classes) / len(chosen)
    for kept, held_out in _folds(data, events, folds, seed):
        shares = np.bincount(data.classes[held_out], minlength=len(whole)) / max(len(held_out), 1)
        distance = float(np.abs(shares - whole).sum() + abs(len(held_out) / len(chosen) - share))
        on_both_sides = set(data.classes[kept]) == set(data.classes[held_out]) == set(data.classes)
        if on_both_sides and distance < best_distance:
            best = np.zeros_like(chosen)
            best[held_out] = True
            best_distance = distance
    if not best.any():
        raise LabelsError("No split by event leaves every mode on both sides; give more events of the rare modes")
    return best


def _folds(
    data: LabelledFrames, events: NDArray[np.str_], folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Modes with fewer frames than folds are missing from some; those folds are not taken.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return list(splitter.split(data.images[:, 0, 0, 0], data.classes, events))
        except ValueError:  # fewer frames of each mode than folds
            return []


def manifest(data: LabelledFrames, validation: NDArray[np.bool_]) -> str:
    """Lists what a run was trained on, as CSV: season, file, sha256 of the pixels, label, event, split."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("season", "file", "sha256", "label", "event", "split"))
    for label, image, held_out in zip(data.labels, data.images, validation.tolist(), strict=True):
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        side = VALIDATION if held_out else TRAINING
        writer.writerow((label.season, label.path.name, digest, label.mode, label.event, side))
    return text.getvalue()
