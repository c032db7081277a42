"""The techniques, in the order of the page, and how each is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.labelled import LabelledFrames
from training.look.errors import Undefined
from training.look.part import Part, write_part
from training.look.subject import Subject


@dataclass(frozen=True, slots=True)
class Technique:
    """A way to look.

    Attributes:
        heading: Of its section.
        help: What it shows, in one line.
    """

    heading: str
    help: str


TECHNIQUES: dict[str, Technique] = {
    "architecture": Technique("The network", "Draw the layers, with their shapes and numbers of weights."),
    "filters": Technique("First-layer filters", "Show the first layer's kernels before and after training."),
    "activations": Technique("Feature maps", "Show what chosen layers make of frames of each mode."),
    "ascent": Technique("What filters and modes ask for", "Change pixels until a filter or a mode responds most."),
    "methods": Technique("Where the evidence lies", "Show Grad-CAM and its relatives, one panel a frame."),
    "embedding": Technique("The space of frames", "Map frames by PCA and t-SNE of the penultimate layer."),
    "gallery": Technique("Wrong and doubtful frames", "Show misclassified and least certain frames."),
    "checks": Technique("Whether to believe it", "Put the explanations themselves to the test."),
}
"""All that `training look all` runs. Each is a module `training.look.<name>` with a function `look`."""

COMPARE = Technique("Several networks", "Show the same frames to several networks.")
"""It takes several subjects, so it is none of them."""


def check_comparison(subjects: Sequence[Subject]) -> None:
    """Raises LookError if networks cannot be compared; costs nothing, so it comes before the frames are loaded."""
    from training.look import compare

    compare.check(subjects)


def run(
    name: str,
    subject: Subject | Sequence[Subject],
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
    **options: Any,
) -> Part:
    """Runs a technique and writes its part.

    Args:
        name: A key of `TECHNIQUES`, or ``compare``.
        subject: The network; of a comparison all of them.
        frames: What to look at.
        out: Folder of the whole look; the part gets a folder of its own there.
        seed: Of every random draw.
        tick: Called with what is done and how much there is.
        **options: Of the technique.

    Returns:
        The part; where a method has no meaning for the network, one that says so.

    Raises:
        OSError: It cannot be written.
    """
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module(f"training.look.{name}")
    try:
        part: Part = module.look(subject, frames, folder, seed=seed, tick=tick, **options)
    except Undefined as error:
        part = Part(name, TECHNIQUES.get(name, COMPARE).heading, f"Not defined for this network: {error}")
    write_part(part, folder)
    return part
