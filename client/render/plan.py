"""What `client render` is going to do: which composites become which frames, by which time rule, in which folder."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from client.errors import ConfigError, OutputError
from radar import jma
from radar.archive import scan
from radar.errors import FrameError
from radar.jma import files
from radar.seasons import SEASON_FILE, TimeRule, format_utc

PATTERN = "%Y%m%d%H%M.png"
SOURCE = "出典：気象庁ホームページ (processed)"
_SUFFIXES = (".bin", ".tar", ".gz", ".grib2", ".grb2")


@dataclass(frozen=True, slots=True)
class Item:
    """A composite and its frame: where it lies, its time (UTC), the frame's name."""

    source: Path
    time: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for; see `client render --help`."""

    inputs: tuple[Path, ...]
    out: Path
    window: jma.Window = jma.HOKUSHINETSU
    coverage: bool = False
    pattern: str = PATTERN
    start: datetime | None = None
    cadence: float | None = None
    zone: str = "UTC"
    overwrite: bool = False
    recursive: bool = False


@dataclass(slots=True)
class Plan:
    """What is going to be done.

    Attributes:
        out: Folder of the frames.
        window: Part of the grid that is drawn.
        coverage: Whether what no radar sees is marked.
        rule: Time rule of the frames.
        season_text: Content for the folder's `season.toml`; empty if it has it already.
        items: Composites to render, by time.
        finished: Times of frames that are there already.
        failures: Files that cannot be used, and why.
        repeated: Composites left out because another one has the same time, with that one.
        between: How many composites were left out because they lie between two frames of the cadence.
        others: How many other files lie in the folders.
    """

    out: Path
    window: jma.Window
    coverage: bool
    rule: TimeRule
    season_text: str = ""
    items: list[Item] = field(default_factory=list)
    finished: list[datetime] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[tuple[Path, Path]] = field(default_factory=list)
    between: int = 0
    others: int = 0


def make_plan(settings: Settings) -> Plan:
    """Finds composites and decides what to do with each. Files with JMA's names are not opened for that.

    Args:
        settings: What the user asked for.

    Returns:
        The plan.

    Raises:
        ArchiveError: A folder cannot be read.
        ConfigError: There are no composites, or the folder of the frames holds others than would be made.
        SeasonError: The pattern makes no time rule.
    """
    _check_pattern(settings.pattern)
    earlier = _earlier(settings)
    sources, others = _find(settings)
    times, minutes, failures = _times(sources)
    rule = _rule(settings, earlier, minutes)
    plan = Plan(settings.out, settings.window, settings.coverage, rule, failures=failures, others=others)
    text = _season_text(settings, rule)
    plan.season_text = "" if earlier is not None and tomllib.loads(text) == earlier else text
    present = {path.name for path in settings.out.glob("*.png")} if not settings.overwrite else set()
    taken: dict[datetime, Path] = {}
    names: dict[str, datetime] = {}
    for moment, source in sorted(times, key=lambda pair: pair[0]):
        if not _is_on_cadence(moment, rule):
            plan.between += 1
        elif moment in taken:
            plan.repeated.append((source, taken[moment]))
        else:
            taken[moment] = source
            name = rule.name_of(moment)
            if name in names:
                raise ConfigError(
                    f"--pattern {settings.pattern!r} gives {format_utc(names[name])} and {format_utc(moment)} the "
                    f"same name, {name}; expected a pattern such as {PATTERN}"
                )
            names[name] = moment
            if name in present:
                plan.finished.append(moment)
            else:
                plan.items.append(Item(source, moment, name))
    return plan


def _check_pattern(pattern: str) -> None:
    if "/" in pattern or not pattern.lower().endswith(".png") or pattern.startswith("."):
        raise ConfigError(f"--pattern: expected a file name such as {PATTERN}, received {pattern!r}")


def _find(settings: Settings) -> tuple[list[Path], int]:
    sources: list[Path] = []
    others = 0
    for path in settings.inputs:
        if path.is_file():
            sources.append(path)  # named by the user: whatever its name, it is meant
            continue
        listing = scan(path, suffixes=_SUFFIXES, recursive=settings.recursive)
        wanted = [listing.root / name for name in listing.names if jma.is_composite(name)]
        if not wanted and listing.folders and len(settings.inputs) == 1:
            raise ConfigError(
                f"{path}: no composites in it; give --recursive to look into its {listing.folders} subfolders"
            )
        others += listing.others + len(listing.names) - len(wanted)
        sources += wanted
    if not sources:
        found = f"found {others:,} other files" if others else "found no files"
        raise ConfigError(
            f"{', '.join(map(str, settings.inputs))}: expected JMA composites ({files.EXAMPLE}, or a tar of them), "
            f"{found}"
        )
    return list(dict.fromkeys(sources)), others


def _times(sources: Sequence[Path]) -> tuple[list[tuple[datetime, Path]], Counter[int], list[tuple[str, str]]]:
    """Gives the time of each composite, by its name where that is JMA's; their intervals; what cannot be used."""
    times, failures = [], []
    minutes: Counter[int] = Counter()
    for source in sources:
        moment, interval = jma.name_time(source.name), files.interval_minutes(source.name)
        if moment is None or interval is None:
            try:
                composite = jma.read(source)
            except FrameError as error:
                failures.append((str(source), str(error)))
                continue
            moment, interval = composite.time, composite.minutes
        times.append((moment, source))
        minutes[interval] += 1
    return times, minutes, failures


