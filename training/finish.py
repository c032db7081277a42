"""The second half of `training run`: from trained weights to scores, records, and a published model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import durable
from radar.modes import SNOWFALL_MODES, Mode
from radar.verification.probabilities import softmax
from radar.verification.report import Report, verify
from radar.verification.report_files import write_report
from serving.protocol import contract
from serving.protocol.contract import InputEntry, ModelCard
from training import foreign as foreign_frames
from training import report as page
from training.architectures import Network
from training.calibrate import accepted_share, calibrate
from training.data.labelled import LabelledFrames
from training.errors import TrainingError
from training.fitting.fit import predict_logits
from training.layers import layer_diagram
from training.pictures import learning_curve
from training.publishing.card import make_card
from training.publishing.release import release
from training.recipe import Recipe
from training.records import METRICS_FILE, TEST_FILE, save_weights, write_environment
from training.validation import FRAMES_FILE, read_frames, split_of, write_frames


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made.

    Attributes:
        published: Folder of the version; None if it was not to be published.
        card: Of the model.
        report: Scores of the validation frames.
        folder: With the records.
        test: Scores of the sealed winter, if there is one.
        outcome: What became of the model, in plain words.
    """

    published: Path | None
    card: ModelCard
    report: Report
    folder: Path
    test: Report | None = None
    outcome: str = ""


def finish(
    network: Network,
    recipe: Recipe,
    validation: LabelledFrames,
    *,
    folder: Path,
    models: Path | None,
    created: datetime,
    seed: int,
    synthetic: bool,
    say: Callable[[str], None],
    modes: Sequence[Mode] = SNOWFALL_MODES,
    test: LabelledFrames | None = None,
    foreign: Sequence[Path] = (),
    even_if_worse: bool = False,
) -> RunResult:
    """Calibrates, scores, exports, checks and publishes a trained network.

    Args:
        network: Trained.
        recipe: What it was made by.
        validation: The frames it was held against while it was trained.
        folder: Of the run; holds `recipe.json`, `manifest.csv` and `metrics.jsonl` already.
        models: Where to publish: ``<models>/snowmode/<version>``; None does everything but publish.
        created: When the run began; the version's number.
        seed: Of every random draw.
        synthetic: Whether a computer made the frames.
        say: Called with lines of progress.
        modes: The classes, in the order of the network's outputs.
        test: Frames of sealed winters, which nothing was chosen by.
        foreign: Folders of frames that are none of the known weather.
        even_if_worse: Publishes a model that is worse than the one in production, too.

    Raises:
        GateError: The model fails the release gate; nothing is published then.
        RefusedError: It is worse than the model in production; nothing is published then.
        TrainingError: It cannot be published there.
    """
    codes = tuple(mode.code for mode in modes)
    save_weights(network.model, folder)
    write_environment(folder)

    # Calibration, by validation frames alone.
    logits = predict_logits(network, validation.images)
    events = validation.events()
    calibrated = calibrate(logits, validation.classes, events, accept=recipe.release.accept)
    table = softmax(logits, calibrated.temperature)
    accepted = accepted_share(table, events, calibrated.threshold)

    def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return softmax(predict_logits(network, images), calibrated.temperature)

    # Scores.
    def score(name: str, frames: LabelledFrames, found: NDArray[np.float64], *, title: str, split: str) -> Report:
        write_frames(folder / name, frames.labels, codes, found)
        _, sample = read_frames(folder / name, threshold=calibrated.threshold)
        notes = _notes(recipe) if frames is validation else _notes(recipe)[1:]
        return verify(sample, title=title, split=split, synthetic=synthetic, seed=seed, notes=notes)

    split = split_of(folder) if recipe.data.split == "manifest" else recipe.data.split
    report = score(FRAMES_FILE, validation, table, title=f"{recipe.name}, validation frames", split=split)
    tested = None
    if test is not None and len(test.labels):
        seasons = ", ".join(sorted({label.season for label in test.labels}))
        tested = score(TEST_FILE, test, probabilities(test.images), title=f"{recipe.name}, {seasons}", split="season")
        say(f"Sealed winter {seasons}: {tested.sentence}")
    rule = InputEntry(**recipe.input.model_dump()).frame_rule()
    turned_away = foreign_frames.reject(foreign, rule, probabilities, calibrated.threshold)
    for kind in turned_away:
        say(f"Foreign frames of {kind.name}: {kind.rejected:.1%} of {kind.frames:,} rejected")
    card = make_card(
        network,
        recipe,
        modes,
        calibrated,
        report=report,
        test=tested,
        folder=folder,
        created=created,
        seed=seed,
    )

    # Records and pictures.
    durable.write_text(folder / contract.CARD_FILE, card.model_dump_json(indent=1) + "\n")
    write_report(report, folder)
    last_kept = not recipe.fit.patience
    learning_curve(folder / METRICS_FILE, folder / "learning_curve.png", title=recipe.name, last_kept=last_kept)
    layer_diagram(network, title=recipe.architecture).savefig(folder / "layers.png")
    sections = page.sections_of(network, recipe, card, calibrated, accepted, turned_away, folder=folder)

    # Release; the page tells what became of the model, also where something stood against it.
    published, outcome = None, "Not published: nobody asked for it."
    try:
        if models is not None and network.explains:
            released = release(
                network,
                card,
                folder,
                models=models,
                images=validation.images,
                seed=seed,
                say=say,
                even_if_worse=even_if_worse,
            )
            published, outcome = released.folder, released.sentence
        elif models is not None:
            outcome = "Not published: a baseline only, without heat maps, to be held against other recipes."
            say(outcome)
    except TrainingError as error:
        outcome = str(error)
        raise
    finally:
        page.write_page(folder, card, report=report, test=tested, sections=sections, outcome=outcome)
    return RunResult(published, card, report, folder, tested, outcome)


def _notes(recipe: Recipe) -> tuple[str, ...]:
    chosen = "Epoch, temperature" if recipe.fit.patience else "Temperature"
    return (
        f"{chosen} and threshold were chosen on the validation frames, so their scores are a little too good.",
        "The wind is not in the picture: bands along and across it cannot be told apart by rule.",
    )
