"""The threat model: what it names as tried is there to be tried."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:tests|k8s|docker|client|serving|radar|training)/[\w./-]+(?:::\w+)?)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 5]


def test_there_are_many() -> None:
    assert len(NAMED) > 50
    assert len(ROWS) > 30


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert (ROOT / path).exists()
    if test:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("| threat")], ids=lambda row: row[2:50])
def test_a_threat_is_met_and_tried_or_said_to_be_left_open(row: str) -> None:
    _, done, tried, left = (cell.strip() for cell in row.strip("|").split("|"))
    assert done
    assert re.search(r"`[\w./-]+", tried) or "**not covered**" in done + left
