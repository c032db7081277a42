"""What the client shows: progress while it works, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from client.pipeline import Progress
from radar.seasons import Gap

if TYPE_CHECKING:
    from client.classify import Outcome

LINE_SECONDS = 10.0  # how often a log without a terminal hears of progress
GAPS_SHOWN, FAILURES_SHOWN = 5, 10  # on the screen; the result file has all failures


class Bar:
    """Counts frames and keeps their display up to date.

    Args:
        advance: Called with the number of frames added.
    """

    def __init__(self, rich_bar: RichProgress | None, task: object, console: Console, total: int, done: int) -> None:
        self._rich = rich_bar
        self._task = task
        self._console = console
        self._total = total
        self._done = done
        self._first = done
        self._started = self._line = time.monotonic()

    def advance(self, frames: int) -> None:
        """Counts frames."""
        self._done += frames
        now = time.monotonic()
        if self._rich is not None:
            self._rich.advance(self._task, frames)  # type: ignore[arg-type]
        elif now - self._line > LINE_SECONDS:
            self._line = now
            rate = (self._done - self._first) / (now - self._started)
            left = (self._total - self._done) / rate
            self._console.print(
                f"{self._done:,} of {self._total:,} frames, {rate:,.0f} frames/s, {left:,.0f} s left", highlight=False
            )


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} frames/s", style="progress.data.speed")


class _Stages(ProgressColumn):
    """Shows where the work is: decoded ahead, calls in flight, failures."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def render(self, _task: Task) -> Text:
        p = self._progress
        text = Text(f"{p.in_flight}/{p.window} calls", style="dim")
        if p.failed:
            text.append(f"  {p.failed:,} failed", style="red")
        if p.retries:
            text.append(f"  {p.retries:,} retries", style="yellow")
        return text


class Display:
    """Progress and messages go to standard error, results to standard output.

    Args:
        quiet: Show nothing but errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._log = Console(stderr=True, quiet=quiet, soft_wrap=True)
        self._out = Console(soft_wrap=True)

    def say(self, text: str) -> None:
        """Shows one line."""
        self._log.print(text, highlight=False, markup=False)

    @contextmanager
    def progress(self, total: int, done: int, progress: Progress) -> Iterator[Bar]:
        """Shows progress while the block runs: a live bar on a terminal, now and then a line elsewhere."""
        if self._quiet or not self._log.is_terminal:
            yield Bar(None, None, self._log, total, done)
            return
        columns = (
            SpinnerColumn(),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            _Stages(progress),
        )
        with RichProgress(*columns, console=self._log, refresh_per_second=5, speed_estimate_period=10) as bar:
            yield Bar(bar, bar.add_task("", total=total, completed=done), self._log, total, done)

    def summary(self, outcome: Outcome) -> None:
        """Shows the table by mode, what went wrong, and the files."""
        if self._quiet:
            return
        title = f"{outcome.tally.classified:,} of {outcome.frames:,} frames classified"
        self._out.print(title, style="bold", highlight=False)
        self._out.print(mode_table(outcome))
        self._say_speed(outcome)
        self._say_failures(outcome)
        self.strangers(*outcome.strangers)
        self.gaps(outcome.gaps)
        for path in outcome.files:
            self._out.print(Text.assemble("Written: ", (str(path), "bold")))
        if outcome.served.card.synthetic:
            self._out.print(
                "This model was trained on synthetic frames: it shows that the machinery works, "
                "never how good it is on real snow.",
                style="yellow",
            )

    def gaps(self, gaps: Sequence[Gap]) -> None:
        """Lists missing frames."""
        if not gaps:
            return
        missing = sum(gap.missing for gap in gaps)
        words = f"{_count(missing, 'frame')} missing in {_count(len(gaps), 'gap')}:"
        self._out.print(words, style="yellow", highlight=False)
        for gap in sorted(gaps, key=lambda gap: -gap.missing)[:GAPS_SHOWN]:
            self._out.print(f"  {_span(gap.start, gap.end)}  {_count(gap.missing, 'frame')}", highlight=False)
        if len(gaps) > GAPS_SHOWN:
            self._out.print(f"  ... and {len(gaps) - GAPS_SHOWN:,} shorter ones", highlight=False)

    def _say_speed(self, outcome: Outcome) -> None:
        fresh = outcome.frames - outcome.kept
        words = f"{_count(fresh, 'frame')} in {outcome.seconds:.1f} s"
        if outcome.seconds > 0 and fresh:
            words += f", {fresh / outcome.seconds:,.0f} frames/s"
        if outcome.kept:
            words += f"; {outcome.kept:,} were done before"
        self._out.print(words + ".", highlight=False)

    def _say_failures(self, outcome: Outcome) -> None:
        tally = outcome.tally
        if tally.failed:
            words = f"{_count(tally.failed, 'frame')} could not be classified:"
            self._out.print(words, style="red", highlight=False)
            for name, reason in tally.failures[:FAILURES_SHOWN]:
                self._out.print(f"  {name} {reason}", highlight=False, markup=False)
            if tally.failed > FAILURES_SHOWN:
                self._out.print(
                    f"  ... and {tally.failed - FAILURES_SHOWN:,} more, in the column `error`", highlight=False
                )

    def strangers(self, count: int, first: str) -> None:
        """Tells of frames whose names do not follow the time rule."""
        if count:
            words = f"{_count(count, 'frame')} without a time, as the name does not follow the time rule: {first}"
            self._out.print(words, style="yellow", highlight=False, markup=False)


def mode_table(outcome: Outcome) -> Table:
    """Makes the closing table: a row a mode."""
    tally, card = outcome.tally, outcome.served.card
    total = max(tally.classified, 1)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column("mode", style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("frames", "share", "mean p", "accepted"):
        table.add_column(name, justify="right")
    table.add_column("")
    for k, mode in enumerate(card.modes):
        count = int(tally.counts[k])
        table.add_row(
            Text(mode.code, style=mode.color),
            mode.name_en,
            mode.name_ja,
            f"{count:,}",
            f"{count / total:.1%}",
            f"{tally.mass[k] / total:.1%}",
            f"{int(tally.accepted[k]) / count:.1%}" if count else "-",
            Text("█" * round(8 * count / total), style=mode.color),
        )
    return table


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
