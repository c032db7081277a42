"""The report as one HTML page that opens without a network; needs `pip install 'snowmode[report]'`."""

from __future__ import annotations

import io
import re
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from radar import durable
from radar.verification.comparison import Comparison
from radar.verification.plots import FIGURES, style
from radar.verification.report import SPLITS, Report
from radar.verification.report_tables import comparison_tables, names_of_scores, tables


def as_html(report: Report | Comparison) -> str:
    """Writes a report or a comparison as a page, with its figures inside."""
    if isinstance(report, Report):
        title, split = report.title, report.split
        sections = [(tables(report), _figures(report, ""), "")]
    else:
        title, split = " against ".join(report.names), report.reports[0].split
        sections = [(comparison_tables(report), [], "")]
        sections += [(tables(one), _figures(one, f"model{n}-"), one.title) for n, one in enumerate(report.reports)]
    source = resources.files("radar.verification").joinpath("report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    return page.render(
        title=title,
        sentence=report.sentence,
        split=SPLITS[split],
        caveats=report.caveats,
        sections=sections,
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


def _figures(report: Report, place: str) -> list[tuple[str, Markup]]:
    drawn = ((name, draw(report)) for name, draw in FIGURES.items())
    return [(name, _as_svg(f"{place}{name}", figure)) for name, figure in drawn if figure is not None]


def _as_svg(name: str, figure: Figure) -> Markup:
    text = io.StringIO()
    with style():
        figure.savefig(text, format="svg", metadata={"Date": None})
    # Several figures stand in one page, and matplotlib gives the ids of each from the same range.
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text.getvalue())
    return Markup(svg[svg.index("<svg") :])  # our own drawing; matplotlib escapes its texts
