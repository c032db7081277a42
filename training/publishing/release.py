"""From a finished run to a published version: the comparison with production, the release gate, the label."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from radar import durable, frames
from radar.errors import FrameError
from serving.protocol import contract
from serving.protocol.contract import ModelCard
from training import architectures
from training.architectures import Network
from training.data import manifest
from training.errors import GateError, TrainingError
from training.publishing import export, gate, judge, publish, published, releases
from training.publishing.judge import Verdict
from training.records import (
    MANIFEST_FILE,
    PUBLISHED_FILE,
    TEST_FILE,
    load_weights,
    read_card,
    read_recipe,
)
from training.validation import FRAMES_FILE, facts_of, read_frames

_LOOKED_AT = 6  # frames that the gate runs through every path


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a model.

    Attributes:
        folder: Of the version.
        labels: ``production``, ``candidate``.
        verdict: Of the comparison with production; None if the model was published before.
        doubt: Why it should not be relied on, if it went into production unseen.
    """

    folder: Path
    labels: tuple[str, ...]
    verdict: Verdict | None
    doubt: str = ""

    @property
    def sentence(self) -> str:
        """The outcome in plain words."""
        version = self.folder.name
        if self.verdict is None:
            labels = f", {' and '.join(self.labels)}" if self.labels else ""
            return (
                f"Published already, as version {version}{labels}; nothing was done. To publish it once more: "
                "training publish RUN --again"
            )
        if releases.PRODUCTION in self.labels:
            return f"Published as version {version}, the first in production." + (self.doubt and f" {self.doubt}")
        return (
            f"Published as version {version}, a candidate: to put it into production, training promote {version}. "
            + self.verdict.sentence
        )


def release(
    network: Network,
    card: ModelCard,
    folder: Path,
    *,
    models: Path,
    images: NDArray[np.uint8],
    seed: int,
    say: Callable[[str], None],
    even_if_worse: bool = False,
    version: int | None = None,
    served_at: Path | None = None,
    again: bool = False,
) -> Released:
    """Publishes the model of a run, unless something stands against it, or it was published before.

    Args:
        network: Trained.
        card: What it will say of itself.
        folder: Of the run.
        models: Where to publish: ``<models>/snowmode/<version>``.
        images: Some frames for the gate, uint8, shape (N, H, W, 3), N >= 2.
        seed: Of the resampling.
        say: Called with lines of progress.
        even_if_worse: Publishes a model that is worse than the one in production, too.
        version: Wanted number; by default that of the card.
        served_at: Path of `models` as model servers see it.
        again: Publishes it even if it is there already.

    Raises:
        GateError: The model fails the release gate, or is of an architecture without heat maps.
        RefusedError: It is worse than the one in production.
        TrainingError: It cannot be published there.
    """
    if not network.explains:
        raise GateError(
            f"{card.recipe}: a baseline only, not to be published: its architecture keeps no sense of place, so "
            "there are no heat maps. Its scores stand in the report of the run"
        )
    note = f"{card.recipe}, run {folder.resolve().name}"
    if not again and (before := _published_before(models, card)) is not None:
        # Killed in between, a job publishes a version that nobody was told of.
        now = releases.offer(models, before, note=note, served_at=served_at, unless_told=True)
        found = Released(models / contract.MODEL_NAME / str(before), now.labels_of(before), None)
        if not (folder / PUBLISHED_FILE).exists():  # otherwise the verdict of then would be lost
            _record(folder, found)
        return found
    verdict = judge_run(folder, models, card, seed=seed)
    say(verdict.sentence)
    verdict.refuse_worse(even_if_worse=even_if_worse)

    def make(target: Path) -> None:
        say("Exporting")
        export.write(target, network, card)
        listing = (folder / MANIFEST_FILE).read_text(encoding="utf-8")
        (target / "assets.extra" / MANIFEST_FILE).write_text(listing, encoding="utf-8")
        chosen = images[np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(int)]
        for line in gate.check(target, card, chosen, export.signatures(network, card)):
            say(f"  passed  {line}")

    wanted = publish.version_of(card.created) if version is None else version
    target = publish.publish(models / contract.MODEL_NAME, wanted, make)
    number = int(target.name)
    labels = releases.offer(models, number, note=note, served_at=served_at).labels_of(number)
    released = Released(target, labels, verdict, _doubt(card) if verdict.version is None else "")
    if released.doubt:
        say(released.doubt)
    _record(folder, released)
    return released


