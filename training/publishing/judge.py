"""Is a new model worse than the one in production? Asked before it is published, of frames that neither has seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from radar import frames
from radar.errors import FrameError, LabelsError
from radar.verification.comparison import Comparison, compare
from radar.verification.sample import Sample
from serving.protocol import contract
from serving.protocol.contract import CARD_FILE, ModelCard
from training.errors import RefusedError, TrainingError
from training.publishing import releases
from training.publishing.session import SessionModel
from training.records import MANIFEST_FILE

Key = tuple[str, str]
"""Season and name of a frame."""

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the comparison with production.

    Attributes:
        version: In production; None if there is none.
        comparison: Candidate first; None if they could not be compared.
        sentence: The finding, or why there is none.
        worse: Whether the candidate is clearly worse.
    """

    version: int | None
    comparison: Comparison | None
    sentence: str
    worse: bool = False

    def refuse_worse(self, *, even_if_worse: bool) -> None:
        """Raises RefusedError if the candidate is clearly worse and nobody said it may be."""
        if self.worse and not even_if_worse:
            raise RefusedError(
                f"Not published: worse than version {self.version}, which is in production. {self.sentence} "
                "To publish it all the same: training publish RUN --even-if-worse"
            )


def judge(
    models: Path,
    keys: Sequence[Key],
    sample: Sample,
    paths: Sequence[Path],
    *,
    split: str,
    synthetic: bool,
    seed: int,
) -> Verdict:
    """Compares a candidate with the model in production, on frames the candidate held out.

    Frames that production was trained on are left out. What says so is the manifest that lies beside it; a model
    published without one is compared on all frames, which flatters it, and the finding says so.

    Args:
        models: Folder of published models.
        keys: Season and name of each frame, N.
        sample: How the candidate classified them, with probabilities.
        paths: Their files.
        split: How they were held out; see `radar.verification.report.SPLITS`.
        synthetic: Whether a computer made them.
        seed: Of the resampling.

    Raises:
        TrainingError: The model in production cannot be loaded.
    """
    version = releases.read(models).production
    if version is None:
        return Verdict(None, None, "No model is in production to compare with.")
    folder = models / contract.MODEL_NAME / str(version)
    card = _card(folder)
    if card.codes != sample.codes:
        modes = f"{', '.join(card.codes)}, this one {', '.join(sample.codes)}"
        return Verdict(version, None, f"Not compared with version {version}: it knows the modes {modes}.")
    seen = _trained_on(folder)
    chosen = [n for n, key in enumerate(keys) if seen is None or key not in seen]
    images, readable = _images([paths[n] for n in chosen], card)
    kept = np.array(chosen, np.int64)[readable]
    if not len(kept):
        return Verdict(
            version,
            None,
            f"Not compared with version {version}: there is no frame that neither model was trained on.",
        )
    one = replace(sample.take(kept), accepted=None)
    other = replace(one, probabilities=(table := _classify(folder, images)), predicted=table.argmax(axis=1))
    comparison = compare(
        one, other, names=("this model", f"version {version}"), split=split, synthetic=synthetic, seed=seed
    )
    sentence = comparison.sentence[0].upper() + comparison.sentence[1:]
    if seen is None:
        sentence += f" Nothing says which frames version {version} was trained on; it may have seen these."
    return Verdict(version, comparison, sentence, worse=_is_worse(comparison))


def _is_worse(comparison: Comparison) -> bool:
    difference = comparison.overall["hss"]
    # Where too few events tell of it, the value itself has to do.
    return difference.value < 0 and not (difference.known and difference.high >= 0)


def _card(folder: Path) -> ModelCard:
    try:
        return ModelCard.model_validate_json((folder / "assets.extra" / CARD_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"{folder}: expected the model in production, with a card in assets.extra; cannot be read: "
            f"{str(error)[:300]}; put another one into production: training promote VERSION"
        ) from error


def _trained_on(folder: Path) -> frozenset[Key] | None:
    """Reads which frames a published model was trained on, None if nobody knows."""
    path = folder / "assets.extra" / MANIFEST_FILE
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        return frozenset((row["season"], Path(row["path"]).name) for row in rows if row["split"] == "training")
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise LabelsError(f"{path}: expected the manifest of a run; cannot be read: {error}") from error


def _images(paths: Sequence[Path], card: ModelCard) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Loads frames as a model sees them; tells which could be read, shape (N,)."""
    rule = card.input.frame_rule()
    images, readable = [], np.ones(len(paths), bool)
    for n, path in enumerate(paths):
        try:
            images.append(frames.load(path, rule))
        except FrameError:
            readable[n] = False  # moved away since; what is left decides
    return np.stack(images) if images else np.empty((0, rule.height, rule.width, 3), np.uint8), readable


def _classify(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    try:
        session = SessionModel(folder)
    except Exception as error:  # as many kinds as a file can be damaged
        raise TrainingError(
            f"{folder}: the model in production cannot be loaded: {str(error)[:300]}; put another one into "
            "production: training promote VERSION"
        ) from error
    try:
        parts = [
            session.run(contract.CLASSIFY, {contract.IMAGES: images[at : at + _BATCH]})[contract.PROBABILITIES]
            for at in range(0, len(images), _BATCH)
        ]
    finally:
        session.close()
    return np.concatenate(parts).astype(np.float64)
