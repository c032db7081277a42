"""Scenarios of model servers: killed, frozen, added, replaced by other versions."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack

from serving.protocol.targets import read_target
from tests.client.watch.watching import watching
from tests.drill.name_server import name_server
from tests.drill.outcome import Outcome
from tests.drill.programs import Classifying, Pace, feeding, rows_of, visiting_model, wait_for
from tests.drill.world import SEASON, World, add_classified, add_visits, day_files, in_the_middle, settle

NAME = "model-server.drill"


def kill_one(world: World) -> Outcome:
    """One of three model servers is killed while a winter is classified, and comes back."""
    outcome, place, fleet = Outcome("kill-one"), world.place("kill-one"), world.fleet()
    season, names = world.season()
    victim = fleet.servers[1]
    with (
        visiting_model(read_target(fleet.target)) as visitor,
        Classifying(season, fleet.target, place / "season.csv") as run,
    ):
        pace = Pace(run.done)
        run.wait_rows(len(names) // 10)
        before = fleet.answered()
        in_the_middle(outcome, run, names)
        blow = time.monotonic()
        victim.kill()
        rows = run.done()
        outcome.recovery = wait_for(lambda: run.done() > rows or run.process.poll() is not None, "the next results")
        victim.start()
        code = run.end()
        outcome.standstill = pace.standstill(blow)
        victim.wait()
        took = wait_for(lambda: victim.answered() > 5, "the server that came back gets calls")
    outcome.promise(code == 0, f"`client classify` ended with {code}: {run.log.read_text()[-500:]}")
    outcome.promise(min(before) > 0, f"calls were not spread over all three servers: {before}")
    outcome.promise(visitor.failed == 0, f"calls failed though two servers were left: {visitor.first_failure}")
    add_classified(outcome, names, run)
    add_visits(outcome, visitor)
    outcome.note = f"calls before the blow {_spread(before)}; back in turn {took:.1f} s after its start"
    return outcome


def freeze_one(world: World) -> Outcome:
    """One of three model servers hangs for a while and goes on, with calls in its hands."""
    outcome, place, fleet = Outcome("freeze-one"), world.place("freeze-one"), world.fleet()
    season, names = world.season()
    victim = fleet.servers[2]
    with Classifying(season, fleet.target, place / "season.csv") as run:
        pace = Pace(run.done)
        run.wait_rows(len(names) // 10)
        in_the_middle(outcome, run, names)
        blow = time.monotonic()
        victim.signal(signal.SIGSTOP)
        try:
            time.sleep(world.size.outage)
        finally:
            victim.signal(signal.SIGCONT)
        rows = run.done()
        outcome.recovery = wait_for(lambda: run.done() > rows or run.process.poll() is not None, "the next results")
        code = run.end()
        outcome.standstill = pace.standstill(blow)
    outcome.promise(code == 0, f"`client classify` ended with {code}: {run.log.read_text()[-500:]}")
    add_classified(outcome, names, run)
    outcome.note = f"frozen for {world.size.outage:g} s"
    return outcome


def kill_only(world: World) -> Outcome:
    """The only model server is killed while a winter is classified and new frames come in, and comes back."""
    outcome, place, fleet = Outcome("kill-only"), world.place("kill-only"), world.fleet()
    season, names = world.season()
    only = fleet.servers[0]
    incoming, out = place / SEASON, place / "watch"
    with ExitStack() as stack:
        feeder = stack.enter_context(feeding(incoming, world.pictures, rate=world.size.rate))
        watch = stack.enter_context(watching(incoming, only.target, out))
        watch.until_recorded(10)
        run = stack.enter_context(Classifying(season, only.target, place / "season.csv"))
        pace = Pace(lambda: run.done() + len(rows_of(*day_files(out))))
        run.wait_rows(len(names) // 10)
        in_the_middle(outcome, run, names)
        blow = time.monotonic()
        only.kill()
        time.sleep(world.size.outage)
        only.start()
        only.wait()
        rows, came, repaired = run.done(), len(feeder.names), time.monotonic()
        wait_for(lambda: len(rows_of(*day_files(out))) >= came, "the watcher has caught up")
        wait_for(lambda: run.done() > rows or run.process.poll() is not None, "the run goes on")
        outcome.recovery = time.monotonic() - repaired
        code = run.end()
        outcome.standstill = pace.standstill(blow)
        settle(outcome, feeder, watch)
    outcome.promise(code == 0, f"`client classify` ended with {code}: {run.log.read_text()[-500:]}")
    add_classified(outcome, names, run)
    outcome.note = f"away for {repaired - blow:.1f} s, most of it starting"
    return outcome


def add_one(world: World) -> Outcome:
    """Model servers by a name in DNS: one is killed, a new one comes under another address."""
    outcome, place, fleet = Outcome("add-one"), world.place("add-one"), world.fleet()
    first, second, new = fleet.servers
    incoming, out = place / SEASON, place / "watch"
    with name_server() as names:
        names.addresses[NAME] = [first.host, second.host]
        target = names.target(NAME, fleet.port)
        with (
            visiting_model(target) as visitor,
            feeding(incoming, world.pictures, rate=world.size.rate) as feeder,
            watching(incoming, target, out) as watch,
        ):
            unknown = new.answered()
            watch.until_recorded(20)
            wait_for(lambda: first.answered() > 10 and second.answered() > 10, "both servers of the name get calls")
            outcome.promise(new.answered() == unknown, "a server that is not in DNS got calls")
            pace = Pace(lambda: len(rows_of(*day_files(out))))
            blow = time.monotonic()
            second.kill()
            names.addresses[NAME] = [first.host, new.host]
            outcome.recovery = wait_for(lambda: new.answered() > unknown + 10, "the new server gets calls")
            time.sleep(world.size.outage)
            outcome.standstill = pace.standstill(blow)
            settle(outcome, feeder, watch)
        questions = names.questions
    outcome.promise(visitor.failed == 0, f"calls failed though a server was left: {visitor.first_failure}")
    add_visits(outcome, visitor)
    outcome.note = f"the name was asked for {questions} times"
    return outcome


def roll(world: World) -> Outcome:
    """New versions go into production, and back, while a winter is classified and new frames come in."""
    outcome, place, fleet = Outcome("roll"), world.place("roll"), world.fleet()
    season, names = world.season()
    first = world.in_production
    second, third = world.publish(first + 1), world.publish(first + 2)
    incoming, out = place / SEASON, place / "watch"

    def versions() -> set[str]:
        return {row["model_version"] for row in rows_of(*day_files(out))}

    with ExitStack() as stack:
        visitor = stack.enter_context(visiting_model(read_target(fleet.target)))
        feeder = stack.enter_context(feeding(incoming, world.pictures, rate=world.size.rate))
        watch = stack.enter_context(watching(incoming, fleet.target, out))
        watch.until_recorded(10)
        run = stack.enter_context(Classifying(season, fleet.target, place / "season.csv"))
        pace = Pace(lambda: run.done() + len(rows_of(*day_files(out))))
        run.wait_rows(len(names) // 10)
        # Held meanwhile: a fast one would be done before the second version answers.
        run.process.send_signal(signal.SIGSTOP)
        in_the_middle(outcome, run, names)
        blow = time.monotonic()
        world.promote(second)
        wait_for(lambda: visitor.answers[str(second)], "the second version answers")
        run.process.send_signal(signal.SIGCONT)
        code = run.end()
        # With the third, the first goes: the watcher, which keeps to a version, must find the next one by itself.
        promoted = time.monotonic()
        world.promote(third)
        wait_for(lambda: str(third) in versions() or str(second) in versions(), "the watcher takes a new version")
        outcome.recovery = time.monotonic() - promoted
        world.rollback()
        wait_for(lambda: str(second) in versions(), "the watcher goes back with the servers")
        outcome.standstill = pace.standstill(blow)
        settle(outcome, feeder, watch)
    outcome.promise(code == 0, f"`client classify` ended with {code}: {run.log.read_text()[-500:]}")
    used = {row["model_version"] for row in rows_of(run.out)}
    outcome.promise(used == {str(first)}, f"one run is to keep to one version, its rows are of {sorted(used)}")
    outcome.promise(visitor.failed == 0, f"calls failed: {visitor.first_failure}")
    add_classified(outcome, names, run)
    add_visits(outcome, visitor)
    outcome.note = f"the watcher went through {len(versions())} versions"
    return outcome


def _spread(answered: list[int]) -> str:
    return "/".join(map(str, answered))


SCENARIOS: tuple[Callable[[World], Outcome], ...] = (kill_one, freeze_one, kill_only, add_one, roll)
