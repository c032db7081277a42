"""Scenarios of what results and records are kept in: the database stops, disks fill."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.client.watch.watching import Watching, watching
from tests.drill.disk import small_disk
from tests.drill.outcome import Outcome
from tests.drill.programs import (
    Classifying,
    Feeder,
    Pace,
    feeding,
    recorded,
    rows_of,
    visiting_page,
    wait_for,
)
from tests.drill.world import SEASON, SidecarHost, World, add_classified, add_visits, day_files, settle, sidecars

DISK_MB = 4


def database(world: World) -> Outcome:
    """PostgreSQL is stopped and started, then killed and started, while frames go into the sidecar."""
    outcome, place, fleet, server = Outcome("database"), world.place("database"), world.fleet(), world.postgres()
    url = server.create("drill")
    incoming, out = place / SEASON, place / "watch"
    with (
        sidecars(place, url, fleet.servers[0].target) as host,
        visiting_page(host.one) as visitor,
        feeding(incoming, world.pictures, rate=world.size.rate) as feeder,
        watching(incoming, fleet.target, out, "--sidecar", host.one.url) as watch,
    ):
        watch.until(lambda: len(recorded(host.one, SEASON)) > 10, "the first frames in the sidecar")
        pace = Pace(lambda: len(rows_of(*day_files(out))))
        blow = time.monotonic()
        for goes_away in (server.stop, server.kill):
            _outage(goes_away, world, feeder, watch)
            server.start()
            _catch_up(outcome, feeder, host)
        outcome.standstill = pace.standstill(blow)
        settle(outcome, feeder, watch, host.one)
        visitor.stop()
    add_visits(outcome, visitor)
    outcome.note = "results go on meanwhile; calls are pages of the sidecar"
    server.drop("drill")
    return outcome


def full_results(world: World) -> Outcome:
    """The disk of the results is full, for a watcher and for a run; then there is room again."""
    outcome, place, fleet = Outcome("full-results"), world.place("full-results"), world.fleet()
    season, names = world.season()
    incoming = place / SEASON
    with small_disk(place / "disk", DISK_MB) as disk:
        out = disk.path / "watch"
        with (
            feeding(incoming, world.pictures, rate=world.size.rate) as feeder,
            watching(incoming, fleet.target, out) as watch,
        ):
            watch.until_recorded(10)
            blow = time.monotonic()
            pace = Pace(lambda: len(rows_of(*day_files(out))))
            disk.fill()
            watch.until_said("cannot be written")
            with Classifying(season, fleet.target, disk.path / "season.csv", log=place / "season.log") as run:
                refused = run.end()
            outcome.promise(refused == 4, f"`client classify` on a full disk ended with {refused} instead of 4")
            time.sleep(world.size.outage)
            came, repaired = len(feeder.names), time.monotonic()
            disk.free()
            wait_for(lambda: len(rows_of(*day_files(out))) >= came, "the watcher has caught up")
            outcome.recovery = time.monotonic() - repaired
            outcome.standstill = pace.standstill(blow)
            settle(outcome, feeder, watch)
        with Classifying(season, fleet.target, disk.path / "season.csv", log=place / "season.log") as again:
            code = again.end()
        outcome.promise(code == 0, f"the same command once more ended with {code}: {again.log.read_text()[-500:]}")
        add_classified(outcome, names, again)
    outcome.note = "the run ends with exit code 4, the same command goes on"
    return outcome


def full_sidecar(world: World) -> Outcome:
    """The disk of the sidecar's SQLite is full while frames come in; then there is room again."""
    outcome, place, fleet = Outcome("full-sidecar"), world.place("full-sidecar"), world.fleet()
    incoming, out = place / SEASON, place / "watch"
    with (
        small_disk(place / "disk", DISK_MB) as disk,
        sidecars(place, f"sqlite:///{disk.path / 'winter.sqlite'}", fleet.servers[0].target) as host,
        visiting_page(host.one) as visitor,
        feeding(incoming, world.pictures, rate=world.size.rate) as feeder,
        watching(incoming, fleet.target, out, "--sidecar", host.one.url) as watch,
    ):
        watch.until(lambda: len(recorded(host.one, SEASON)) > 10, "the first frames in the sidecar")
        pace, blow = Pace(lambda: len(rows_of(*day_files(out)))), time.monotonic()
        _outage(disk.fill, world, feeder, watch)
        disk.free()
        _catch_up(outcome, feeder, host)
        outcome.standstill = pace.standstill(blow)
        settle(outcome, feeder, watch, host.one)
        visitor.stop()
    add_visits(outcome, visitor)
    outcome.note = "pages are read from a full disk too"
    return outcome


def _outage(begin: Callable[[], None], world: World, feeder: Feeder, watch: Watching) -> None:
    """Begins an outage, lets it last until the watcher has noticed, and sees that results go on meanwhile."""
    said = watch.said("records cannot be sent")
    begin()
    watch.until(lambda: watch.said("records cannot be sent") > said, "the watcher notices")
    time.sleep(world.size.outage)
    came = len(feeder.names)
    wait_for(lambda: len(rows_of(*day_files(watch.out))) >= came, "results go on without the sidecar")


def _catch_up(outcome: Outcome, feeder: Feeder, host: SidecarHost) -> None:
    came, repaired = len(feeder.names), time.monotonic()
    wait_for(lambda: len(recorded(host.one, SEASON)) >= came, "the sidecar has caught up")
    outcome.recovery = max(outcome.recovery or 0.0, time.monotonic() - repaired)


SCENARIOS: tuple[Callable[[World], Outcome], ...] = (database, full_results, full_sidecar)
