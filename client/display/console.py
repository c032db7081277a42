"""What the client shows: progress while it works, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

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
from rich.text import Text

from client.display.names import plain
from client.display.tables import agreement_table, mode_table, seasons_table
from radar.seasons import Gap
from serving.protocol.pipeline import Progress

if TYPE_CHECKING:
    from client.classify.job import Outcome, Summary

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

    def summary(self, summary: Summary) -> None:
        """Shows what was found, what went wrong, and the files."""
        if self._quiet:
            return
        outcomes = summary.outcomes
        if len(outcomes) + len(summary.failures) == 1:
            for outcome in outcomes:
                self._season(outcome)
        elif outcomes:
            classified, frames = sum(o.tally.classified for o in outcomes), sum(o.frames for o in outcomes)
            words = f"{classified:,} of {frames:,} frames of {_count(len(outcomes), 'folder')} classified"
            self._out.print(words, style="bold", highlight=False)
            self._out.print(seasons_table(outcomes))
            for outcome in outcomes:
                self._details(outcome, f"{outcome.folder}: ")
        if any(outcome.served.card.synthetic for outcome in outcomes):
            self._out.print(
                "This model was trained on synthetic frames: it shows that the machinery works, "
                "never how good it is on real snow.",
                style="yellow",
            )

    def _season(self, outcome: Outcome) -> None:
        title = f"{outcome.tally.classified:,} of {outcome.frames:,} frames classified"
        self._out.print(title, style="bold", highlight=False)
        self._out.print(mode_table(outcome))
        self._details(outcome, "")

    def _details(self, outcome: Outcome, before: str) -> None:
        self._say_speed(outcome, before)
        self._say_failures(outcome)
        self._say_shape(outcome)
        self.strangers(*outcome.strangers)
        self.repeated(*outcome.repeated)
        self.gaps(outcome.gaps)
        self._say_agreement(outcome)
        for path in outcome.files:
            self._out.print(Text.assemble("Written: ", (str(path), "bold")))

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

    def _say_speed(self, outcome: Outcome, before: str) -> None:
        fresh = outcome.frames - outcome.kept
        words = f"{before}{_count(fresh, 'frame')} in {outcome.seconds:.1f} s"
        if outcome.seconds > 0 and fresh:
            words += f", {fresh / outcome.seconds:,.0f} frames/s"
        if outcome.kept:
            words += f"; {outcome.kept:,} were done before"
        self._out.print(words + ".", highlight=False, markup=False)

    def _say_shape(self, outcome: Outcome) -> None:
        if outcome.odd_shape is not None:
            (rows, columns), size = outcome.odd_shape, outcome.served.card.input
            self._out.print(
                f"Note: frames such as one of {columns}x{rows} pixels are squeezed to {size.width}x{size.height}. "
                "That is right if the model was trained on frames of this shape; its card does not say.",
                style="yellow",
                highlight=False,
            )

    def _say_agreement(self, outcome: Outcome) -> None:
        shadow = outcome.shadow
        if shadow is None:
            return
        words = f"Versions {shadow.version} (rows) and {shadow.shadow_version} (columns) agree on "
        share = f" ({shadow.share:.1%})" if shadow.compared else ""
        self._out.print(f"{words}{shadow.agreed:,} of {_count(shadow.compared, 'frame')}{share}", highlight=False)
        self._out.print(agreement_table(shadow, outcome.served.card))
        if shadow.one_sided:
            words = f"{_count(shadow.one_sided, 'frame')} could be classified by one of them only"
            self._out.print(words, style="yellow", highlight=False)

    def _say_failures(self, outcome: Outcome) -> None:
        tally = outcome.tally
        if tally.failed:
            words = f"{_count(tally.failed, 'frame')} could not be classified:"
            self._out.print(words, style="red", highlight=False)
            for name, reason in tally.failures[:FAILURES_SHOWN]:
                self._out.print(f"  {plain(name)} {plain(reason)}", highlight=False, markup=False)
            if tally.failed > FAILURES_SHOWN:
                self._out.print(
                    f"  ... and {tally.failed - FAILURES_SHOWN:,} more, in the column `error`", highlight=False
                )

    def repeated(self, count: int, first: str) -> None:
        """Tells of frames that have the time of another."""
        if count:
            words = f"{_count(count, 'frame')} with the time of another, the first at {first}: counted twice"
            self._out.print(words, style="yellow", highlight=False, markup=False)

    def strangers(self, count: int, first: str) -> None:
        """Tells of frames whose names do not follow the time rule."""
        if count:
            words = (
                f"{_count(count, 'frame')} without a time, as the name does not follow the time rule: {plain(first)}"
            )
            self._out.print(words, style="yellow", highlight=False, markup=False)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
