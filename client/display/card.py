"""Shows a model card on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serving.protocol.connection import ServedModel


def print_card(served: ServedModel) -> None:
    """Prints the modes, sizes, scores and caveats of a served model."""
    card, console = served.card, Console(soft_wrap=True)
    console.print(f"{card.model} version {served.version}, recipe {card.recipe}", style="bold", highlight=False)
    modes = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("mode", "name", "", "meaning"):
        modes.add_column(name)
    for mode in card.modes:
        modes.add_row(Text(mode.code, style=mode.color), mode.name_en, mode.name_ja, mode.meaning)
    console.print(modes)
    facts = {
        "made": f"{card.created:%Y-%m-%d %H:%M} UTC",
        "input": f"{card.input.width}x{card.input.height} pixels, {'cropped' if card.input.crop else 'not cropped'}",
        "heat maps": f"{card.heat_map.width}x{card.heat_map.height} cells",
        "temperature": f"{card.temperature:.3f}",
        "accepted from": f"probability {card.rejection_threshold:.3f}",
        "code": card.git_commit[:12] or "unknown",
        **{
            name.replace("_", " "): score_text(card.metrics, name)
            for name in card.metrics
            if not name.endswith(("_low", "_high"))
        },
    }
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), value)
    console.print(table)
    for caveat in card.caveats:
        console.print(f"- {caveat}", style="yellow", markup=False)


def score_text(metrics: Mapping[str, float | int | None], name: str) -> str:
    """Writes a score of a card, with its interval if the card has one."""
    value, low, high = (metrics.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "undefined"
    return f"{value:.4g}" if low is None or high is None else f"{value:.4g} ({low:.4g} to {high:.4g})"
