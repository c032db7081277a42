"""Seasonal statistics as NetCDF after the CF conventions 1.8: `season_NAME.nc`, one file a season."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import ArrayLike

from radar.event_statistics import QUANTILES
from radar.events import as_times
from radar.netcdf import TIME_UNITS, add_modes, creating
from radar.season_statistics import SeasonStatistics
from radar.seasons import format_utc
from radar.statistics import Table


def write_netcdf(season: SeasonStatistics, path: Path, *, history: str) -> Path:
    """Writes the tables of a season.

    Shares and durations that do not exist are missing values. Months, days and hours are those of the zone in the
    attribute `zone`.

    Args:
        season: As `radar.season_statistics.count_season` gives it.
        path: The file.
        history: What made it, such as a command line.

    Returns:
        The file written.

    Raises:
        OSError: It cannot be written.
    """
    first, last = season.span
    with creating(path) as data:
        data.Conventions = "CF-1.8"
        data.title = f"Seasonal statistics of snowfall modes, {season.name}"
        data.source = f"model version {', '.join(map(str, season.versions))}"
        data.history = f"{format_utc(datetime.now(UTC))} {history}"
        data.zone = season.zone
        data.time_coverage_start, data.time_coverage_end = format_utc(first), format_utc(last)
        data.time_coverage_resolution = f"PT{round(season.cadence.total_seconds())}S"
        if season.synthetic:
            data.comment = "The model learned from synthetic frames."
        add_modes(data, season.codes)
        for name, unit, table in (("month", "M", season.month), ("day", "D", season.day), ("hour", "", season.hour)):
            _add_groups(data, name, unit, table, season.zone)
        _add_groups(data, "hour_utc", "", season.hour_utc, "UTC")
        _add_events(data, season)
        _add_durations(data, season)
        _add_transitions(data, season)
    return path


def _add_groups(data: netCDF4.Dataset, name: str, unit: str, table: Table, zone: str) -> None:
    data.createDimension(name, len(table.keys))
    if unit:
        starts = np.array(table.keys, f"datetime64[{unit}]").astype("datetime64[D]")
        ends = (np.array(table.keys, f"datetime64[{unit}]") + 1).astype("datetime64[D]")
        group = _add(data, name, (name,), starts.astype(np.int64), f"first day of the {name}, {zone}", kind="i4")
        group.units, group.calendar, group.standard_name = "days since 1970-01-01", "standard", "time"
        if "bound" not in data.dimensions:
            data.createDimension("bound", 2)
        group.bounds = f"{name}_bounds"
        bounds = np.stack([starts, ends], axis=1).astype(np.int64)
        data.createVariable(group.bounds, "i4", (name, "bound"))[:] = bounds
    else:
        _add(data, name, (name,), [int(key) for key in table.keys], f"hour of the day, {zone}", "h", kind="i4")
    by_mode = (name, "mode")
    _add(data, f"frames_by_{name}", by_mode, table.counts, "frames of the mode", kind="i4")
    _add(data, f"share_by_{name}", by_mode, table.shares, "share of the mode among the classified frames")
    _add(data, f"mean_probability_by_{name}", by_mode, table.mean_probability, "mean probability of the mode")
    accepted = "share of accepted frames among those of the mode"
    _add(data, f"accepted_share_by_{name}", by_mode, table.accepted_share, accepted)
    _add(data, f"failed_by_{name}", (name,), table.failed, "frames that could not be classified", kind="i4")
    _add(data, f"missing_by_{name}", (name,), table.missing, "frames that should be there and are not", kind="i4")


def _add_events(data: netCDF4.Dataset, season: SeasonStatistics) -> None:
    data.createDimension("event", len(season.events))
    events = [record.event for record in season.events]
    mode = _add(data, "event_mode", ("event",), [event.mode for event in events], "mode of the event", "", kind="i1")
    mode.flag_values = np.arange(len(season.codes), dtype=np.int8)
    mode.flag_meanings = " ".join(season.codes)
    for name, times, what in (
        ("event_start", as_times([event.start for event in events]), "first frame of the event, UTC"),
        ("event_end", as_times([event.end for event in events]), "last frame of the event, UTC"),
        (
            "event_peak_time",
            np.array([record.peak_time for record in season.events], "datetime64[s]"),
            "frame of the largest probability, UTC",
        ),
    ):
        seconds = times.astype("datetime64[s]").astype(np.float64)
        variable = _add(data, name, ("event",), seconds, what, TIME_UNITS)
        variable.standard_name, variable.calendar = "time", "standard"
    _add(data, "event_frames", ("event",), [event.frames for event in events], "frames of the event", kind="i4")
    sure: tuple[tuple[str, list[float], str], ...] = (
        ("event_peak_probability", [record.peak for record in season.events], "largest probability of its mode"),
        ("event_mean_probability", [record.mean for record in season.events], "mean probability of its mode"),
        ("event_accepted_share", [record.accepted for record in season.events], "share of accepted frames"),
    )
    for name, values, what in sure:
        _add(data, name, ("event",), values, what)


def _add_durations(data: netCDF4.Dataset, season: SeasonStatistics) -> None:
    data.createDimension("quantile", len(QUANTILES))
    _add(data, "quantile", ("quantile",), QUANTILES, "quantile of the durations of events")
    found = season.durations
    what = "duration of events from the first frame to the last"
    _add(data, "duration", ("mode", "quantile"), [d.quantiles for d in found], what, "h")
    _add(data, "duration_longest", ("mode",), [d.longest for d in found], f"longest {what}", "h")
    _add(data, "duration_total", ("mode",), [d.total for d in found], f"total {what}", "h")
    _add(data, "events", ("mode",), [d.events for d in found], "events of the mode", kind="i4")


def _add_transitions(data: netCDF4.Dataset, season: SeasonStatistics) -> None:
    data.createDimension("later_mode", len(season.codes))
    later = data.createVariable("later_mode", str, ("later_mode",))
    later.long_name = "code of the mode of the next frame"
    later[:] = np.array(season.codes, object)
    pair = ("mode", "later_mode")
    what = "pairs of consecutive frames, from mode to later mode"
    _add(data, "transitions", pair, season.transitions.counts, what, kind="i4")


def _add(
    data: netCDF4.Dataset,
    name: str,
    dimensions: Sequence[str],
    values: ArrayLike,
    long_name: str,
    units: str = "1",
    *,
    kind: str = "f8",
) -> Any:
    fill = netCDF4.default_fillvals[kind] if kind == "f8" and name not in data.dimensions else None
    variable = data.createVariable(name, kind, tuple(dimensions), fill_value=fill)
    variable.long_name = long_name
    if units:
        variable.units = units
    shape = tuple(len(data.dimensions[dimension]) for dimension in dimensions)
    array = np.array(values).reshape(shape)
    variable[:] = np.ma.masked_invalid(array) if kind == "f8" else array
    return variable
