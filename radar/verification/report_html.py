"""The report as one HTML page that opens without a network; needs `pip install 'snowmode[report]'`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from radar import durable
from radar.verification.comparison import Comparison
from radar.verification.plots import FIGURES, style
from radar.verification.report import SPLITS, Report
from radar.verification.report_tables import Table, comparison_tables, names_of_scores, tables


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page; what is empty is left out.

    Attributes:
        heading: Empty goes on under the heading before.
        paragraphs: Running text.
        tables: Below it.
        figures: Below them, by name; drawn into the page as SVG.
    """

    heading: str = ""
    paragraphs: tuple[str, ...] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


def as_html(report: Report | Comparison, *, before: Sequence[Section] = (), after: Sequence[Section] = ()) -> str:
    """Writes a report or a comparison as a page, with its figures inside.

    Args:
        report: What to write.
        before: Further sections before the scores.
        after: Further sections after them.
    """
    if isinstance(report, Report):
        title, split = report.title, report.split
        sections = [scores_of(report, "Scores" if before else "")]
    else:
        title, split = " against ".join(report.names), report.reports[0].split
        sections = [Section(tables=comparison_tables(report))]
        sections += [scores_of(one, one.title) for one in report.reports]
    paragraphs = (f"Scored on {SPLITS[split]}.",)
    return as_page(title, report.sentence, paragraphs, report.caveats, (*before, *sections, *after))


def scores_of(report: Report, heading: str) -> Section:
    """Gives the tables and figures of a report as a section."""
    drawn = {name: draw(report) for name, draw in FIGURES.items()}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    return Section(heading, tables=tables(report), figures=figures)


def as_page(
    title: str, finding: str, paragraphs: Sequence[str], caveats: Sequence[str], sections: Sequence[Section]
) -> str:
    """Writes a page that opens without a network.

    Args:
        title: What it is about.
        finding: What came out, in plain words.
        paragraphs: Running text below.
        caveats: What to know about it all.
        sections: The rest.
    """
    source = resources.files("radar.verification").joinpath("report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    shown = [
        (part, [(name, _as_svg(f"part{n}-{name}", figure)) for name, figure in part.figures.items()])
        for n, part in enumerate(sections)
    ]
    return page.render(
        title=title,
        finding=finding,
        paragraphs=paragraphs,
        caveats=caveats,
        sections=shown,
        names=names_of_scores(),
    )


def write_html(report: Report | Comparison, path: Path) -> None:
    """Writes the page, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    durable.write_text(path, as_html(report) + "\n")


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Writes every figure of a report into a folder as PNG; gives the files.

    Raises:
        OSError: A file cannot be written.
    """
    written = []
    for name, draw in FIGURES.items():
        figure = draw(report)
        if figure is not None:
            written.append(folder / f"{name}.png")
            with durable.replacing(written[-1]) as file, style():
                figure.savefig(file, format="png")
    return written


def _as_svg(name: str, figure: Figure) -> Markup:
    text = io.StringIO()
    with style():
        figure.savefig(text, format="svg", metadata={"Date": None})
    # Several figures stand in one page, and matplotlib gives the ids of each from the same range.
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text.getvalue())
    return Markup(svg[svg.index("<svg") :])  # our own drawing; matplotlib escapes its texts
