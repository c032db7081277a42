"""A study: recipes and non-neural baselines on one unseen winter, and what a random split would have said of them.

Each is trained twice on the same winters: once validated by randomly drawn frames, as in the original process, once
by whole events. The two accuracies beside each other, and beside that of a winter nobody trained on, show how much a
random split flatters.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radar import durable
from radar.frames import FrameRule
from radar.verification.comparison import Comparison, compare
from radar.verification.report import Report, verify
from radar.verification.sample import Sample
from serving.protocol.contract import InputEntry
from training import foreign
from training.calibrate import accepted_share, rejection_threshold
from training.data import splits
from training.data.labelled import LabelledFrames, draw_per_mode
from training.data.loading import load_frames
from training.data.sources import any_synthetic
from training.data.splits import TRAINING, VALIDATION
from training.recipe import Recipe
from training.studies import baseline, echo_features, plans, trial
from training.studies.baseline import Kind
from training.validation import read_frames, write_frames

Probabilities = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the study.

    Attributes:
        name: Of the recipe or baseline.
        random: Accuracy on randomly drawn frames of the winters it was trained on.
        event: Accuracy on whole events of those winters.
        report: Scores on the unseen winter.
        against: The first model of the study minus this one on the unseen winter, paired by event; None of the first.
        accepted: Share of the unseen winter that its threshold accepts, each event weighing the same.
        foreign: Share of foreign frames that it rejects, by folder.
        ece: Expected calibration error on validation events before and after calibration; NaN of baselines, which are
            taken as they are.
        seconds: Training time of the model that saw the unseen winter.
    """

    name: str
    random: float
    event: float
    report: Report
    against: Comparison | None
    accepted: float
    foreign: dict[str, float]
    ece: tuple[float, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Contestant:
    """How one model is made and asked; all the study needs to know of it."""

    name: str
    split: str  # of the model that is shown the unseen winter
    rule: FrameRule
    training: LabelledFrames
    test: LabelledFrames
    train: Callable[[LabelledFrames, LabelledFrames], tuple[Probabilities, float, tuple[float, float]]]


def study(
    recipes: Sequence[Recipe],
    sources: Sequence[Path],
    test: Sequence[Path],
    *,
    baselines: Sequence[Kind] = (),
    foreign_folders: Sequence[Path] = (),
    folder: Path,
    seed: int,
    say: Callable[[str], None],
    tick: Callable[[int, int, int], None] = lambda *_: None,
    cache: Path | None = None,
) -> list[Row]:
    """Trains and scores every recipe and baseline.

    What is done is kept: the same call goes on with the next model.

    Args:
        recipes: To compare; the others are held against the first.
        sources: Winters to train on.
        test: Winters to score on.
        baselines: Kinds of non-neural baselines.
        foreign_folders: Frames that are none of the known weather.
        folder: Where to keep it all.
        seed: Of every random draw.
        say: Called with lines of progress.
        tick: See `training.fitting.fit.fit`.
        cache: See `training.data.loading.load_frames`.

    Raises:
        LabelsError: Unusable labels, or too few events.
        TrainingError: The folder is of another study, or foreign frames cannot be read.
    """
    rows: list[Row] = []
    first: Sample | None = None
    names: list[str] = []
    makers: list[Callable[[], _Contestant]] = []
    for recipe in recipes:
        names.append(recipe.name)
        makers.append(lambda recipe=recipe: _network(recipe, sources, test, seed, say, tick, cache))  # type: ignore[misc]
    for kind in baselines:
        names.append(f"echo features, {kind}")
        makers.append(lambda kind=kind: _baseline(kind, recipes[0], sources, test, seed, say, cache))  # type: ignore[misc]
    labels, codes = trial.read(sources, recipes[0], say=say)
    unseen, _ = trial.read(test, recipes[0], say=say)
    synthetic = any_synthetic([*labels, *unseen], [*sources, *test])
    for number, (name, make) in enumerate(zip(names, makers, strict=True)):
        part = folder / f"{number + 1}-{name.replace(', ', '-').replace(' ', '-')}"
        recipe = recipes[number] if number < len(recipes) else recipes[0]
        others = [str(path.name) for path in foreign_folders]
        plans.keep(part, plans.plan(name, recipe, [*labels, *unseen], seed=seed, foreign=others))
        facts = _run(part, make, codes, foreign_folders, recipes[0], seed, say)
        _, sample = read_frames(part / "winter.csv")
        against = None
        if first is None:
            first = sample
        else:
            against = compare(first, sample, names=(names[0], name), split="season", synthetic=synthetic, seed=seed)
        report = verify(sample, title=f"{name}, unseen winter", split="season", synthetic=synthetic, seed=seed)
        rows.append(
            Row(
                name=name,
                random=facts["random"],
                event=facts["event"],
                report=report,
                against=against,
                accepted=facts["accepted"],
                foreign=facts["foreign"],
                ece=tuple(math.nan if value is None else value for value in facts["ece"]),  # type: ignore[arg-type]
                seconds=facts["seconds"],
            )
        )
        say(f"{name}: {report.sentence}")
    return rows


def _run(
    part: Path,
    make: Callable[[], _Contestant],
    codes: tuple[str, ...],
    foreign_folders: Sequence[Path],
    recipe: Recipe,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Trains one model under both splits, unless it was before; gives what is not in its files of frames."""
    done = part / "facts.json"
    if done.exists():
        say(f"{part.name} is there already")
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    contestant = make()
    facts: dict[str, Any] = {}
    labels = contestant.training.labels
    hours = recipe.data.guard_hours
    for split in ("frame", "event"):
        say(f"{contestant.name}, split by {split}")
        sides = splits.split(labels, by=split, share=recipe.data.validation_share, seed=seed, guard_hours=hours)
        training, validation = (contestant.training.take(sides == side) for side in (TRAINING, VALIDATION))
        began = time.monotonic()
        probabilities, threshold, ece = contestant.train(training, validation)
        seconds = time.monotonic() - began
        table = probabilities(validation.images)
        write_frames(part / f"{split}.csv", validation.labels, codes, table)
        facts["random" if split == "frame" else "event"] = float((table.argmax(axis=1) == validation.classes).mean())
        if split != contestant.split:
            continue
        table = probabilities(contestant.test.images)
        write_frames(part / "winter.csv", contestant.test.labels, codes, table)
        facts["seconds"] = round(seconds, 1)
        facts["ece"] = [None if math.isnan(value) else round(value, 4) for value in ece]
        facts["accepted"] = accepted_share(table, contestant.test.events(), threshold)
        kinds = foreign.reject(foreign_folders, contestant.rule, probabilities, threshold)
        facts["foreign"] = {kind.name: kind.rejected for kind in kinds}
    durable.write_text(done, json.dumps(facts, indent=1) + "\n")
    return facts


def _network(
    recipe: Recipe,
    sources: Sequence[Path],
    test: Sequence[Path],
    seed: int,
    say: Callable[[str], None],
    tick: Callable[[int, int, int], None],
    cache: Path | None,
) -> _Contestant:
    material = trial.load(sources, recipe, seed=seed, say=say, cache=cache)
    other = trial.load(test, recipe, seed=seed, say=say, codes=material.codes, thin=False, cache=cache)

    def train(
        training: LabelledFrames, validation: LabelledFrames
    ) -> tuple[Probabilities, float, tuple[float, float]]:
        trained = trial.train(recipe, training, validation, modes=len(material.codes), seed=seed, tick=tick)
        found = trained.calibrated
        return trained.probabilities, found.threshold, (found.ece_before, found.ece_after)

    split = "frame" if recipe.data.split == "frame" else "event"
    rule = InputEntry(**recipe.input.model_dump()).frame_rule()
    return _Contestant(recipe.name, split, rule, material.frames, other.frames, train)


def _baseline(
    kind: Kind,
    recipe: Recipe,
    sources: Sequence[Path],
    test: Sequence[Path],
    seed: int,
    say: Callable[[str], None],
    cache: Path | None,
) -> _Contestant:
    """Makes the baseline, which sees the frames that the first recipe would, at a size of its own."""
    rule = baseline.rule_for(InputEntry(**recipe.input.model_dump()).frame_rule())
    labels, codes = trial.read(sources, recipe, say=say)
    unseen, _ = trial.read(test, recipe, say=say)
    if recipe.data.per_mode:
        labels = draw_per_mode(labels, recipe.data.per_mode, seed)
    training = load_frames(labels, codes, rule, say, cache=cache)
    present = tuple(code for code in codes if code in {label.mode for label in unseen})
    other = load_frames(unseen, present, rule, say, cache=cache)
    other = replace(other, classes=np.array([codes.index(label.mode) for label in other.labels], np.int64))

    def train(known: LabelledFrames, validation: LabelledFrames) -> tuple[Probabilities, float, tuple[float, float]]:
        model = baseline.train(
            echo_features.measure(known.images), known.classes, kind=kind, modes=len(codes), seed=seed
        )

        def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float64]:
            return model.probabilities(echo_features.measure(images))

        table = probabilities(validation.images)
        threshold = rejection_threshold(table, validation.events(), accept=recipe.release.accept)
        return probabilities, threshold, (math.nan, math.nan)

    return _Contestant(f"echo features, {kind}", "event", rule, training, other, train)
