"""`client stats`: seasonal statistics offline, from result files alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from client.errors import ConfigError
from client.results.rows import Row, read_results
from client.results.runs import Record, read_record, record_file
from radar.events import LONGEST_GAP, as_times
from radar.season_statistics import SeasonStatistics, count_season
from radar.seasons import find_zone, season_year
from radar.statistics import ModeSeries

RESULTS_SUFFIX = ".csv"


@dataclass(frozen=True, slots=True)
class Options:
    """How a season is counted.

    Attributes:
        zone: Whose months, days and hours they are: ``UTC``, ``JST`` or an IANA name.
        cadence: Between frames; where None as the run's record says, otherwise the most frequent distance.
        longest_gap: Between two frames of one event.
        winters: Whether to join all files and cut them into winters on 1 July, instead of one season a file.
    """

    zone: str = "UTC"
    cadence: timedelta | None = None
    longest_gap: timedelta = LONGEST_GAP
    winters: bool = False


def count_seasons(results: Sequence[Path], options: Options) -> list[SeasonStatistics]:
    """Reads result files and counts them.

    Args:
        results: Files of `client classify`.
        options: How.

    Returns:
        One season a file, in their order; or one a winter.

    Raises:
        ConfigError: A file is none, its frames have no times, or the files are of models with other modes.
        SeasonError: The zone is unknown.
    """
    find_zone(options.zone)
    tables = [(path, *read_results(path)) for path in results]
    codes = tables[0][1]
    for path, others, _ in tables:
        if others != codes:
            raise ConfigError(
                f"{path}: expected the modes {', '.join(codes)} of {results[0]}, received {', '.join(others)}; "
                "winters can be set side by side if they are of models with the same modes"
            )
    records = [_record_of(path) for path in results]
    seasons = {
        name: (list(rows), [record] if record else [])
        for name, (_, _, rows), record in zip(_names(results), tables, records, strict=True)
    }
    if options.winters:
        rows = [row for of_season, _ in seasons.values() for row in of_season]
        seasons = {name: (of_winter, [r for r in records if r]) for name, of_winter in _cut(rows).items()}
    if empty := [name for name, (rows, _) in seasons.items() if not any(row.time_utc for row in rows)] or not seasons:
        raise ConfigError(
            f"{', '.join(empty) if isinstance(empty, list) else 'Result files'}: not one frame has a time, which "
            "statistics of a season need; classify with --pattern, or with a season.toml in the folder"
        )
    return [_count(name, rows, codes, of_season, options) for name, (rows, of_season) in seasons.items()]


def _count(
    name: str, rows: Sequence[Row], codes: tuple[str, ...], records: list[Record], options: Options
) -> SeasonStatistics:
    blank = (float("nan"),) * len(codes)
    series = ModeSeries(
        codes,
        as_times([row.time_utc for row in rows]),
        np.array([codes.index(row.label) if row.label else -1 for row in rows], np.int64),
        np.array([row.probabilities or blank for row in rows], np.float64),
        np.array([row.accepted for row in rows], bool),
    )
    said = {record.cadence_minutes for record in records if record.cadence_minutes}
    told = timedelta(minutes=said.pop()) if len(said) == 1 else None
    cards = [record.card for record in records if record.card is not None and record.card.codes == codes]
    return count_season(
        name,
        series,
        versions=tuple(sorted({row.model_version for row in rows})),
        cadence=options.cadence or told,
        longest_gap=options.longest_gap,
        zone=options.zone,
        colors={mode.code: mode.color for mode in cards[0].modes} if cards else None,
        synthetic=any(card.synthetic for card in cards),
    )


def _names(results: Sequence[Path]) -> list[str]:
    """Names seasons after their files, and after folders too where file names are equal."""
    stems = [_text(path.name.removesuffix(RESULTS_SUFFIX)) for path in results]
    if len(set(stems)) < len(stems):
        stems = [f"{_text(path.resolve().parent.name)}-{stem}" for path, stem in zip(results, stems, strict=True)]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ConfigError(f"Result files: expected each season once, received {', '.join(twice)} twice")
    return stems


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _record_of(results: Path) -> Record | None:
    try:
        return read_record(record_file(results))
    except ConfigError:  # results from elsewhere
        return None


def _cut(rows: Sequence[Row]) -> dict[str, list[Row]]:
    winters: dict[str, list[Row]] = {}
    dated = [(datetime.fromisoformat(row.time_utc), row) for row in rows if row.time_utc]
    for time, row in sorted(dated, key=lambda pair: pair[0]):
        year = season_year(time)
        winters.setdefault(f"{year}/{(year + 1) % 100:02d}", []).append(row)
    return winters
