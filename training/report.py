"""The report of a run as one page: what was trained, how it went, how good it is, what became of it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radar import durable
from radar.verification.plots import SYNTHETIC_NOTE, confusion
from radar.verification.report import Report
from radar.verification.report_html import Section, as_html, scores_of
from radar.verification.report_tables import Table, number
from serving.protocol.contract import ModelCard
from training import pictures
from training.architectures import Network
from training.calibrate import Calibrated
from training.data.splits import SIDES
from training.foreign import Foreign
from training.layers import layer_diagram
from training.recipe import Recipe
from training.records import MANIFEST_FILE, METRICS_FILE, REPORT_FILE


def write_page(
    folder: Path,
    card: ModelCard,
    *,
    report: Report,
    test: Report | None,
    sections: Sequence[Section],
    outcome: str,
) -> Path:
    """Writes the page of a run, whole or not at all.

    Args:
        folder: Of the run.
        card: Of the model.
        report: Scores of the validation frames.
        test: Scores of the sealed winter, if there is one.
        sections: What `sections_of` made.
        outcome: What became of the model.

    Returns:
        The page.

    Raises:
        OSError: It cannot be written.
    """
    before = [Section("What became of it", paragraphs=(outcome,)), *sections]
    after = [] if test is None else [scores_of(test, f"Sealed winter: {test.title}")]
    columns = {"confusion-columns": _columns(report)}
    after.insert(0, Section("What a prediction is worth", paragraphs=(_COLUMNS,), figures=columns))
    after.append(Section("The recipe in full", tables=[_settings(card)]))
    path = folder / REPORT_FILE
    durable.write_text(path, as_html(report, before=before, after=after) + "\n")
    return path


_COLUMNS = (
    "The same table read the other way: of the frames that were called a mode, how many were it (success ratio, "
    "precision)."
)


def sections_of(
    network: Network,
    recipe: Recipe,
    card: ModelCard,
    calibrated: Calibrated,
    accepted: float,
    foreign: Sequence[Foreign],
    folder: Path,
) -> list[Section]:
    """Makes the sections that stand before the scores: recipe, frames, training, calibration, foreign frames.

    Args:
        network: Trained.
        recipe: What it was made by.
        card: Of the model.
        calibrated: What calibration found.
        accepted: Share of validation frames that are accepted, each event weighing the same.
        foreign: What became of foreign frames.
        folder: Of the run, with its manifest and metrics.
    """
    curve = pictures.learning_curve_figure(
        folder / METRICS_FILE, title=recipe.name, last_kept=not recipe.fit.patience
    )
    return [
        Section("Training", tables=[_facts(recipe, card), _frames(folder, card)], figures={"curve": curve}),
        Section("The network", figures={"layers": layer_diagram(network, title=recipe.architecture)}),
        Section("Calibration", tables=[calibration_table(calibrated, accepted)]),
        *([foreign_section(foreign, card)] if foreign else []),
    ]


def calibration_table(calibrated: Calibrated, accepted: float) -> Table:
    """Sets calibration errors before and after, and the threshold."""
    rows = (
        ("", "expected calibration error"),
        ("before: plain softmax", number(calibrated.ece_before)),
        (f"after: logits divided by {calibrated.temperature:.3f}", number(calibrated.ece_after)),
        ("after, on events it was not fitted to", number(calibrated.ece_unseen)),
    )
    note = (
        f"In bins of equal width; 0 is perfect. A frame is accepted if its largest probability reaches "
        f"{calibrated.threshold:.4f}: chosen to accept {calibrated.accept:.0%} of the validation frames, each event "
        f"weighing the same ({accepted:.1%} are)."
    )
    return Table("Temperature and threshold", rows, note)


def foreign_section(foreign: Sequence[Foreign], card: ModelCard) -> Section:
    """Sets what became of frames that are none of the known weather."""
    rows = [
        (
            kind.name,
            f"{kind.frames:,}",
            f"{kind.rejected:.1%}",
            f"{kind.confidence:.2f}",
            *(f"{count:,}" for count in kind.predicted.tolist()),
        )
        for kind in foreign
    ]
    header = ("", "frames", "rejected", "median probability", *(f"called {code}" for code in card.codes))
    note = "Pictures of other places and seasons: no mode is right. What is not rejected is claimed to be known."
    return Section("Foreign frames", tables=[Table("How many are turned away", (header, *rows), note)])


def _facts(recipe: Recipe, card: ModelCard) -> Table:
    rows = [
        ("", ""),
        ("recipe", recipe.name),
        ("architecture", recipe.architecture),
        ("input", f"{card.input.height} x {card.input.width} pixels"),
        ("split", f"by {recipe.data.split}"),
        ("seed", str(card.settings.get("seed", "-"))),
        ("made (UTC)", f"{card.created:%Y-%m-%d %H:%M}"),
        *card.libraries.items(),
        ("commit", card.git_commit[:12] or "-"),
        ("manifest", card.manifest_sha256[:12]),
    ]
    return Table("Made of", tuple(rows))


def _frames(folder: Path, card: ModelCard) -> Table:
    """Counts frames and events of each mode on each side of the split."""
    with (folder / MANIFEST_FILE).open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    sides = [side for side in SIDES if any(row["split"] == side for row in listed)]
    frames = Counter((row["split"], row["label"]) for row in listed)
    of_events = {(row["split"], row["label"], row["season"], row["event"]) for row in listed}
    events = Counter((side, mode) for side, mode, *_ in of_events)
    rows = []
    for code in card.codes:
        cells = [f"{count[side, code]:,}" for side in sides for count in (frames, events)]
        rows.append((code, *cells))
    total = [sum(count[side, code] for code in card.codes) for side in sides for count in (frames, events)]
    rows.append(("all", *(f"{number:,}" for number in total)))
    header = ("", *(f"{side} {what}" for side in sides for what in ("frames", "events")))
    return Table("Frames and events", (header, *rows))


def _settings(card: ModelCard) -> Table:
    rows = [("", "")]
    for name, value in card.settings.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{key}", _plain(item)) for key, item in value.items()]
        else:
            rows.append((name, _plain(value)))
    return Table("", tuple(rows))


def _columns(report: Report) -> Any:
    note = SYNTHETIC_NOTE if report.synthetic else ""
    return confusion(np.asarray(report.table), report.codes, title=report.title, note=note, of="predicted")


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
