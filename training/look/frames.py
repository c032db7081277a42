"""The frames that are looked at: some of each mode, drawn with a seed, as the model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from radar import frames
from training.data import manifest
from training.data.labelled import Label, LabelledFrames
from training.data.loading import read_all
from training.data.manifest import MANIFEST_FILE
from training.data.sources import read_labels
from training.data.splits import TRAINING
from training.look.errors import LookError
from training.look.subject import Subject


def choose(
    subject: Subject,
    sources: Sequence[Path],
    count: int,
    *,
    seed: int,
    say: Callable[[str], None],
    tick: Callable[[int, int], None] = lambda *_: None,
) -> LabelledFrames:
    """Chooses and loads frames: as many of each mode as there can be, over as many events as there are.

    Args:
        subject: Whose input they become.
        sources: Labelled folders or manifests; without any, the frames that the run held out.
        count: At most so many frames.
        seed: Of the draw.
        say: Told of frames that are left out.
        tick: Called with the frames loaded and their number.

    Raises:
        LookError: There are no frames, or not one of them can be read.
        LabelsError: A table of labels cannot be used.
    """
    labels = draw(_labels(subject, sources, say), subject.codes, count, seed)
    if not labels:
        raise LookError(f"Expected frames of {', '.join(subject.codes)}; there is none to look at")
    rule = subject.rule
    images = np.zeros((len(labels), rule.height, rule.width, 3), np.uint8)

    def load(n: int, data: bytes) -> None:
        images[n] = frames.prepare(frames.decode(data, no_echo=rule.no_echo, max_pixels=rule.max_pixels), rule)

    _, errors = read_all([label.path for label in labels], load, tick)
    for label, problem in zip(labels, errors, strict=True):
        if problem:
            say(f"Left out: {label.path} {problem}")
    good = [n for n, problem in enumerate(errors) if not problem]
    if not good:
        raise LookError(
            f"Not one of {len(labels)} frames can be read, such as {labels[0].path}; if they were moved, name their "
            "folder with --frames"
        )
    classes = np.array([subject.codes.index(labels[n].mode) for n in good], np.int64)
    return LabelledFrames([labels[n] for n in good], images[good], classes)


def draw(labels: Sequence[Label], codes: Sequence[str], count: int, seed: int) -> list[Label]:
    """Draws frames: in turn one of each mode, and of a mode in turn one of each event.

    Frames of one event are near copies: ten of them show less than one of each of ten events.

    Args:
        labels: All there are.
        codes: Modes to draw from.
        count: At most so many.
        seed: Of the draw.

    Returns:
        The frames, in the order they came.
    """
    rng = np.random.default_rng(seed)
    queues = []
    for code in codes:
        of_mode = [n for n in rng.permutation(len(labels)).tolist() if labels[n].mode == code]
        turns: dict[str, int] = {}
        ranked: list[tuple[int, int, int]] = []
        for n in of_mode:
            turn = turns[labels[n].event] = turns.get(labels[n].event, -1) + 1
            ranked.append((turn, len(ranked), n))
        queues.append([n for *_, n in sorted(ranked)])
    chosen: list[int] = []
    for turn in range(max((len(queue) for queue in queues), default=0)):
        chosen += [queue[turn] for queue in queues if turn < len(queue)]
    return [labels[n] for n in sorted(chosen[:count])]


def _labels(subject: Subject, sources: Sequence[Path], say: Callable[[str], None]) -> list[Label]:
    if sources:
        return read_labels(sources, subject.codes, say=say)
    path = subject.source / MANIFEST_FILE
    if not path.is_file():
        raise LookError(
            f"{subject.source}: expected a {MANIFEST_FILE} of the frames it was trained with; there is none: name "
            "labelled frames with --frames FOLDER"
        )
    held_out = [label for label in manifest.read(path, subject.codes) if label.split != TRAINING]
    if not held_out:
        raise LookError(f"{path}: lists no frames that were held out; name labelled frames with --frames FOLDER")
    return held_out
