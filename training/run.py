"""`training run`: from labelled frames to a published model, top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from radar.modes import SNOWFALL_MODES
from serving.protocol import contract
from serving.protocol.contract import InputEntry
from training import architectures, manifest, publish
from training.finish import RunResult, finish
from training.fit import fit
from training.labelled import draw_per_mode
from training.loading import load_frames
from training.recipe import Recipe
from training.sources import any_synthetic, read_labels
from training.splits import TRAINING, VALIDATION, split


def run(
    recipe: Recipe,
    folders: Sequence[Path],
    *,
    models: Path,
    runs: Path,
    seed: int,
    say: Callable[[str], None],
    report: Callable[[int, int, dict[str, float]], None],
    tick: Callable[[int, int, int], None] = lambda *_: None,
) -> RunResult:
    """Trains, validates, exports, checks and publishes one model.

    Args:
        recipe: What to make.
        folders: Labelled frames; each with a `labels.csv`.
        models: Where to publish: ``<models>/snowmode/<version>``.
        runs: Where to keep records: ``<runs>/<recipe>-<version>``.
        seed: Of every random draw.
        say: Called with lines of progress.
        report: Called after each epoch; see `training.fit.MetricsLog`.
        tick: Called after each step; see `training.fit.StepTicker`.

    Raises:
        TrainingError: Unusable labels, folders that cannot be written to, or a model that fails the release gate;
            nothing is published then.
    """
    created = datetime.now(UTC)
    keras.utils.set_random_seed(seed)
    codes = tuple(mode.code for mode in SNOWFALL_MODES)

    # Data.
    entry = InputEntry(**recipe.input.model_dump())
    size = {"height": entry.height, "width": entry.width}
    rule = entry.frame_rule()
    labels = read_labels(folders, codes, say=say)
    publish.check_writable(models / contract.MODEL_NAME, "--models")
    publish.check_writable(runs, "--runs")
    if recipe.data.per_mode:
        labels = draw_per_mode(labels, recipe.data.per_mode, seed)
    data = load_frames(labels, codes, rule, say)
    sides = split(data.labels, by=recipe.data.split, share=recipe.data.validation_share, seed=seed)
    training = data.images[sides == TRAINING], data.classes[sides == TRAINING]
    validation = data.take(sides == VALIDATION)
    say(
        f"{len(training[1]):,} training frames, {len(validation.labels):,} validation frames of "
        f"{len(np.unique(validation.events()))} events; split by {recipe.data.split}"
    )

    # Records, from the first minute on.
    folder = runs / f"{recipe.name}-{created:%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / manifest.MANIFEST_FILE).write_text(manifest.text(data.labels, sides.tolist(), folder), encoding="utf-8")

    # Weights.
    network = architectures.build(recipe.architecture, **size, modes=len(codes), transfer=recipe.transfer)
    say(f"{recipe.architecture}: {network.model.count_params():,} weights")
    fitted = fit(
        network,
        recipe,
        training,
        (validation.images, validation.classes),
        no_echo=rule.no_echo,
        seed=seed,
        log=folder / "metrics.jsonl",
        report=report,
        tick=tick,
    )
    kept = f"weights of epoch {fitted.epoch} kept" if recipe.fit.patience else "weights of the last epoch kept"
    say(f"Lowest validation loss {fitted.loss:.4f} in epoch {fitted.epoch}; {kept}")

    # Scores, report, release gate.
    return finish(
        network,
        recipe,
        validation,
        folder=folder,
        models=models,
        created=created,
        seed=seed,
        synthetic=any_synthetic(labels, folders),
        say=say,
    )