def _published_before(models: Path, card: ModelCard) -> int | None:
    """Finds the newest version that was made of the same run: its card tells when that began and of what."""
    for number in reversed(releases.versions(models)):
        try:
            path = models / contract.MODEL_NAME / str(number) / "assets.extra" / contract.CARD_FILE
            other = ModelCard.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if _origin(other) == _origin(card):
            return number
    return None


def _origin(card: ModelCard) -> str:
    return card.model_dump_json(include={"created", "recipe", "settings", "manifest_sha256"})


def _doubt(card: ModelCard) -> str:
    """Says that a model which nothing was there to be held against may be no better than guessing."""
    side = next((side for side in published.SIDES if f"{side}_accuracy" in card.metrics), "")
    low, high = (card.metrics.get(f"{side}_hss{end}") for end in ("_low", "_high"))
    if low is not None and low > 0:
        return ""
    known = "too few events were held out to tell its skill"
    if low is not None and high is not None:
        known = f"the 95% interval of its HSS is {low:.2f} to {high:.2f}"
    return (
        f"Warning: it is in production because it is the first, not because it is good: {known}, so it may be no "
        "better than guessing. Train on more events before anybody relies on it."
    )


def _record(folder: Path, released: Released) -> None:
    sentence = released.verdict.sentence if released.verdict else released.sentence
    number = int(released.folder.name)
    record = {"model": str(released.folder), "version": number, "labels": list(released.labels), "verdict": sentence}
    durable.write_text(folder / PUBLISHED_FILE, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def judge_run(folder: Path, models: Path, card: ModelCard, *, seed: int) -> Verdict:
    """Compares the model of a run with the one in production, on the frames the run held out.

    Raises:
        TrainingError: Records are missing, or the model in production cannot be loaded.
    """
    sealed = (folder / TEST_FILE).exists()
    keys, sample = read_frames(folder / (TEST_FILE if sealed else FRAMES_FILE))
    place = {
        (label.season, label.path.name): label.path for label in manifest.read(folder / MANIFEST_FILE, card.codes)
    }
    if missing := [name for season, name in keys if (season, name) not in place]:
        raise TrainingError(
            f"{folder / MANIFEST_FILE}: expected every held-out frame, received none of the name {missing[0]!r}"
        )
    split = "season" if sealed else str(facts_of(folder)["split"])
    paths = [place[key] for key in keys]
    return judge.judge(models, keys, sample, paths, split=split, synthetic=card.synthetic, seed=seed)


def publish_run(
    folder: Path,
    models: Path,
    *,
    say: Callable[[str], None],
    seed: int = 0,
    even_if_worse: bool = False,
    served_at: Path | None = None,
    again: bool = False,
) -> Released:
    """Publishes the model of a finished run.

    Args:
        folder: Of the run.
        models: Where to publish.
        say: Called with lines of progress.
        seed: Of the resampling.
        even_if_worse: See `release`.
        served_at: See `release`.
        again: See `release`.

    Raises:
        GateError: The model fails the release gate.
        RefusedError: It is worse than the one in production.
        TrainingError: The folder is none of a finished run, or it cannot be published there.
    """
    recipe, card = read_recipe(folder), read_card(folder)
    publish.check_writable(models / contract.MODEL_NAME, "--models")
    network = architectures.build(
        recipe.architecture, height=card.input.height, width=card.input.width, modes=len(card.modes)
    )
    load_weights(network.model, folder)
    return release(
        network,
        card,
        folder,
        models=models,
        images=_some_frames(folder, card),
        seed=seed,
        say=say,
        even_if_worse=even_if_worse,
        version=publish.version_of(datetime.now(UTC)),
        served_at=served_at,
        again=again,
    )


def _some_frames(folder: Path, card: ModelCard) -> NDArray[np.uint8]:
    """Loads some held-out frames for the gate; where they were moved away, noise has to do."""
    rule = card.input.frame_rule()
    labels = [label for label in manifest.read(folder / MANIFEST_FILE, card.codes) if label.split != "training"]
    images = []
    for n in np.unique(np.linspace(0, len(labels) - 1, _LOOKED_AT).astype(int)) if labels else ():
        try:
            images.append(frames.load(labels[n].path, rule))
        except FrameError:
            continue
    if len(images) >= 2:
        return np.stack(images)
    shape = (_LOOKED_AT, rule.height, rule.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
