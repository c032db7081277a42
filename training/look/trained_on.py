"""The frames that a network was trained on, as far as they are still where they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radar import frames
from radar.errors import LabelsError
from training.data import manifest
from training.data.labelled import Label, LabelledFrames
from training.data.loading import read_all
from training.data.manifest import MANIFEST_FILE
from training.data.splits import TRAINING
from training.look.frames import draw
from training.look.subject import Subject

MOST = 600


def training_frames(
    subject: Subject, *, exclude: Sequence[Label] = (), most: int = MOST, seed: int
) -> tuple[LabelledFrames | None, str]:
    """Loads frames that the network was trained on, of all modes and events alike.

    Args:
        subject: The network.
        exclude: Frames that are looked at: none is its own neighbour.
        most: At most so many.
        seed: Of the draw.

    Returns:
        The frames, or None; and what a reader has to know, or an empty text.
    """
    path = subject.source / MANIFEST_FILE
    if not path.is_file():
        return None, f"The training frames are not known here ({path.name} is missing): name the folder of the run."
    try:
        listed = [label for label in manifest.read(path, subject.codes) if label.split == TRAINING]
    except LabelsError as error:
        return None, f"The training frames are not known: {error}"
    looked_at = {(label.season, label.path.name) for label in exclude}
    labels = [label for label in listed if (label.season, label.path.name) not in looked_at]
    labels = draw(labels, subject.codes, most, seed)
    rule = subject.rule
    images = np.zeros((len(labels), rule.height, rule.width, 3), np.uint8)

    def load(n: int, data: bytes) -> None:
        images[n] = frames.prepare(frames.decode(data, no_echo=rule.no_echo, max_pixels=rule.max_pixels), rule)

    _, errors = read_all([label.path for label in labels], load)
    good = [n for n, problem in enumerate(errors) if not problem]
    if not good:
        reason = f"such as {labels[0].path.name}: {errors[0]}" if labels else "its manifest lists none"
        return None, f"No training frame can be read, {reason}; nearest training frames are left out."
    kept = [labels[n] for n in good]
    classes = np.array([subject.codes.index(label.mode) for label in kept], np.int64)
    gone = len(labels) - len(good)
    problem = f"{gone} of {len(labels)} training frames cannot be read any more; others stand in for them."
    return LabelledFrames(kept, images[good], classes), problem if gone else ""
