"""The model card of a run: what the model will say of itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from radar.modes import Mode
from radar.verification.report import Report
from serving.protocol import contract
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard
from training.architectures import Network
from training.calibrate import Calibrated
from training.recipe import Recipe
from training.records import MANIFEST_FILE, git_commit, libraries

_SCORES = ("accuracy", "hss", "pss", "macro_f1", "brier", "log_loss")


def make_card(
    network: Network,
    recipe: Recipe,
    modes: Sequence[Mode],
    calibrated: Calibrated,
    *,
    report: Report,
    test: Report | None,
    folder: Path,
    created: datetime,
    seed: int,
) -> ModelCard:
    """Makes the card.

    Args:
        network: Trained.
        recipe: What it was made by.
        modes: The classes, in the order of its outputs.
        calibrated: Temperature and threshold.
        report: Scores of the validation frames.
        test: Scores of the sealed winter, if there is one.
        folder: Of the run; holds the manifest.
        created: When the run began.
        seed: Of every random draw.
    """
    shape = network.features.output.shape[1:]
    # A baseline without a sense of place has no heat maps; it is not published either.
    height, width = shape[:2] if len(shape) == 3 else (1, 1)
    return ModelCard(
        contract_version=contract.CONTRACT_VERSION,
        model=contract.MODEL_NAME,
        created=created,
        modes=tuple(ModeEntry(**dataclasses.asdict(mode)) for mode in modes),
        input=InputEntry(**recipe.input.model_dump()),
        heat_map=HeatMapEntry(height=height, width=width),
        feature_size=network.embed.output.shape[1],
        temperature=calibrated.temperature,
        rejection_threshold=calibrated.threshold,
        recipe=recipe.name,
        settings={**recipe.model_dump(mode="json"), "seed": seed},
        manifest_sha256=sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest(),
        git_commit=git_commit(),
        libraries=libraries("tensorflow", "keras", "numpy"),
        metrics=_metrics(report, "validation") | (_metrics(test, "test") if test else {}),
        caveats=report.caveats,
        synthetic=report.synthetic,
    )


def _metrics(report: Report, frames: str) -> dict[str, float | int | None]:
    """Gives the main scores, with the frames they are of in their names."""
    side = f"{frames}_by_{report.split}"
    metrics: dict[str, float | int | None] = {f"{side}_frames": report.frames, f"{side}_events": report.events}
    for name in _SCORES:
        estimate = report.overall[name]
        metrics[f"{side}_{name}"] = _rounded(estimate.value)
        metrics[f"{side}_{name}_low"] = _rounded(estimate.low)
        metrics[f"{side}_{name}_high"] = _rounded(estimate.high)
    metrics[f"{side}_climatology_accuracy"] = _rounded(report.references["climatology"]["accuracy"])
    if report.calibration is not None:
        metrics[f"{side}_ece"] = _rounded(report.calibration.ece.value)
        metrics[f"{side}_mean_confidence"] = _rounded(report.calibration.mean_confidence)
    if report.accepted is not None:
        metrics[f"{side}_accepted_share"] = _rounded(report.accepted.share)
    return metrics


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
