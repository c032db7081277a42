"""A small turn of the fault drill; `make drill` is the full one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drill.__main__ import SCENARIOS, run
from tests.drill.outcome import Outcome, as_json, heading, table_row, verdict
from tests.drill.programs import Feeder, Visitor, wait_for
from tests.drill.world import World, add_visits, sidecars
from tests.serving.sidecar.process import Sidecar


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


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_sidecar_that_starts_while_the_drill_is_stopped_is_ended(
    stop: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sidecar] = []

    def interrupted(one: Sidecar) -> None:
        started.append(one)
        raise stop

    monkeypatch.setattr(Sidecar, "wait", interrupted)
    with pytest.raises(stop), sidecars(tmp_path, f"sqlite:///{tmp_path / 'winter.sqlite'}", "127.0.0.1:1"):
        pytest.fail("it was not waited for")
    assert [one.process.poll() for one in started] == [-signal.SIGKILL]


def test_a_visitor_goes_on_counting_whatever_fails() -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        raise ValueError("odd")

    visitor = Visitor(ask)
    visitor.start()
    wait_for(lambda: len(asked) > 2, "asked again")
    visitor.stop()
    outcome = Outcome("one")
    add_visits(outcome, visitor)
    assert outcome.failed_calls == outcome.calls == len(asked)
    assert (visitor.first_failure, outcome.promises) == ("odd", [])


def test_what_was_not_put_under_load_proves_nothing(tmp_path: Path) -> None:
    outcome = Outcome("one")
    add_visits(outcome, Visitor(lambda: "200"))
    assert outcome.promises == ["nobody asked meanwhile: that no call failed proves nothing"]
    busy = Visitor(lambda: "200")
    busy.answers["200"] = 3
    for visitor, broken in ((busy, 1), (Visitor(lambda: "200"), 2)):  # those of one do not speak for another
        add_visits(outcome, visitor)
        assert len(outcome.promises) == broken
    feeder = Feeder(tmp_path / "incoming", [b"x"], rate=100.0)
    (tmp_path / "incoming").rmdir()
    feeder.start()
    feeder.join()
    with pytest.raises(RuntimeError, match="no frame came after the first 0"):
        feeder.stop()


def test_the_command_lists_its_scenarios_and_refuses_others() -> None:
    command = [sys.executable, "-m", "tests.drill"]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(SCENARIOS)
    refused = subprocess.run([*command, "--only", "earthquake"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no scenario earthquake; there are: kill-one" in refused.stderr