def _earlier(settings: Settings) -> dict[str, object] | None:
    """Reads the season file of a folder that has been rendered into before.

    Frames of another window, or another origin, beside each other in one folder would be taken for one season.
    """
    file = settings.out / SEASON_FILE
    if settings.out.exists() and not settings.out.is_dir():
        raise ConfigError(f"--out: expected a folder, received the file {settings.out}")
    if not file.exists():
        if next(settings.out.glob("*.png"), None) is not None:
            raise ConfigError(
                f"{settings.out} holds frames, but no {SEASON_FILE} of `client render`; choose another folder"
            )
        return None
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: cannot be read as a season file: {error}; choose another folder") from error
    if not isinstance(table.get("jma"), dict):
        raise ConfigError(f"{settings.out} holds a season that `client render` did not make; choose another folder")
    wanted = tomllib.loads(_season_text(settings, None))
    for key in ("pattern", "start", "zone"):
        if table.get(key) != wanted.get(key):
            raise ConfigError(
                f"{settings.out} was rendered with {key} {table.get(key)}, now {wanted.get(key)} is asked for; "
                "choose another folder"
            )
    if table["jma"] != wanted["jma"]:
        raise ConfigError(
            f"{settings.out} was rendered with {_words(table['jma'])}, now {_words(wanted['jma'])} is asked for; "
            "choose another folder"
        )
    return table


def _words(table: dict[str, object]) -> str:
    box = table.get("window")
    where = ",".join(f"{edge:g}" for edge in box) if isinstance(box, list) else "no window"
    return f"window {where}" + (" and coverage" if table.get("coverage") else "")


def _rule(settings: Settings, earlier: dict[str, object] | None, minutes: Counter[int]) -> TimeRule:
    cadence = settings.cadence
    before = earlier.get("cadence_minutes") if earlier else None
    if isinstance(before, int | float):
        if cadence is not None and cadence != before:
            raise ConfigError(
                f"{settings.out} was rendered with a cadence of {before:g} min, now {cadence:g} is asked for; choose "
                "another folder"
            )
        cadence = before
    if cadence is None and minutes:
        # Of a winter in which JMA went from 10 to 5 minutes, the frames that make one even series.
        cadence = max(minutes)
    return TimeRule(settings.pattern, start=settings.start, cadence_minutes=cadence, zone=settings.zone)


def _is_on_cadence(moment: datetime, rule: TimeRule) -> bool:
    if rule.cadence is None:
        return True
    origin = rule.start or datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment >= origin and (moment - origin) % rule.cadence == timedelta(0)


def _season_text(settings: Settings, rule: TimeRule | None) -> str:
    return "\n".join(_season_lines(settings, rule)) + "\n"


def _season_lines(settings: Settings, rule: TimeRule | None) -> Iterator[str]:
    window = settings.window
    yield f"name = {_quoted(settings.out.resolve().name)}"
    yield f"pattern = {_quoted(settings.pattern)}"
    if settings.start is not None:
        yield f"start = {format_utc(settings.start)}"
    if rule is not None and rule.cadence is not None:
        yield f"cadence_minutes = {rule.cadence.total_seconds() / 60:g}"
    yield f"zone = {_quoted(settings.zone)}"
    yield ""
    yield "[jma]"
    yield f"window = [{window.west!r}, {window.east!r}, {window.south!r}, {window.north!r}]  # W, E, S, N, degrees"
    yield f"size = [{window.columns}, {window.rows}]  # columns, rows"
    yield f"coverage = {str(settings.coverage).lower()}"
    yield 'time_reference = "end"'
    yield f"source = {_quoted(SOURCE)}"


def _quoted(text: str) -> str:
    """Writes a string for TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
