"""`training run`: from labelled frames to a published model, top to bottom."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from radar.modes import SNOWFALL_MODES
from radar.seasons import SEASON_FILE
from serving.protocol import contract
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard
from training import architectures, calibrate, export, gate, pictures, publish
from training.fit import fit, predict_logits
from training.labelled import draw_per_mode, load_frames, manifest, read_labels, split
from training.recipe import Recipe

SYNTHETIC_CAVEAT = (
    "Trained and scored on synthetic frames: the scores show that the machinery works, "
    "never how good it is on real snow."
)
RANDOM_SPLIT_CAVEAT = (
    "Validated on randomly drawn frames: near copies of them, ten minutes apart, were trained on, "
    "so the scores flatter."
)
FEW_EVENTS = 20


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made: the published version, its card, and the folder with its records."""

    published: Path
    card: ModelCard
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
    temperature = calibrate.fit_temperature(logits, validation[1])
    table = calibrate.probabilities(logits, temperature)
    threshold = calibrate.rejection_threshold(table)
    caveats = _caveats(recipe, folders, len(np.unique(events[held_out])))
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
        metrics=_scores(recipe, logits, temperature, validation[1], events[held_out]),
        caveats=caveats,
        synthetic=SYNTHETIC_CAVEAT in caveats,
    )

    # Pictures.
    pictures.learning_curve(metrics_file, folder / "learning_curve.png", title=recipe.name)
    counts = confusion_matrix(validation[1], logits.argmax(axis=1), labels=range(len(codes)))
    pictures.confusion(
        counts, card, folder / "confusion.png", title=f"validation frames, split by {recipe.data.split}"
    )

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
    return RunResult(published, card, folder)


def _scores(
    recipe: Recipe,
    logits: NDArray[np.float32],
    temperature: float,
    classes: NDArray[np.int64],
    events: NDArray[np.str_],
) -> dict[str, float | int | None]:
    """Scores the validation frames; climatology is the share of the most frequent mode."""
    winners = logits.argmax(axis=1)
    side = f"validation_by_{recipe.data.split}"
    return {
        f"{side}_frames": len(classes),
        f"{side}_events": len(np.unique(events)),
        f"{side}_accuracy": round(float((winners == classes).mean()), 4),
        f"{side}_macro_f1": round(float(f1_score(classes, winners, average="macro")), 4),
        f"{side}_log_loss": round(calibrate.log_loss(logits / temperature, classes), 4),
        f"{side}_climatology_accuracy": round(float(np.bincount(classes).max() / len(classes)), 4),
    }


def _caveats(recipe: Recipe, folders: Sequence[Path], events: int) -> tuple[str, ...]:
    caveats = []
    if any(_is_synthetic(folder) for folder in folders):
        caveats.append(SYNTHETIC_CAVEAT)
    if recipe.data.split == "frame":
        caveats.append(RANDOM_SPLIT_CAVEAT)
    elif events < FEW_EVENTS:
        caveats.append(f"Validated on {events} events only: too few for a score to be trusted.")
    chosen = "Epoch, temperature" if recipe.fit.patience else "Temperature"
    caveats.append(
        f"{chosen} and threshold were chosen on the validation frames, so their scores are a little too good."
    )
    caveats.append("The wind is not in the picture: bands along and across it cannot be told apart by rule.")
    return tuple(caveats)


def _is_synthetic(folder: Path) -> bool:
    file = folder / SEASON_FILE
    return file.exists() and "[synthetic]" in file.read_text(encoding="utf-8")


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
