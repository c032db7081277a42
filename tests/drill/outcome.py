"""What a scenario comes to: where every frame went, how long it took, what was promised and not kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Outcome:
    """What became of a scenario.

    Attributes:
        name: Of the scenario.
        sent: Frames that were to be classified.
        results: Of them in the results.
        sidecar: Of them in the sidecar; None without one.
        lost: Frames missing in one of the two.
        twice: Frames that stand in one of them twice.
        calls: Calls that somebody beside the run made meanwhile.
        failed_calls: Of them failed: what a person at a page would have seen.
        standstill: Longest time without a new result from the first blow on, in seconds.
        recovery: Seconds from the repair, or from the blow where nothing was repaired, until all that had come by
            then was done; None if it was not measured.
        seconds: How long the scenario took.
        promises: What else was to hold and did not; nothing if all is well.
        skipped: Why it was not run; empty if it was.
        note: What is worth knowing beside the numbers.
    """

    name: str
    sent: int = 0
    results: int = 0
    sidecar: int | None = None
    lost: int = 0
    twice: int = 0
    calls: int = 0
    failed_calls: int = 0
    standstill: float | None = None
    recovery: float | None = None
    seconds: float = 0.0
    promises: list[str] = field(default_factory=list)
    skipped: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, nothing came twice, and every promise was kept."""
        return not (self.lost or self.twice or self.promises)

    def promise(self, kept: object, text: str) -> None:
        """Notes a promise that was not kept."""
        if not kept:
            self.promises.append(text)

    def account(self, sent: Iterable[str], results: Sequence[str], sidecar: Sequence[str] | None = None) -> None:
        """Adds frames to the account.

        Args:
            sent: Names of the frames that were to be classified.
            results: Names in the results, as often as they stand there.
            sidecar: Names in the sidecar, likewise; None without one.
        """
        wanted = set(sent)
        self.sent += len(wanted)
        self.results += len(results)
        if sidecar is not None:
            self.sidecar = (self.sidecar or 0) + len(sidecar)
        gone: set[str] = set()
        for names, where in ((results, "results"), (sidecar, "sidecar")):
            if names is None:
                continue
            counted = Counter(names)
            missing = sorted(wanted - counted.keys())
            gone.update(missing)
            self.twice += sum(counted.values()) - len(counted)
            self.promise(not missing, f"{len(missing)} frames are not in the {where}: {missing[:1]}")
            strangers = sorted(counted.keys() - wanted)
            self.promise(not strangers, f"{len(strangers)} frames in the {where} that nobody sent: {strangers[:1]}")
        self.lost += len(gone)


_COLUMNS = (
    "scenario",
    "frames",
    "results",
    "sidecar",
    "lost",
    "twice",
    "calls",
    "failed",
    "still",
    "recovered",
    "took",
)
_WIDTHS = (14, 8, 8, 8, 5, 6, 7, 7, 8, 11, 7)


def heading() -> str:
    """Gives the first line of the table."""
    return _line(_COLUMNS)


def table_row(outcome: Outcome) -> str:
    """Gives the lines of one scenario."""
    if outcome.skipped:
        return f"{outcome.name:<{_WIDTHS[0]}}  not run: {outcome.skipped}"
    cells = (
        outcome.name,
        f"{outcome.sent:,}",
        f"{outcome.results:,}",
        "-" if outcome.sidecar is None else f"{outcome.sidecar:,}",
        str(outcome.lost),
        str(outcome.twice),
        f"{outcome.calls:,}" if outcome.calls else "-",
        str(outcome.failed_calls) if outcome.calls else "-",
        _seconds(outcome.standstill),
        _seconds(outcome.recovery),
        f"{outcome.seconds:.0f} s",
    )
    lines = [f"{_line(cells)}  {outcome.note}".rstrip()]
    lines += [f"  NOT KEPT: {text}" for text in outcome.promises]
    return "\n".join(lines)


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Gives everything as JSON."""
    return json.dumps([{**asdict(outcome), "ok": outcome.ok} for outcome in outcomes], indent=1)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Says in one line how it went."""
    run = [outcome for outcome in outcomes if not outcome.skipped]
    bad = [outcome.name for outcome in run if not outcome.ok]
    frames, lost = sum(outcome.sent for outcome in run), sum(outcome.lost for outcome in run)
    skipped = f"; {len(outcomes) - len(run)} not run" if len(run) < len(outcomes) else ""
    if bad:
        return f"FAILED: {', '.join(bad)}. {lost} of {frames:,} frames lost{skipped}."
    return f"{len(run)} scenarios, {frames:,} frames, none lost, none twice{skipped}."


def _line(cells: Sequence[str]) -> str:
    first, *rest = cells
    return f"{first:<{_WIDTHS[0]}}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(rest, _WIDTHS[1:], strict=True)
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
