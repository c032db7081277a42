"""A small turn of the fault drill; `make drill` is the full one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.drill.__main__ import SCENARIOS, run
from tests.drill.outcome import Outcome, as_json, heading, table_row, verdict
from tests.drill.world import World


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost(name: str, world: World) -> None:
    outcome = run(name, world)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    print(f"{heading()}\n{table_row(outcome)}")
    assert outcome.promises == []
    assert (outcome.lost, outcome.twice) == (0, 0)
    assert outcome.sent > 0


def test_what_is_lost_or_comes_twice_is_found() -> None:
    outcome = Outcome("one")
    outcome.account(["a", "b", "c"], ["a", "b", "b"], ["a", "b", "c", "x"])
    assert (outcome.sent, outcome.results, outcome.sidecar, outcome.lost, outcome.twice) == (3, 3, 4, 1, 1)
    assert outcome.promises == [
        "1 frames are not in the results: ['c']",
        "1 frames in the sidecar that nobody sent: ['x']",
    ]
    assert not outcome.ok
    assert "NOT KEPT: 1 frames are not in the results" in table_row(outcome)
    good, absent = Outcome("two", sent=5, results=5), Outcome("three", skipped="no disk")
    assert verdict([outcome, good, absent]) == "FAILED: one. 1 of 8 frames lost; 1 not run."
    assert verdict([good, absent]) == "1 scenarios, 5 frames, none lost, none twice; 1 not run."
    assert [one["ok"] for one in json.loads(as_json([outcome, good]))] == [False, True]


def test_a_frame_lost_in_the_results_and_found_in_the_sidecar_is_lost() -> None:
    outcome = Outcome("one")
    outcome.account(["a"], [], ["a"])
    assert outcome.lost == 1


def test_a_scenario_that_breaks_down_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: World) -> Outcome:
        raise TimeoutError("never happened")

    monkeypatch.setitem(SCENARIOS, "broken", broken)
    outcome = run("broken", None)  # type: ignore[arg-type]
    assert outcome.promises == ["broke down: TimeoutError: never happened"]


def test_the_command_lists_its_scenarios_and_refuses_others() -> None:
    command = [sys.executable, "-m", "tests.drill"]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(SCENARIOS)
    refused = subprocess.run([*command, "--only", "earthquake"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no scenario earthquake; there are: kill-one" in refused.stderr
