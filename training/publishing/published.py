"""What lies in a folder of published models, for people: versions, labels, scores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from radar.seasons import format_utc
from radar.verification.report_text import columns
from serving.protocol.contract import CARD_FILE, MODEL_NAME, ModelCard
from training.errors import TrainingError
from training.publishing import releases
from training.publishing.releases import CONFIG_FILE, PRODUCTION, Releases

SIDES = ("test_by_season", "validation_by_season", "validation_by_event", "validation_by_frame")
"""What scores may be of, the most honest first."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published version; without a card there is the reason."""

    number: int
    labels: tuple[str, ...]
    folder: Path
    card: ModelCard | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of published models.

    Attributes:
        folder: It.
        versions: Newest first.
        releases: What is released.
        warnings: What is not as it should be.
    """

    folder: Path
    versions: tuple[Version, ...]
    releases: Releases
    warnings: tuple[str, ...]


def look(models: Path) -> Shelf:
    """Looks at a folder of published models.

    Raises:
        TrainingError: It holds none, or its records are damaged.
    """
    now = releases.read(models)
    numbers = releases.versions(models)
    if not numbers:
        raise TrainingError(
            f"{models / MODEL_NAME}: expected published models, received none; name their folder with --models"
        )
    found = [_version(models, number, now) for number in reversed(numbers)]
    warnings = []
    for label, number in ((PRODUCTION, now.production), (releases.CANDIDATE, now.candidate)):
        if number is not None and number not in numbers:
            warnings.append(f"The {label} version {number} is not there any more: training promote VERSION")
    path = models / CONFIG_FILE
    if (models / releases.RELEASES_FILE).exists():
        written = path.read_text(encoding="utf-8") if path.exists() else ""
        if written != releases.config_text(models, now):
            warnings.append(
                f"{path} is not what was released; write it again: training promote {now.production} "
                f"--served-at {now.served_at or models.resolve()}"
            )
    elif path.exists():
        warnings.append(
            f"{models / releases.RELEASES_FILE} is not there: the newest version is labelled only because nothing is "
            f"known. Servers answer with the version that {path} names; make it known again: training promote VERSION"
        )
    else:
        warnings.append("Nothing was released by name yet: servers of this folder answer with the newest version.")
    return Shelf(models, tuple(found), now, tuple(warnings))


def as_text(shelf: Shelf, *, history: bool = False) -> str:
    """Writes it as a table."""
    header = ("version", "label", "recipe", "made (UTC)", "HSS (95% interval)", "accuracy", "scored on")
    rows: list[tuple[str, ...]] = [header]
    for version in shelf.versions:
        cells = _cells(version.card) if version.card else ("-", "-", "-", "-", version.problem)
        rows.append((str(version.number), ", ".join(version.labels) or "-", *cells))
    lines = [columns(rows, indent=0), "", f"Cards: {shelf.folder / MODEL_NAME}/VERSION/assets.extra/{CARD_FILE}"]
    if any(version.card is not None and version.card.synthetic for version in shelf.versions):
        lines.append("Scores on synthetic frames say nothing of real snow.")
    lines += [f"Note: {warning}" for warning in shelf.warnings]
    if history:
        lines.append("")
        for step in shelf.releases.history:
            lines.append(f"{format_utc(step.time)}  {step.action:9} {step.version}  {step.note}".rstrip())
    return "\n".join(lines)


def as_json(shelf: Shelf) -> str:
    """Writes it as JSON, with the whole cards."""
    content: dict[str, Any] = {
        "folder": str(shelf.folder),
        "versions": [
            {
                "version": version.number,
                "labels": list(version.labels),
                "folder": str(version.folder),
                "card": None if version.card is None else version.card.model_dump(mode="json"),
                "problem": version.problem or None,
            }
            for version in shelf.versions
        ],
        "releases": shelf.releases.model_dump(mode="json"),
        "warnings": list(shelf.warnings),
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _version(models: Path, number: int, now: Releases) -> Version:
    folder = models / MODEL_NAME / str(number)
    try:
        card = ModelCard.model_validate_json((folder / "assets.extra" / CARD_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        return Version(number, now.labels_of(number), folder, None, f"no card: {first[:60]}")
    return Version(number, now.labels_of(number), folder, card)


def _cells(card: ModelCard) -> tuple[str, ...]:
    side = next((side for side in SIDES if f"{side}_accuracy" in card.metrics), "")
    if not side:
        return card.recipe, f"{card.created:%Y-%m-%d %H:%M}", "-", "-", "nothing"
    hss, low, high = (card.metrics.get(f"{side}_hss{end}") for end in ("", "_low", "_high"))
    skill = "-" if hss is None else f"{hss:.3f}"
    if low is not None and high is not None:
        skill += f" ({low:.3f} to {high:.3f})"
    accuracy = card.metrics.get(f"{side}_accuracy")
    frames, events = card.metrics.get(f"{side}_frames"), card.metrics.get(f"{side}_events")
    basis = f"{frames:,} frames, {events:,} events, {side.replace('_', ' ')}"
    made = f"{card.created:%Y-%m-%d %H:%M}"
    return card.recipe, made, skill, "-" if accuracy is None else f"{accuracy:.3f}", basis
