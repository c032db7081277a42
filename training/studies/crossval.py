"""Cross-validation: every event is predicted once by a network that never saw it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radar import durable
from radar.verification.report import Report, verify
from radar.verification.report_files import write_report
from training.data import splits
from training.data.labelled import Label, LabelledFrames
from training.data.splits import TRAINING, VALIDATION
from training.recipe import Recipe
from training.studies import plans, trial
from training.studies.trial import Epoch, Material
from training.validation import FRAMES_FILE, read_frames, write_frames

FOLDS_FILE = "folds.csv"
DOUBTFUL_FILE = "doubtful.csv"


def cross_validate(
    recipe: Recipe,
    sources: Sequence[Path],
    *,
    folds: int,
    by: str,
    folder: Path,
    seed: int,
    say: Callable[[str], None],
    report: Epoch = lambda *_: None,
    tick: Callable[[int, int, int], None] = lambda *_: None,
    cache: Path | None = None,
) -> Report:
    """Trains a network for each fold, and predicts the fold with it.

    In each fold the network is stopped and calibrated by other events of the frames it may see, never by the fold
    itself. A fold that is done is kept: the same call goes on with the next.

    Args:
        recipe: What to train; its sealed winters stay sealed.
        sources: Labelled frames.
        folds: How many.
        by: What is never cut: ``event``, ``season``, or ``frame`` (flatters).
        folder: Where to keep it all; gets what `training compare` reads.
        seed: Of every random draw; the same seed and frames give the same folds for every recipe.
        say: Called with lines of progress.
        report: See `training.fitting.fit.fit`.
        tick: See `training.fitting.fit.fit`.
        cache: See `training.data.loading.load_frames`.

    Returns:
        Scores of all frames, each predicted by the network of its fold.

    Raises:
        LabelsError: Unusable labels, or too few events or winters for so many folds.
        TrainingError: The folder is of another cross-validation.
    """
    material = trial.load(sources, recipe, seed=seed, say=say, cache=cache)
    frames = material.frames
    cut = splits.folds(frames.labels, folds, by=by, seed=seed, guard_hours=recipe.data.guard_hours)
    plans.keep(folder, plans.plan("cross-validation", recipe, frames.labels, folds=folds, by=by, seed=seed))
    fold_of = np.zeros(len(frames.labels), np.int64)
    for number, sides in enumerate(cut, start=1):
        fold_of[sides == VALIDATION] = number
        file = folder / f"fold-{number}.csv"
        held_out = frames.take(sides == VALIDATION)
        if file.exists():
            say(f"Fold {number} of {folds} is there already")
        else:
            say(f"Fold {number} of {folds}")
            table = _predict(recipe, material, frames.take(sides == TRAINING), held_out, by, seed, report, tick)
            write_frames(file, held_out.labels, material.codes, table)
        say(_found(file, number, folds))
    _join([folder / f"fold-{number}.csv" for number in range(1, folds + 1)], folder / FRAMES_FILE)
    _write_folds(folder / FOLDS_FILE, frames.labels, fold_of)
    keys, sample = read_frames(folder / FRAMES_FILE)
    _write_doubtful(folder / DOUBTFUL_FILE, keys, sample)
    found = verify(
        sample,
        title=f"{recipe.name}, {folds} folds by {by}",
        split=by,
        synthetic=material.synthetic,
        seed=seed,
        notes=("Each frame was predicted by a network that saw neither it nor its event.",) if by == "event" else (),
    )
    write_report(found, folder)
    return found


def _predict(
    recipe: Recipe,
    material: Material,
    seen: LabelledFrames,
    held_out: LabelledFrames,
    by: str,
    seed: int,
    report: Epoch,
    tick: Callable[[int, int, int], None],
) -> Any:
    if by == "frame":
        inner = splits.split(seen.labels, by=by, share=recipe.data.validation_share, seed=seed) == VALIDATION
    else:
        inner = trial.hold_back(seen, recipe, seed=seed)
    trained = trial.train(
        recipe,
        seen.take(~inner),
        seen.take(inner),
        modes=len(material.codes),
        seed=seed,
        report=report,
        tick=tick,
    )
    return trained.probabilities(held_out.images)


def _found(file: Path, number: int, folds: int) -> str:
    _, sample = read_frames(file)
    right = float((sample.predicted == sample.observed).mean())
    events = int(sample.events.max()) + 1
    return f"  fold {number} of {folds}: {right:.1%} right on {len(sample.observed):,} frames of {events:,} events"


def _join(parts: Sequence[Path], out: Path) -> None:
    texts = [part.read_text(encoding="utf-8").splitlines(keepends=True) for part in parts]
    durable.write_text(out, "".join([texts[0][0], *(line for text in texts for line in text[1:])]))


def _write_folds(path: Path, labels: Sequence[Label], fold_of: Any) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("season", "file", "label", "event", "fold"))
    for label, fold in zip(labels, fold_of.tolist(), strict=True):
        writer.writerow((label.season, label.path.name, label.mode, label.event, fold))
    durable.write_text(path, text.getvalue())


def _write_doubtful(path: Path, keys: Sequence[tuple[str, str]], sample: Any) -> None:
    """Lists the frames whose label the networks believe least: those to look at again first."""
    of_label = sample.probabilities[np.arange(len(keys)), sample.observed]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("season", "file", "label", "p_label", "predicted", "p_predicted"))
    for n in np.argsort(of_label, kind="stable").tolist():
        if sample.predicted[n] != sample.observed[n]:
            winner = sample.codes[sample.predicted[n]], f"{sample.probabilities[n].max():.4f}"
            writer.writerow((*keys[n], sample.codes[sample.observed[n]], f"{of_label[n]:.4f}", *winner))
    durable.write_text(path, text.getvalue())
