"""Shows findings on a terminal, each as soon as it is there."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from client.doctor.finding import Finding, State

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAIL: "bold red", State.SKIPPED: "dim"}


def print_finding(console: Console, finding: Finding) -> None:
    """Prints a finding, and below it what to do."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=11)
    table.add_column(width=9)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(Text(finding.state, style=_STYLES[finding.state]), finding.check, Text(finding.text))
    console.print(table)
    if finding.advice:
        console.print(Padding(Text(f"-> {finding.advice}"), (0, 0, 0, 24)))


def print_verdict(console: Console, findings: list[Finding]) -> None:
    """Prints how many checks ended how."""
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.print(Text(text, style="bold red" if counts[State.FAIL] else "bold"))
