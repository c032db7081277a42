"""The sizing guide: every number has its source, every table follows from its formulas."""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_sizing import NAMES
from tests.benchmarks.sizing_page import PAGE, PageError, differences, renew, shown


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_cell_is_what_its_formula_gives(text: str) -> None:
    wanted, names = renew(text, {})
    assert not list(differences(text, wanted)), "run: python -m tests.benchmarks.sizing_page --write"
    assert len(names.measured) > 15


def test_every_measured_value_names_a_row_of_the_benchmark_and_none_is_forgotten(text: str) -> None:
    _, names = renew(text, {})
    assert sorted(names.rows.values()) == sorted(NAMES)


def test_a_new_measurement_changes_its_row_and_what_follows_from_it(text: str) -> None:
    _, before = renew(text, {})
    changed, after = renew(text, {"sizing: client, classify a frame": 987.654})
    assert after.measured["client_ms"] == 990
    assert {name for name in before.measured if before.measured[name] != after.measured[name]} == {"client_ms"}
    lines = list(differences(text, changed))
    assert len(lines) >= 5
    assert all("client_ms" in line for line in lines)
    # By hand: a winter of 20,000 frames.
    (line,) = (line for line in changed.splitlines() if line.startswith("| classify PNGs again"))
    expected = 20_000 * (990 + after.measured["classify_ms"]) / 60_000
    assert shown(expected) in line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0123, "0.012"), (0.5, "0.50"), (1.25, "1.2"), (9.99, "10"), (15.3, "15"), (43_488, "43,000")],
)
def test_numbers_have_two_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("formula", ["client_mss * 2", "__import__('os')", "client_ms ** 9", "client_ms /"])
def test_a_formula_that_is_none_is_named(formula: str) -> None:
    page = "| name | value | unit | row |\n|---|---|---|---|\n| `client_ms` | 1 | ms | `x` |\n\n"
    page += f"| what | formula | unit | one |\n|---|---|---|---|\n| a | `{formula}` | s | 1 |\n"
    with pytest.raises(PageError, match=r"\| a \|"):
        renew(page, {})
