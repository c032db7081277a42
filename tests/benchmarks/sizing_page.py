"""Keeps the tables of `docs/sizing.md` equal to what was measured and to their own formulas.

    python -m tests.benchmarks sizing                # measures, some three minutes; rows go to build/bench.json
    python -m tests.benchmarks.sizing_page --write   # puts the newest rows in, and computes the tables again
    python -m tests.benchmarks.sizing_page           # says which cells do not agree

Three kinds of tables, told apart by their second column. **measured**: name, value, unit, row of the benchmark.
**assumed**: name, meaning, and a value for each case. **formula**: what, formula, unit, and a value for each case;
names in formulas are those of the other two.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "sizing.md"

_OPERATIONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class PageError(ValueError):
    """A table of the page that cannot be understood."""


@dataclass
class Names:
    """What formulas may use.

    Attributes:
        measured: Value by name.
        rows: Row of the benchmark by name.
        cases: Value of each case by name.
    """

    measured: dict[str, float] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    cases: dict[str, list[float]] = field(default_factory=dict)


def renew(text: str, rows: Mapping[str, float]) -> tuple[str, Names]:
    """Gives the page with its tables as they should be.

    Args:
        text: Of the page.
        rows: Value by row of the benchmark; rows that are not there keep the value the page has.

    Raises:
        PageError: A row or a formula makes no sense.
    """
    names, kind, lines = Names(), "", []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            kind = ""
        elif len(cells) > 1 and cells[1] in ("value", "meaning", "formula"):
            kind = cells[1]
        elif kind and not set(line) <= set("|-: "):
            try:
                cells = _READERS[kind](cells, names, rows)
            except (ValueError, KeyError, IndexError, SyntaxError, ZeroDivisionError) as error:
                raise PageError(f"{line!r}: {type(error).__name__}: {error}") from error
            line = f"| {' | '.join(cells)} |"
        lines.append(line)
    return "\n".join(lines) + "\n", names


def newest_rows(file: Path) -> dict[str, float]:
    """Gives the last value of each row that was measured."""
    return {entry["name"]: entry["value"] for entry in json.loads(file.read_text(encoding="utf-8"))}


def shown(value: float) -> str:
    """Writes a number with two digits that count; more would pretend."""
    if not value:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    digits = 1 - math.floor(math.log10(abs(rounded)))  # 9.99 has become 10
    return f"{rounded:,.{max(digits, 0)}f}"


def _measured(cells: list[str], names: Names, rows: Mapping[str, float]) -> list[str]:
    name, value, unit, source = cells
    key, source_row = name.strip("`"), source.strip("`")
    if source_row in rows:
        value = shown(rows[source_row])
    names.measured[key], names.rows[key] = float(value.replace(",", "")), source_row
    return [name, value, unit, source]


def _assumed(cells: list[str], names: Names, _: Mapping[str, float]) -> list[str]:
    name, meaning, *values = cells
    names.cases[name.strip("`")] = [float(value.replace(",", "")) for value in values]
    return [name, meaning, *values]


def _derived(cells: list[str], names: Names, _: Mapping[str, float]) -> list[str]:
    what, formula, unit, *values = cells
    tree = ast.parse(formula.strip("`"), mode="eval").body
    found = []
    for case in range(len(values)):
        known = names.measured | {name: every[case] for name, every in names.cases.items() if case < len(every)}
        found.append(shown(evaluate(tree, known)))
    return [what, formula, unit, *found]


def evaluate(tree: ast.AST, known: Mapping[str, float]) -> float:
    """Computes a formula of numbers, names, + - * / and max(a, b)."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        return tree.value
    if isinstance(tree, ast.Name):
        return known[tree.id]
    if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATIONS:
        return float(_OPERATIONS[type(tree.op)](evaluate(tree.left, known), evaluate(tree.right, known)))
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "max":
        return max(evaluate(argument, known) for argument in tree.args)
    raise ValueError(f"expected numbers, names, + - * / and max, received {ast.unparse(tree)}")


_READERS: dict[str, Callable[[list[str], Names, Mapping[str, float]], list[str]]] = {
    "value": _measured,
    "meaning": _assumed,
    "formula": _derived,
}


def differences(text: str, wanted: str) -> Iterator[str]:
    """Tells line by line where a page is not what it should be."""
    for number, (is_, should) in enumerate(zip(text.splitlines(), wanted.splitlines(), strict=True), 1):
        if is_ != should:
            yield f"{PAGE.name}:{number}: expected {should}\n    received {is_}"


def main() -> None:
    write = "--write" in sys.argv[1:]
    text = PAGE.read_text(encoding="utf-8")
    wanted, _ = renew(text, newest_rows(Path("build/bench.json")) if write else {})
    changed = list(differences(text, wanted))
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
        print(f"{PAGE}: {len(changed)} lines changed")
    elif changed:
        sys.exit("\n".join(changed))


if __name__ == "__main__":
    main()
