"""Trials: networks that are trained in memory, to be scored and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from radar.modes import SNOWFALL_MODES
from radar.verification.probabilities import softmax
from serving.protocol.contract import InputEntry
from training import architectures
from training.architectures import Network
from training.calibrate import Calibrated, calibrate
from training.data.grouping import joined_groups
from training.data.labelled import Label, LabelledFrames, draw_per_mode
from training.data.loading import load_frames
from training.data.sources import any_synthetic, read_labels
from training.errors import TrainingError
from training.fitting.fit import fit, predictor
from training.recipe import Recipe

Epoch = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Trial:
    """A network that was trained in memory.

    Attributes:
        network: With its weights.
        calibrated: Temperature and threshold, found on its validation frames.
        epoch: The epoch with the lowest validation loss.
        logits: Gives logits (N, K) of images (N, H, W, 3).
    """

    network: Network
    calibrated: Calibrated
    epoch: int
    logits: Callable[[NDArray[np.uint8]], NDArray[np.float32]]

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Gives calibrated probabilities (N, K) of images (N, H, W, 3)."""
        return softmax(self.logits(images), self.calibrated.temperature)


@dataclass(frozen=True, slots=True)
class Material:
    """Labelled frames as one recipe sees them.

    Attributes:
        frames: In memory.
        codes: The modes that occur, in canonical order.
        synthetic: Whether a computer made any of them.
    """

    frames: LabelledFrames
    codes: tuple[str, ...]
    synthetic: bool


def read(
    sources: Sequence[Path], recipe: Recipe, *, say: Callable[[str], None]
) -> tuple[list[Label], tuple[str, ...]]:
    """Reads labels without those of sealed winters; gives them and the modes that occur.

    Raises:
        LabelsError: A file or column is missing, a label is unknown, or a frame comes twice.
        TrainingError: Fewer than two modes occur.
    """
    known = tuple(mode.code for mode in SNOWFALL_MODES)
    labels = [label for label in read_labels(sources, known, say=say) if label.season not in recipe.data.test_seasons]
    codes = tuple(code for code in known if code in {label.mode for label in labels})
    if len(codes) < 2:
        names = ", ".join(map(str, sources))
        raise TrainingError(f"{names}: expected frames of two modes or more, received {', '.join(codes) or 'none'}")
    return labels, codes


def load(
    sources: Sequence[Path],
    recipe: Recipe,
    *,
    seed: int,
    say: Callable[[str], None],
    codes: tuple[str, ...] = (),
    thin: bool = True,
    cache: Path | None = None,
) -> Material:
    """Loads labelled frames as a recipe wants them.

    Args:
        sources: Folders of labelled frames, or manifests.
        recipe: Gives size, preprocessing, and how many frames a mode.
        seed: Of the draw of frames.
        say: Told of frames that are left out.
        codes: The modes; by default those that occur.
        thin: Whether to draw `data.per_mode` frames a mode, as for training.
        cache: See `training.data.loading.load_frames`.

    Raises:
        LabelsError: Unusable labels, or no frame of a mode can be read.
        TrainingError: Fewer than two modes occur.
    """
    labels, found = read(sources, recipe, say=say)
    codes = codes or found
    if other := sorted(set(found) - set(codes)):
        raise TrainingError(
            f"{', '.join(map(str, sources))}: expected the modes {', '.join(codes)}, received {other}"
        )
    if thin and recipe.data.per_mode:
        labels = draw_per_mode(labels, recipe.data.per_mode, seed)
    rule = InputEntry(**recipe.input.model_dump()).frame_rule()
    present = tuple(code for code in codes if code in found)
    frames = load_frames(labels, present, rule, say, cache=cache)
    if present != codes:
        classes = np.array([codes.index(label.mode) for label in frames.labels], np.int64)
        frames = LabelledFrames(frames.labels, frames.images, classes)
    return Material(frames, codes, any_synthetic(frames.labels, sources))


def hold_back(frames: LabelledFrames, recipe: Recipe, *, seed: int) -> NDArray[np.bool_]:
    """Holds back some events of each mode to stop and to calibrate by; a mode of one event keeps it to learn from.

    Args:
        frames: What a network may see.
        recipe: Says what share, and how close events must not lie to each other.
        seed: Of the draw.

    Returns:
        True where a frame is held back, shape (N,).
    """
    rng = np.random.default_rng(seed)
    groups = joined_groups(frames.labels, recipe.data.guard_hours)
    held: list[int] = []
    for mode in np.unique(frames.classes):
        of_mode = rng.permutation(np.unique(groups[frames.classes == mode]))
        number = max(1, round(recipe.data.validation_share * len(of_mode)))
        held += of_mode[: min(number, len(of_mode) - 1)].tolist()
    return np.isin(groups, held)


def train(
    recipe: Recipe,
    training: LabelledFrames,
    validation: LabelledFrames,
    *,
    modes: int,
    seed: int,
    report: Epoch = lambda *_: None,
    tick: Callable[[int, int, int], None] = lambda *_: None,
) -> Trial:
    """Trains and calibrates a network.

    Args:
        recipe: How.
        training: Frames to learn from.
        validation: Frames to stop by, and to calibrate on.
        modes: Number of classes.
        seed: Of every random draw.
        report: See `training.fitting.fit.fit`.
        tick: See `training.fitting.fit.fit`.

    Raises:
        TrainingError: The loss is no number any more, or weights do not fit.
    """
    # The graphs of the trial before would stay in memory.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    entry = InputEntry(**recipe.input.model_dump())
    network = architectures.build(
        recipe.architecture, height=entry.height, width=entry.width, modes=modes, transfer=recipe.transfer
    )
    fitted = fit(
        network,
        recipe,
        (training.images, training.classes),
        (validation.images, validation.classes),
        no_echo=entry.frame_rule().no_echo,
        seed=seed,
        log=None,
        report=report,
        tick=tick,
    )
    logits = predictor(network)
    calibrated = calibrate(
        logits(validation.images), validation.classes, validation.events(), accept=recipe.release.accept
    )
    return Trial(network, calibrated, fitted.epoch, logits)
