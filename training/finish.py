"""The second half of `training run`: from trained weights to a published model with its scores and records."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from radar.modes import SNOWFALL_MODES
from radar.verification.probabilities import fit_temperature, softmax
from radar.verification.report import Report, verify
from radar.verification.report_files import write_report
from serving.protocol import contract
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard
from training import export, gate, pictures, publish
from training.architectures import Network
from training.calibrate import rejection_threshold
from training.fit import predict_logits
from training.labelled import LabelledFrames
from training.recipe import Recipe
from training.validation import FRAMES_FILE, read_frames, write_frames


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made: the published version, its card, its scores, and the folder with its records."""

    published: Path
    card: ModelCard
    report: Report
    folder: Path


def finish(
    network: Network,
    recipe: Recipe,
    validation: LabelledFrames,
    *,
    folder: Path,
    models: Path,
    created: datetime,
    seed: int,
    synthetic: bool,
    say: Callable[[str], None],
) -> RunResult:
    """Calibrates, scores, exports, checks and publishes a trained network.

    Args:
        network: Trained.
        recipe: What it was made by.
        validation: The frames it was held against while it was trained.
        folder: Of the run; holds `manifest.csv` and `metrics.jsonl` already.
        models: Where to publish: ``<models>/snowmode/<version>``.
        created: When the run began; the version's number.
        seed: Of every random draw.
        synthetic: Whether a computer made the frames.
        say: Called with lines of progress.

    Raises:
        GateError: The model fails the release gate; nothing is published then.
        TrainingError: It cannot be published there.
    """
    codes = tuple(mode.code for mode in SNOWFALL_MODES)

    # Calibration and scores.
    logits = predict_logits(network, validation.images)
    temperature = fit_temperature(logits, validation.classes)
    table = softmax(logits, temperature)
    threshold = rejection_threshold(table)
    write_frames(folder / FRAMES_FILE, validation.labels, codes, table)
    _, sample = read_frames(folder / FRAMES_FILE, threshold=threshold)
    scores = verify(
        sample,
        title=f"{recipe.name}, validation frames",
        split=recipe.data.split,
        synthetic=synthetic,
        seed=seed,
        notes=_notes(recipe),
    )
    height, width = network.features.output.shape[1:3]
    card = ModelCard(
        contract_version=contract.CONTRACT_VERSION,
        model=contract.MODEL_NAME,
        created=created,
        modes=tuple(ModeEntry(**dataclasses.asdict(mode)) for mode in SNOWFALL_MODES),
        input=InputEntry(**recipe.input.model_dump()),
        heat_map=HeatMapEntry(height=height, width=width),
        feature_size=network.embed.output.shape[1],
        temperature=temperature,
        rejection_threshold=threshold,
        recipe=recipe.name,
        settings={**recipe.model_dump(mode="json"), "seed": seed},
        manifest_sha256=sha256((folder / "manifest.csv").read_bytes()).hexdigest(),
        git_commit=_git_commit(),
        libraries={name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
        metrics=_metrics(scores),
        caveats=scores.caveats,
        synthetic=scores.synthetic,
    )

    # Report and pictures.
    write_report(scores, folder)
    pictures.learning_curve(folder / "metrics.jsonl", folder / "learning_curve.png", title=recipe.name)

    # Export through the release gate.
    some = validation.images[np.linspace(0, len(validation.images) - 1, 6).astype(int)]

    def make(target: Path) -> None:
        say("Exporting")
        export.write(target, network, card)
        for line in gate.check(target, card, some, export.signatures(network, card)):
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
