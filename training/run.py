"""`training run`: from labelled frames to a published model, top to bottom."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import keras
import numpy as np

from radar.modes import SNOWFALL_MODES
from radar.seasons import is_synthetic
from radar.verification.probabilities import fit_temperature, softmax
from radar.verification.report import Report, verify
from radar.verification.report_files import write_report
from serving.protocol import contract
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard
from training import architectures, export, gate, pictures, publish
from training.calibrate import rejection_threshold
from training.fit import fit, predict_logits
from training.labelled import draw_per_mode, load_frames, manifest, read_labels, split
from training.recipe import Recipe
from training.validation import FRAMES_FILE, read_frames, write_frames


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made: the published version, its card, its scores, and the folder with its records."""

    published: Path
    card: ModelCard
    report: Report
    folder: Path


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
    labels = read_labels(folders, codes)
    publish.check_writable(models / contract.MODEL_NAME, "--models")
    publish.check_writable(runs, "--runs")
    if recipe.data.per_mode:
        labels = draw_per_mode(labels, recipe.data.per_mode, seed)
    data = load_frames(labels, codes, rule, say)
    held_out = split(data, by=recipe.data.split, share=recipe.data.validation_share, seed=seed)
    events = data.events()
    training = data.images[~held_out], data.classes[~held_out]
    validation = data.images[held_out], data.classes[held_out]
    say(
        f"{len(training[1]):,} training frames, {len(validation[1]):,} validation frames of "
        f"{len(np.unique(events[held_out]))} events; split by {recipe.data.split}"
    )

    # Records, from the first minute on.
    folder = runs / f"{recipe.name}-{created:%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n", encoding="utf-8")
    listing = manifest(data, held_out)
    (folder / "manifest.csv").write_text(listing, encoding="utf-8")
    metrics_file = folder / "metrics.jsonl"

    # Weights.
    network = architectures.build(recipe.architecture, **size, modes=len(codes))
    say(f"{recipe.architecture}: {network.model.count_params():,} weights")
    best, loss = fit(
        network,
        recipe,
        training,
        validation,
        no_echo=rule.no_echo,
        seed=seed,
        log=metrics_file,
        report=report,
        tick=tick,
    )
    kept = f"weights of epoch {best} kept" if recipe.fit.patience else "weights of the last epoch kept"
    say(f"Lowest validation loss {loss:.4f} in epoch {best}; {kept}")

    # Calibration and scores.
    logits = predict_logits(network, validation[0])
    temperature = fit_temperature(logits, validation[1])
    table = softmax(logits, temperature)
    threshold = rejection_threshold(table)
    held_out_labels = [data.labels[n] for n in np.flatnonzero(held_out)]
    write_frames(folder / FRAMES_FILE, held_out_labels, codes, table)
    _, sample = read_frames(folder / FRAMES_FILE, threshold=threshold)
    scores = verify(
        sample,
        title=f"{recipe.name}, validation frames",
        split=recipe.data.split,
        synthetic=any(map(is_synthetic, folders)),
        seed=seed,
        notes=_notes(recipe),
    )
    height, width = network.features.output.shape[1:3]
    card = ModelCard(
        contract_version=contract.CONTRACT_VERSION,
        model=contract.MODEL_NAME,
        created=created,
        modes=tuple(ModeEntry(**dataclasses.asdict(mode)) for mode in SNOWFALL_MODES),
        input=entry,
        heat_map=HeatMapEntry(height=height, width=width),
        feature_size=network.embed.output.shape[1],
        temperature=temperature,
        rejection_threshold=threshold,
        recipe=recipe.name,
        settings={**recipe.model_dump(mode="json"), "seed": seed},
        manifest_sha256=sha256(listing.encode()).hexdigest(),
        git_commit=_git_commit(),
        libraries={name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
        metrics=_metrics(scores),
        caveats=scores.caveats,
        synthetic=scores.synthetic,
    )

    # Report and pictures.
    write_report(scores, folder)
    pictures.learning_curve(metrics_file, folder / "learning_curve.png", title=recipe.name)

    # Export through the release gate.
    sample = validation[0][np.linspace(0, len(validation[0]) - 1, 6).astype(int)]

    def make(target: Path) -> None:
        say("Exporting")
        export.write(target, network, card)
        for line in gate.check(target, card, sample, export.signatures(network, card)):
            say(f"  passed  {line}")

    published = publish.publish(models / contract.MODEL_NAME, publish.version_of(created), make)
    (folder / contract.CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "published.json").write_text(json.dumps({"model": str(published)}) + "\n", encoding="utf-8")
    return RunResult(published, card, scores, folder)


def _metrics(report: Report) -> dict[str, float | int | None]:
    """Gives the card the main scores, with the split in their names."""
    side = f"validation_by_{report.split}"
    metrics: dict[str, float | int | None] = {f"{side}_frames": report.frames, f"{side}_events": report.events}
    for name in ("accuracy", "hss", "pss", "macro_f1", "brier", "log_loss"):
        estimate = report.overall[name]
        metrics[f"{side}_{name}"] = _rounded(estimate.value)
        metrics[f"{side}_{name}_low"] = _rounded(estimate.low)
        metrics[f"{side}_{name}_high"] = _rounded(estimate.high)
    metrics[f"{side}_climatology_accuracy"] = _rounded(report.references["climatology"]["accuracy"])
    return metrics


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _notes(recipe: Recipe) -> tuple[str, ...]:
    chosen = "Epoch, temperature" if recipe.fit.patience else "Temperature"
    return (
        f"{chosen} and threshold were chosen on the validation frames, so their scores are a little too good.",
        "The wind is not in the picture: bands along and across it cannot be told apart by rule.",
    )


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
