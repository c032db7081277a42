"""What `client classify --dry-run` says: what would be classified, by whom, and what would be written."""

from __future__ import annotations

from collections.abc import Sequence

from client.classify.job import Job, Settings
from client.classify.run import check
from client.classify.shadow import shadow_path
from client.display.console import Display
from client.explain.maps import maps_path, size_of
from client.results.formats import NETCDF, check_formats
from client.tally import Clock, Timeline
from radar import jma
from radar.errors import SnowmodeError
from radar.seasons import format_utc
from serving.protocol.connection import Connection, Timeouts
from serving.protocol.contract import ModelCard
from serving.protocol.embedded import PREFIX as EMBEDDED
from serving.protocol.errors import ServingError


def show_plan(jobs: Sequence[Job], settings: Settings, source: str, display: Display) -> int:
    """Says what would be done; starts nothing and writes nothing.

    Args:
        jobs: The folders.
        settings: How they would be classified.
        source: Where the server's address comes from, in words.
        display: Where it is shown.

    Returns:
        How many of several folders would be left out.

    Raises:
        SnowmodeError: The only folder cannot be classified, or a format cannot be written.
    """
    check_formats(settings.formats)
    left_out = frames = 0
    for job in jobs:
        try:
            frames += _show_folder(job, settings, display)
        except SnowmodeError as error:
            if len(jobs) == 1:
                raise
            left_out += 1
            display.say(f"{job.folder.path} would be left out: {error}")
    display.say(f"Server: {settings.server} (from {source})")
    if settings.heat_maps:
        _show_size(frames, settings, display)
    return left_out


def _show_folder(job: Job, settings: Settings, display: Display) -> int:
    listing = check(job, settings)
    names = settings.share(listing)
    ends = f": {names[0]} ... {names[-1]}" if names else ""
    of_all = "" if settings.shard is None else f" of {len(listing.names):,} in shard {settings.shard}"
    display.say(f"{len(names):,} frames{of_all} in {job.folder.path}{ends}")
    composites = sum(map(jma.is_composite, names))
    if composites:
        display.say(f"{composites:,} of them are JMA composites; of each, {settings.window}")
    out = settings.path(job.out)
    display.say(f"Results: {out}" + (" (there already)" if out.exists() else ""))
    if settings.heat_maps:
        display.say(f"Heat maps: {maps_path(out, netcdf=NETCDF in settings.formats)}")
    if settings.shadow:
        version = int(settings.shadow) if settings.shadow.isdecimal() else 0
        name = settings.path(shadow_path(job.out, version)) if version else "a file of its own"
        display.say(f"Version {settings.shadow} beside it: {name}")
    rule = job.folder.rule
    display.say(f"Time rule: {rule}" if rule else "No time rule: PNGs have no time")
    clock, timeline = Clock(rule), Timeline(expected=rule is not None)
    for name in names:
        time = clock.time_of(name)
        timeline.add(name, "" if time is None else format_utc(time))
    display.strangers(*timeline.strangers)
    display.repeated(*timeline.repeated())
    if settings.shard is None:
        display.gaps(timeline.gaps(job.folder.cadence))
    return len(names)


def _show_size(frames: int, settings: Settings, display: Display) -> None:
    card = _card(settings)
    if card is None:
        display.say("Heat maps: how large they are, the model tells; no server answers now")
        return
    size = size_of(frames, card, settings.heat_maps)
    cells = f"{len(card.modes)} modes x {card.heat_map.height}x{card.heat_map.width} cells"
    display.say(
        f"Heat maps: {frames:,} frames x {cells} x {len(settings.heat_maps)} = {size / 1e6:,.1f} MB, and as much "
        "again until they are complete"
    )


def _card(settings: Settings) -> ModelCard | None:
    if settings.server.startswith(EMBEDDED):
        return None  # starting one takes longer than a dry run should
    try:
        with Connection(
            settings.server, model=settings.model, timeouts=Timeouts(describe=2.0), tls=settings.tls
        ) as connection:
            return connection.describe().card
    except ServingError:
        return None
