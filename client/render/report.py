"""What `client render` shows: what it is going to do, how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

from client.display.console import Bar, Display
from client.display.names import plain
from client.render.plan import Plan
from client.render.run import Outcome
from radar.seasons import find_gaps, format_utc

SHOWN = 10  # of a list, on the screen


def announce(plan: Plan, display: Display) -> None:
    """Says what is going to be done."""
    every = sorted([*(item.time for item in plan.items), *plan.finished])
    span = f", {format_utc(every[0])} to {format_utc(every[-1])}" if every else ""
    others = f" ({plan.others:,} other files left alone)" if plan.others else ""
    display.say(f"{_count(len(every), 'composite')}{span}{others}")
    display.say(f"Window {plan.window}" + ("; radar coverage marked, not for models" if plan.coverage else ""))
    display.say(f"Frames: {plan.out}, {plan.rule}" + (f"; {len(plan.finished):,} are there" if plan.finished else ""))
    if plan.between:
        lie = "lies" if plan.between == 1 else "lie"
        display.say(
            f"{_count(plan.between, 'composite')} {lie} before the season or between its frames, left out; another "
            "--cadence takes others"
        )
    for left, taken in plan.repeated[:SHOWN]:
        display.say(f"{left} is left out: {taken} has the same time")
    if len(plan.repeated) > SHOWN:
        display.say(f"... and {len(plan.repeated) - SHOWN:,} more whose time another composite has")


def preview(plan: Plan, display: Display) -> None:
    """Says, after `announce`, what only a dry run can say at this point."""
    failures(plan.failures, display)
    every = sorted([*(item.time for item in plan.items), *plan.finished])
    if plan.rule.cadence is not None:
        display.gaps(list(find_gaps(every, plan.rule.cadence)))
    if plan.items:
        first = plan.items[0]
        display.say(
            f"Would render {_count(len(plan.items), 'frame')}, first {first.source} to {plan.out / first.name}"
        )
    else:
        display.say("Nothing to render")


def summarise(plan: Plan, outcome: Outcome, display: Display) -> None:
    """Says what was done."""
    words = f"{_count(outcome.rendered, 'frame')} rendered in {outcome.seconds:.1f} s"
    if outcome.rendered and outcome.seconds > 0:
        words += f", {60 * outcome.rendered / outcome.seconds:,.0f} a minute"
    display.say(words + (f"; {outcome.kept:,} were there before" if outcome.kept else ""))
    failures(outcome.failures, display)
    display.gaps(outcome.gaps)
    if len(outcome.radar_flags) > 1:
        most = max(outcome.radar_flags.values())
        rest = sum(outcome.radar_flags.values()) - most
        display.say(
            f"Note: the radar operation flags of {_count(rest, 'composite')} are in another state than those of most "
            f"({most:,}): some radar may have been out of operation"
        )
    display.say(f"Frames: {plan.out}  (出典：気象庁ホームページ, processed)")


def failures(named: list[tuple[str, str]], display: Display) -> None:
    """Names files that cannot be used, each with the reason."""
    if named:
        display.say(f"{_count(len(named), 'file')} could not be used:")
    for name, reason in named:
        display.say(f"  {plain(name)} {plain(reason)}")


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Bar]:
    """Shows progress while the block runs: a live bar on a terminal, now and then a line elsewhere."""
    console = Console(stderr=True, quiet=quiet, soft_wrap=True)
    if quiet or not console.is_terminal:
        yield Bar(None, None, console, total, 0)
        return
    columns = (SpinnerColumn(), BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
        yield Bar(bar, bar.add_task("", total=total), console, total, 0)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
