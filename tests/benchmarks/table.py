"""The one table of all benchmarks, and the file its rows are collected in."""

from __future__ import annotations

import json
import operator
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value.

    Attributes:
        name: What was measured, beginning with the name of the benchmark.
        value: The median of the rounds.
        unit: Of value and goal; ``1`` for ratios.
        goal: Such as ``">= 60"``; empty for values that are only shown.
        ok: Whether the goal is met; None without a goal.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    ok: bool | None = None


def row(name: str, values: float | Sequence[float], unit: str, goal: str = "") -> Row:
    """Makes a row from the values of several rounds, and checks the goal."""
    value = values if isinstance(values, int | float) else statistics.median(values)
    ok = None
    if goal:
        sign, _, limit = goal.partition(" ")
        ok = _COMPARE[sign](value, float(limit))
    return Row(name, float(f"{value:.4g}"), unit, goal, ok)


def show(row: Row) -> None:
    """Prints a row."""
    verdict = {None: "", True: "ok", False: "MISSED"}[row.ok]
    print(f"{row.name:<58} {row.value:>10,.4g} {row.unit:<9} {row.goal:<9} {verdict}", flush=True)


def append(rows: Iterable[Row], file: Path) -> None:
    """Adds rows to a JSON list, which is replaced whole."""
    earlier = json.loads(file.read_text()) if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps([*earlier, *map(asdict, rows)], indent=1) + "\n")
    temporary.replace(file)
