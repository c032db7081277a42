"""Seasonal statistics as text, for a terminal or a mail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from math import isnan

from radar.event_statistics import QUANTILES
from radar.season_statistics import SeasonStatistics
from radar.statistics import Table
from radar.verification.report_text import columns

LONGEST_SHOWN = 10
Rows = list[list[str]]
SYNTHETIC = "The model learned from synthetic frames: this shows that the machinery works, not what the winter was."


def as_text(seasons: Sequence[SeasonStatistics]) -> str:
    """Writes seasons one after the other, and what they have in common side by side."""
    blocks = [block for season in seasons for block in _season(season)]
    if len(seasons) > 1:
        blocks += _side_by_side(seasons)
    return "\n\n".join(blocks) + "\n"


def _season(season: SeasonStatistics) -> Iterator[str]:
    title = f"{season.name}, model {', '.join(map(str, season.versions))}"
    yield "\n".join([title, "=" * len(title), *_facts(season)])
    yield "By mode\n" + _columns(_modes(season))
    yield f"By month, {season.zone}: share of the classified frames\n" + _columns(_groups(season.month, season.codes))
    hours = f"By hour of the day, {season.zone}: share of the classified frames\n"
    yield hours + _columns(_groups(season.hour, season.codes))
    yield "From frame to frame: share of the later mode (across) by the earlier one (down)\n" + _columns(
        _transitions(season)
    )
    yield f"The longest events of {len(season.events):,}, UTC\n" + _columns(_longest(season))


def _facts(season: SeasonStatistics) -> Iterator[str]:
    total, (first, last) = season.total, season.span
    minutes = season.cadence / timedelta(minutes=1)
    yield f"{int(total.classified[0]):,} frames classified, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    there = len(season.series.times)
    expected = there + len(season.missing)
    missing = len(season.missing)
    yield f"{missing:,} of {expected:,} frames missing ({missing / expected:.1%}), at one every {minutes:g} min"
    for count, what in (
        (int(total.failed[0]), "could not be classified"),
        (season.repeated, "left out, as another one has the same time"),
        (season.untimed, "left out, as they have no time"),
    ):
        if count:
            yield f"{count:,} frames {what}"
    if season.synthetic:
        yield SYNTHETIC


def _modes(season: SeasonStatistics) -> Rows:
    header = ["mode", "frames", "share", "mean p", "accepted", "events", "hours"]
    rows = [[*header, *(f"p{round(100 * q)}" for q in QUANTILES), "longest"]]
    total = season.total
    shares = (total.shares, total.mean_probability, total.accepted_share)
    for k, code in enumerate(season.codes):
        durations = season.durations[k]
        rows.append(
            [
                code,
                f"{total.counts[0, k]:,}",
                *(share(float(of_mode[0, k])) for of_mode in shares),
                f"{durations.events:,}",
                *(_hours(value) for value in (durations.total, *durations.quantiles, durations.longest)),
            ]
        )
    return rows


def _groups(table: Table, codes: Sequence[str]) -> Rows:
    rows = [["", "frames", "missing", *codes]]
    for g, key in enumerate(table.keys):
        shares = [share(float(value)) for value in table.shares[g]]
        rows.append([key, f"{table.classified[g]:,}", f"{table.missing[g]:,}", *shares])
    return rows


def _transitions(season: SeasonStatistics) -> Rows:
    rows = [["", *season.codes, "pairs"]]
    for k, code in enumerate(season.codes):
        shares = [share(float(value)) for value in season.transitions.shares[k]]
        rows.append([code, *shares, f"{season.transitions.counts[k].sum():,}"])
    return rows


def _longest(season: SeasonStatistics) -> Rows:
    rows = [["mode", "start", "end", "hours", "frames", "peak p"]]
    for record in sorted(season.events, key=lambda record: -record.event.duration)[:LONGEST_SHOWN]:
        event = record.event
        times = [f"{time:%Y-%m-%d %H:%M}" for time in (event.start, event.end)]
        hours = _hours(event.duration / timedelta(hours=1))
        rows.append([season.codes[event.mode], *times, hours, f"{event.frames:,}", f"{record.peak:.2f}"])
    return rows


def _side_by_side(seasons: Sequence[SeasonStatistics]) -> Iterator[str]:
    title = "Side by side"
    rows = [["share of frames", *(season.name for season in seasons)]]
    for k, code in enumerate(seasons[0].codes):
        rows.append([code, *(share(float(season.total.shares[0, k])) for season in seasons)])
    rows.append(["frames", *(f"{season.total.classified[0]:,}" for season in seasons)])
    rows.append(["missing", *(f"{len(season.missing):,}" for season in seasons)])
    yield "\n".join([title, "=" * len(title), _columns(rows)])
    rows = [["hours in events", *(season.name for season in seasons)]]
    for k, code in enumerate(seasons[0].codes):
        rows.append([code, *(_hours(season.durations[k].total) for season in seasons)])
    yield _columns(rows)
    months = sorted({key[5:] for season in seasons for key in season.month.keys}, key=lambda m: (int(m) < 7, m))
    rows = [["share by month", *(season.name for season in seasons)]]
    for k, code in enumerate(seasons[0].codes):
        for month in months:
            rows.append([f"{code} {month}", *(share(_in_month(season.month, month, k)) for season in seasons)])
    yield _columns(rows)


def _in_month(table: Table, month: str, mode: int) -> float:
    chosen = [g for g, key in enumerate(table.keys) if key[5:] == month]
    frames = int(table.classified[chosen].sum())
    return int(table.counts[chosen, mode].sum()) / frames if frames else float("nan")


def _columns(rows: Rows) -> str:
    return columns([tuple(row) for row in rows])


def share(value: float) -> str:
    """Writes a share in per cent; a dash if there is none."""
    return "-" if isnan(value) else f"{value:.1%}"


def _hours(value: float) -> str:
    return "-" if isnan(value) else f"{value:.1f}"
