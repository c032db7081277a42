"""Scenarios of our own programs, killed in the middle of their work."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.client.watch.watching import Watching, watching
from tests.drill.outcome import Outcome
from tests.drill.programs import Classifying, Pace, feeding, recorded, rows_of, visiting_page, wait_for
from tests.drill.world import SEASON, World, add_classified, add_visits, day_files, settle, sidecars


def kill_client(world: World) -> Outcome:
    """`client classify` is killed again and again; the same command goes on."""
    outcome, place, fleet = Outcome("kill-client"), world.place("kill-client"), world.fleet()
    season, names = world.season()
    out, chance = place / "season.csv", random.Random(7)
    for n in range(world.size.kills):
        with Classifying(season, fleet.target, out, "--threads", 1) as run:
            run.wait_rows(max(run.done(), len(names) * n // (2 * world.size.kills)) + chance.randrange(1, 200))
    rows, begun = run.done(), time.monotonic()
    outcome.promise(not out.exists(), "a run was finished before it was killed: this proves nothing")
    with Classifying(season, fleet.target, out) as last:
        outcome.recovery = outcome.standstill = wait_for(
            lambda: last.done() > rows or last.process.poll() is not None, "results go on"
        )
        code = last.end()
    outcome.promise(code == 0, f"the last run ended with {code}: {last.log.read_text()[-500:]}")
    add_classified(outcome, names, last)
    outcome.note = f"killed {world.size.kills} times; the last run took {time.monotonic() - begun:.1f} s"
    return outcome


def kill_watcher(world: World) -> Outcome:
    """`client watch` is killed again and again while frames come in."""
    outcome, place, fleet = Outcome("kill-watcher"), world.place("kill-watcher"), world.fleet()
    incoming, out, chance = place / SEASON, place / "watch", random.Random(11)
    with feeding(incoming, world.pictures, rate=world.size.rate) as feeder:
        pace, blow = Pace(lambda: len(rows_of(*day_files(out)))), 0.0
        for _ in range(world.size.kills):
            with watching(incoming, fleet.target, out) as watch:
                watch.until_said("model snowmode")
                time.sleep(chance.uniform(0.0, 1.0))
                blow = blow or time.monotonic()
                watch.process.kill()
                watch.process.wait()
        with watching(incoming, fleet.target, out) as watch:
            came, repaired = len(feeder.names), time.monotonic()
            wait_for(lambda: len(rows_of(*day_files(out))) >= came, "the watcher has caught up")
            outcome.recovery = time.monotonic() - repaired
            outcome.standstill = pace.standstill(blow)
            settle(outcome, feeder, watch)
    outcome.note = f"killed {world.size.kills} times; recovery is with the start of the program"
    return outcome


def kill_sidecar(world: World) -> Outcome:
    """The sidecar is killed while frames are recorded, and comes back."""
    outcome, place, fleet = Outcome("kill-sidecar"), world.place("kill-sidecar"), world.fleet()
    incoming, out = place / SEASON, place / "watch"
    with (
        sidecars(place, f"sqlite:///{place / 'winter.sqlite'}", fleet.servers[0].target) as host,
        feeding(incoming, world.pictures, rate=world.size.rate) as feeder,
        watching(incoming, fleet.target, out, "--sidecar", host.one.url) as watch,
    ):
        watch.until(lambda: len(recorded(host.one, SEASON)) > 10, "the first frames in the sidecar")
        pace, blow = Pace(lambda: len(rows_of(*day_files(out)))), time.monotonic()
        with visiting_page(host.one) as visitor:
            host.kill()
            _go_on_without(watch)
            time.sleep(world.size.outage)
        host.start()
        came, repaired = len(feeder.names), time.monotonic()
        wait_for(lambda: len(recorded(host.one, SEASON)) >= came, "the sidecar has caught up")
        outcome.recovery = time.monotonic() - repaired
        outcome.standstill = pace.standstill(blow)
        settle(outcome, feeder, watch, host.one)
    add_visits(outcome, visitor)
    outcome.note = "results go on meanwhile"
    return outcome


def _go_on_without(watch: Watching) -> None:
    watch.until_said("records cannot be sent")
    rows = len(rows_of(*day_files(watch.out)))
    wait_for(lambda: len(rows_of(*day_files(watch.out))) > rows, "results go on without the sidecar")


SCENARIOS: tuple[Callable[[World], Outcome], ...] = (kill_client, kill_watcher, kill_sidecar)
