"""Runs the fault drill: all scenarios, or those named.

Exit codes: 0 nothing was lost and every promise kept; 1 something was, or nothing could be tried; 2 wrong arguments;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.drill import killed, servers, storage
from tests.drill.disk import NoDisk
from tests.drill.outcome import Outcome, as_json, heading, table_row, verdict
from tests.drill.world import FULL, SMALL, Size, World
from tests.serving.sidecar.postgres import NoPostgres

Scenario = Callable[[World], Outcome]

SCENARIOS: dict[str, Scenario] = {
    function.__name__.replace("_", "-"): function
    for function in (*servers.SCENARIOS, *storage.SCENARIOS, *killed.SCENARIOS)
}


def run(name: str, world: World) -> Outcome:
    """Runs a scenario; one that breaks down is a failure of its own."""
    begun = time.monotonic()
    try:
        outcome = SCENARIOS[name](world)
    except (NoDisk, NoPostgres) as reason:
        return Outcome(name, skipped=str(reason).splitlines()[0])
    except Exception as error:
        traceback.print_exc()
        return Outcome(name, promises=[f"broke down: {type(error).__name__}: {error}"])
    outcome.seconds = time.monotonic() - begun
    return outcome


def drill(names: Sequence[str], size: Size, folder: Path, tell: Callable[[str], None]) -> list[Outcome]:
    """Runs scenarios, one after the other, on the same model servers."""
    tell("publishing a model, starting three model servers")
    world = World(folder, size)
    try:
        world.fleet()
        outcomes = []
        tell(heading())
        for name in names:
            outcomes.append(run(name, world))
            tell(table_row(outcomes[-1]))
        return outcomes
    finally:
        world.close()


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(
        prog="python -m tests.drill",
        description="Breaks what can break under load, on this machine alone, and counts the frames.",
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios, and leave")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--small", action="store_true", help="fewer frames and shorter outages, as in the tests")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output, the table on the other")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and leave everything in place")
    given = parser.parse_args()
    if given.list:
        for name, function in SCENARIOS.items():
            print(f"{name:<14} {function.__doc__}")
        return
    if unknown := sorted(set(given.only or []) - SCENARIOS.keys()):
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(SCENARIOS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or database and disk would outlive it
    begun = time.monotonic()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="snowmode-drill-"))
    names = [name for name in SCENARIOS if given.only is None or name in given.only]
    table = sys.stderr if given.json else sys.stdout
    size = SMALL if given.small else FULL
    try:
        outcomes = drill(names, size, folder, lambda text: print(text, file=table, flush=True))
    except KeyboardInterrupt:
        print(f"Stopped, and all that was started. Logs and results: {folder}", file=table)
        sys.exit(130)
    print(f"{verdict(outcomes)} Took {time.monotonic() - begun:.0f} s.", file=table)
    if given.json:
        print(as_json(outcomes))
    good = all(outcome.ok for outcome in outcomes) and not all(outcome.skipped for outcome in outcomes)
    if given.keep is None and good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs and results: {folder}", file=table)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
