"""A report as files: text, JSON, and, where `snowmode[report]` is installed, HTML and figures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from radar import durable
from radar.verification.comparison import Comparison
from radar.verification.report import Report
from radar.verification.report_json import write_json
from radar.verification.report_text import as_text

NAME = "verification"
FIGURES_HINT = "For the HTML page and the figures: pip install 'snowmode[report]'"


def can_draw() -> bool:
    """Tells whether what figures and pages need is installed."""
    return all(find_spec(name) is not None for name in ("matplotlib", "jinja2"))


def write_report(report: Report | Comparison, folder: Path) -> list[Path]:
    """Writes a report into a folder, which is made.

    Returns:
        What was written: ``verification.txt``, ``.json``, ``.html``, and the figures as PNG.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text, numbers, page = (folder / f"{NAME}.{suffix}" for suffix in ("txt", "json", "html"))
    durable.write_text(text, as_text(report))
    write_json(report, numbers)
    if not can_draw():
        return [text, numbers]
    from radar.verification.report_html import write_figures, write_html

    write_html(report, page)
    figures = write_figures(report, folder) if isinstance(report, Report) else []
    return [text, numbers, page, *figures]
