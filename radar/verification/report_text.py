"""The report as text, for a terminal or a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from radar.verification.comparison import Comparison
from radar.verification.report import SPLITS, Report
from radar.verification.report_tables import Row, Table, comparison_tables, tables

WIDTH = 100
"""Of running text; tables are as wide as their cells."""


def as_text(report: Report | Comparison) -> str:
    """Writes a report or a comparison as text."""
    if isinstance(report, Report):
        title, split, found = report.title, report.split, tables(report)
    else:
        title, split, found = " against ".join(report.names), report.reports[0].split, comparison_tables(report)
    blocks = [
        f"{title}\n{'=' * len(title)}",
        _wrapped(report.sentence),
        f"Scored on {SPLITS[split]}.",
        *map(_block, found),
        "\n".join(["To know", *(_wrapped(f"* {sentence}", 2) for sentence in report.caveats)]),
    ]
    return "\n\n".join(blocks if report.caveats else blocks[:-1]) + "\n"


def columns(rows: Sequence[Row], *, indent: int = 2) -> str:
    """Sets rows of cells in columns: the first one left, the others right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _block(table: Table) -> str:
    return "\n".join(filter(None, (table.title, columns(table.rows), _wrapped(table.note, 2))))


def _wrapped(text: str, indent: int = 0) -> str:
    space = " " * indent
    hanging = space + ("  " if text.startswith("* ") else "")
    return textwrap.fill(text, WIDTH, initial_indent=space, subsequent_indent=hanging)
