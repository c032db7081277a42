"""Tables that end a run: modes of a season, several seasons side by side, two versions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from client.classify.job import Outcome
    from client.classify.shadow import Agreement
    from serving.protocol.contract import ModelCard


def mode_table(outcome: Outcome) -> Table:
    """Makes the table of one season: a row a mode."""
    tally, card = outcome.tally, outcome.served.card
    total = max(tally.classified, 1)
    table = _table()
    table.add_column("mode", style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("frames", "share", "mean p", "accepted"):
        table.add_column(name, justify="right")
    table.add_column("")
    for k, mode in enumerate(card.modes):
        count = int(tally.counts[k])
        table.add_row(
            Text(mode.code, style=mode.color),
            mode.name_en,
            mode.name_ja,
            f"{count:,}",
            f"{count / total:.1%}",
            f"{tally.mass[k] / total:.1%}",
            f"{int(tally.accepted[k]) / count:.1%}" if count else "-",
            Text("█" * round(8 * count / total), style=mode.color),
        )
    return table


def seasons_table(outcomes: Sequence[Outcome]) -> Table:
    """Makes the table of several seasons: a row a folder, shares of the modes in percent."""
    card = outcomes[0].served.card
    table = _table()
    table.add_column("folder", style="bold", no_wrap=True)
    for name in ("frames", "failed", "missing"):
        table.add_column(name, justify="right")
    for mode in card.modes:
        table.add_column(Text(mode.code, style=mode.color), justify="right")
    table.add_column("accepted", justify="right")
    for outcome in outcomes:
        tally = outcome.tally
        total = max(tally.classified, 1)
        missing = sum(gap.missing for gap in outcome.gaps)
        table.add_row(
            outcome.folder,
            f"{outcome.frames:,}",
            Text(f"{tally.failed:,}", style="red" if tally.failed else ""),
            Text(f"{missing:,}", style="yellow" if missing else ""),
            *(f"{count / total:.0%}" for count in tally.counts.tolist()),
            f"{tally.accepted.sum() / total:.0%}",
        )
    return table


def agreement_table(agreement: Agreement, card: ModelCard) -> Table:
    """Makes the table of two versions: frames by the mode each gives them."""
    colors = {mode.code: mode.color for mode in card.modes}
    table = _table()
    table.add_column("", style="bold")
    for code in agreement.shadow_codes:
        table.add_column(Text(code, style=colors.get(code, "")), justify="right")
    for code, counts in zip(agreement.codes, agreement.table.tolist(), strict=True):
        cells = (
            Text(f"{count:,}", style="" if code == other or not count else "yellow")
            for other, count in zip(agreement.shadow_codes, counts, strict=True)
        )
        table.add_row(Text(code, style=colors.get(code, "")), *cells)
    return table


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
