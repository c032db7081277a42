"""A study for people: a table, a picture, a page."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from radar import durable
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style
from radar.verification.report_html import Section, as_page, scores_of
from radar.verification.report_tables import Table, number, with_interval
from radar.verification.report_text import WIDTH, columns
from training.studies.study import Row

NAME = "study"


def table_of(rows: Sequence[Row]) -> Table:
    """Sets the models under each other."""
    header = (
        *("", "random split", "event split", "unseen winter", "HSS", f"HSS of {rows[0].name} minus it", "accepted"),
        "training",
    )
    cells = []
    for row in rows:
        minus = "" if row.against is None else row.against.overall["hss"]
        cells.append(
            (
                row.name,
                number(row.random),
                number(row.event),
                with_interval(row.report.overall["accuracy"], 3),
                with_interval(row.report.overall["hss"], 3),
                minus if isinstance(minus, str) else with_interval(minus, 3),
                f"{row.accepted:.1%}",
                f"{row.seconds:,.0f} s",
            )
        )
    report = rows[0].report
    note = (
        "The first three columns are accuracies: of randomly drawn frames and of whole events of the winters trained "
        f"on, and of a winter that was not ({report.frames:,} frames of {report.events:,} events). In brackets "
        f"{report.level:.0%} intervals that resample whole events, of differences the same events for both. "
        "Accepted: share of the unseen winter, each event weighing the same, with a threshold that accepts 95 % of "
        "the validation events unless the recipe says otherwise."
    )
    return Table("Recipes on an unseen winter", (header, *cells), note)


def foreign_table_of(rows: Sequence[Row]) -> Table:
    """Sets what became of foreign frames under each other."""
    kinds = list(rows[0].foreign)
    cells = [(row.name, *(f"{row.foreign[kind]:.1%}" for kind in kinds)) for row in rows]
    note = "Other places and seasons, where no mode is right; what is not rejected is claimed to be known."
    return Table("Foreign frames rejected", (("", *kinds), *cells), note)


def _tables(rows: Sequence[Row]) -> list[Table]:
    foreign = [foreign_table_of(rows)] if rows[0].foreign else []
    return [table_of(rows), calibration_table_of(rows), *foreign]


def calibration_table_of(rows: Sequence[Row]) -> Table:
    """Sets calibration errors under each other."""
    cells = [
        (row.name, number(row.ece[0]), number(row.ece[1]), number(row.report.calibration.ece.value))
        for row in rows
        if row.report.calibration is not None
    ]
    header = ("", "validation, before", "validation, after", "unseen winter, after")
    return Table("Expected calibration error", (header, *cells), "In bins of equal width; 0 is perfect.")


def finding(rows: Sequence[Row]) -> str:
    """Says in plain words what came out."""
    sentences = [row.against.sentence for row in rows if row.against is not None]
    flattered = [f"{row.name} {row.random:.3f} against {row.report.overall['accuracy'].value:.3f}" for row in rows]
    sentences.append(f"Accuracy by a random split against that on the unseen winter: {', '.join(flattered)}.")
    return " ".join(sentences)


def as_text(rows: Sequence[Row]) -> str:
    """Writes the study as text."""
    blocks = [textwrap.fill(finding(rows), WIDTH)]
    for table in _tables(rows):
        note = textwrap.fill(table.note, WIDTH, initial_indent="  ", subsequent_indent="  ")
        blocks.append("\n".join((table.title, columns(table.rows), note)))
    blocks.append("\n".join(f"* {caveat}" for caveat in rows[0].report.caveats))
    return "\n\n".join(blocks) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """Writes the study for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scores = ("accuracy", "hss", "pss", "macro_f1", "brier", "log_loss")
    header = [f"winter_{score}{end}" for score in scores for end in ("", "_low", "_high")]
    kinds = list(rows[0].foreign)
    writer.writerow(
        (
            *("model", "random_split_accuracy", "event_split_accuracy", *header),
            *("first_minus_this_hss", "first_minus_this_hss_low", "first_minus_this_hss_high"),
            *("accepted", *(f"rejected_{kind}" for kind in kinds), "ece_before", "ece_after", "seconds"),
        )
    )
    for row in rows:
        values: list[float] = [row.random, row.event]
        for score in scores:
            estimate = row.report.overall[score]
            values += [estimate.value, estimate.low, estimate.high]
        minus = None if row.against is None else row.against.overall["hss"]
        values += [math.nan] * 3 if minus is None else [minus.value, minus.low, minus.high]
        values += [row.accepted, *(row.foreign[kind] for kind in kinds), *row.ece, row.seconds]
        writer.writerow((row.name, *(f"{value:.4f}" if math.isfinite(value) else "" for value in values)))
    return text.getvalue()


def draw(rows: Sequence[Row]) -> Figure:
    """Draws the three accuracies of each model, from the flattering to the honest."""
    with style():
        figure = Figure(figsize=(8, 1.5 + 0.5 * len(rows)), layout="constrained")
        title = "What a random split promises, and what an unseen winter keeps"
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        axes = figure.subplots()
        places = np.arange(len(rows))[::-1]
        for place, row in zip(places, rows, strict=True):
            accuracy = row.report.overall["accuracy"]
            axes.plot([row.random, accuracy.value], [place, place], color="0.8", lw=1, zorder=1)
            if accuracy.known:
                axes.plot([accuracy.low, accuracy.high], [place, place], color="#D55E00", lw=5, alpha=0.25, zorder=1)
        for label, marker, color, values in (
            ("random split", "o", "0.6", [row.random for row in rows]),
            ("event split", "s", "#0072B2", [row.event for row in rows]),
            ("unseen winter", "D", "#D55E00", [row.report.overall["accuracy"].value for row in rows]),
        ):
            axes.plot(values, places, marker, color=color, ms=7, mec="black", mew=0.5, ls="none", label=label)
        axes.set_yticks(places, [row.name for row in rows])
        axes.set(xlabel="accuracy", ylim=(-0.6, len(rows) - 0.4))
        axes.set_xlim(right=1.01)
        axes.grid(axis="x", color="0.92")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
        report = rows[0].report
        note = f"Bars: {report.level:.0%} intervals of {report.events:,} events."
        note += f" {SYNTHETIC_NOTE}" if report.synthetic else ""
        figure.supxlabel(note, x=0.01, ha="left", **CREDIT)
    return figure


def write(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Writes the study as text, CSV, picture and page; gives the files.

    Raises:
        OSError: A file cannot be written.
    """
    text, numbers, picture, page = (folder / f"{NAME}.{suffix}" for suffix in ("txt", "csv", "png", "html"))
    durable.write_text(text, as_text(rows))
    durable.write_text(numbers, as_csv(rows))
    with durable.replacing(picture) as file:
        draw(rows).savefig(file, format="png")
    sections = [
        Section("", tables=_tables(rows), figures={"study": draw(rows)}),
        *(scores_of(row.report, row.name) for row in rows),
    ]
    title = " against ".join(row.name for row in rows)
    content = as_page(title, finding(rows), (), rows[0].report.caveats, sections)
    durable.write_text(page, content + "\n")
    return [text, numbers, picture, page]
