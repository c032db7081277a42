"""Shows what a server hosts on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.display.card import score_text
from client.models.hosted import HostedModel, HostedVersion
from serving.protocol.contract import ModelCard
from serving.protocol.inventory import AVAILABLE, END

_STATE_STYLES = {AVAILABLE: "green", END: "red"}


def print_models(models: Sequence[HostedModel], server: str) -> None:
    """Prints a table a model, and below it what the numbers stand on."""
    console = Console(soft_wrap=True)
    for model in models:
        console.print(f"{model.name} at {server}", style="bold", markup=False, highlight=False)
        if model.problem:
            console.print(model.problem, style="red", markup=False, highlight=False)
            continue
        console.print(_versions(model))
        for entry in model.versions:
            if entry.problem:
                console.print(f"{entry.state.version}: {entry.problem}", style="red", markup=False, highlight=False)
        for entry in model.versions:
            if entry.card is not None:
                _print_scores(console, entry, entry.card)
        for label in model.unknown_labels:
            console.print(f"no version of {model.name} has the label {label}", style="yellow", highlight=False)
    console.print(
        "\nA model server tells only of models and labels it is asked for (--model, --label).",
        style="dim",
        markup=False,
    )


def _versions(model: HostedModel) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("version", "state", "", "labels", "recipe", "made (UTC)"):
        table.add_column(name, no_wrap=name != "recipe", overflow="fold")
    for entry in model.versions:
        card = entry.card
        table.add_row(
            str(entry.state.version),
            Text(entry.state.state, style=_STATE_STYLES.get(entry.state.state, "yellow")),
            "answers" if entry.answers else "",
            ", ".join(entry.labels) or "-",
            card.recipe if card else "-",
            f"{card.created:%Y-%m-%d %H:%M}" if card else "-",
        )
    return table


def _print_scores(console: Console, entry: HostedVersion, card: ModelCard) -> None:
    names = [name for name in card.metrics if not name.endswith(("_low", "_high"))]
    console.print(f"Version {entry.state.version}", style="bold", highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_row(
        Text("  modes", style="dim"), Text(" ").join(Text(mode.code, style=mode.color) for mode in card.modes)
    )
    table.add_row(Text("  input", style="dim"), f"{card.input.width}x{card.input.height} pixels")
    for name in names:
        table.add_row(Text(f"  {name.replace('_', ' ')}", style="dim"), score_text(card.metrics, name))
    if not names:
        table.add_row(Text("  scores", style="dim"), "none in its card")
    console.print(table)
    for caveat in card.caveats:
        console.print(f"  - {caveat}", style="yellow", markup=False, highlight=False)
