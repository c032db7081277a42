"""Means of heat maps as NetCDF after the CF conventions 1.8; needs the extra ``[netcdf]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import ArrayLike

from radar.heat_map_means import CONDITIONS, METHODS, STREAMS, HeatMapMeans
from radar.heat_maps import FEW
from radar.netcdf import add_modes, creating, text_of
from radar.seasons import format_utc

_EPOCH = date(1970, 1, 1)
_FILL = netCDF4.default_fillvals["f8"]
_CONDITIONS = {"all": "all frames", "predicted": "frames predicted to be of the mode"}
_STREAMS = {"raw": "as it is, in logit units", "unit_peak": "divided by its own peak, empty maps left out"}
_REFERENCES = {
    "gradcam": "Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74",
    "hirescam": "Draelos and Carin 2020, arXiv:2011.08891",
}


@dataclass(frozen=True, slots=True)
class Period:
    """Frames of some days.

    Attributes:
        name: Of a season, or a month: ``2015-12``.
        first: First day, UTC; None if no frame has a time.
        last: Last day.
        means: The fields.
    """

    name: str
    first: date | None
    last: date | None
    means: HeatMapMeans


def write_means(
    path: Path,
    periods: Sequence[Period],
    codes: Sequence[str],
    *,
    title: str,
    method: str,
    version: int,
    synthetic: bool,
    history: str,
) -> Path:
    """Writes means and standard deviations of heat maps, both conditions, both streams, with n, and the mean echo.

    Fields without a map are missing values. Those of fewer maps than 30 are there; n tells which they are.

    Args:
        path: The file.
        periods: At least one, the earliest first; echo of another size than the first one's is left out.
        codes: Of the modes.
        title: What frames these are.
        method: ``gradcam`` or ``hirescam``.
        version: Of the model.
        synthetic: Whether it learned from synthetic frames.
        history: What made it.

    Returns:
        The file written.

    Raises:
        OSError: It cannot be written.
    """
    with creating(path) as data:
        data.Conventions = "CF-1.8"
        data.title = text_of(title)
        data.source = f"model version {version}"
        data.history = text_of(f"{format_utc(datetime.now(UTC))} {history}")
        data.references = _REFERENCES[method]
        data.method = METHODS[method]
        data.comment = (
            "Heat maps of the logits, after the ReLU. The standard deviation is computed at feature resolution with "
            f"ddof 0; it must not be interpolated. Fields of fewer than {FEW} maps say little. Rows and columns are "
            "cells of the model's features, not places on the ground. A heat map is not a reason."
            + (" The model learned from synthetic frames." if synthetic else "")
        )
        _add_axes(data, periods, codes)
        _add_fields(data, periods)
        _add_echo(data, periods)
    return path


def _add_axes(data: netCDF4.Dataset, periods: Sequence[Period], codes: Sequence[str]) -> None:
    data.createDimension("period", len(periods))
    data.createDimension("row", periods[0].means.shape[1])
    data.createDimension("column", periods[0].means.shape[2])
    add_modes(data, codes)
    names = data.createVariable("period", str, ("period",))
    names.long_name = "season, or month in UTC"
    names[:] = np.array([text_of(period.name) for period in periods], object)
    for name, days in (("first_day", [one.first for one in periods]), ("last_day", [one.last for one in periods])):
        numbers = [np.nan if day is None else (day - _EPOCH).days for day in days]
        variable = _add(data, name, ("period",), numbers, f"{name.replace('_', ' ')} with frames, UTC", None)
        variable.units, variable.calendar, variable.standard_name = "days since 1970-01-01", "standard", "time"


def _add_fields(data: netCDF4.Dataset, periods: Sequence[Period]) -> None:
    by_mode = ("period", "mode")
    for condition in CONDITIONS:
        empty = [period.means.conditions[condition].empty for period in periods]
        _add(data, f"{condition}_empty", by_mode, empty, f"maps that are zero everywhere, {_CONDITIONS[condition]}")
        for stream in STREAMS:
            what = f"heat map of the mode, {_STREAMS[stream]}; {_CONDITIONS[condition]}"
            moments = [period.means.moments(condition, stream) for period in periods]
            name = f"{condition}_{stream}"
            counts = np.stack([one.count for one in moments])
            _add(data, f"{name}_n", by_mode, counts, f"maps in the mean, {_CONDITIONS[condition]}")
            none = counts[..., np.newaxis, np.newaxis] == 0
            for kind, fields in (
                ("mean", np.stack([one.mean for one in moments])),
                ("std", np.stack([one.std for one in moments])),
            ):
                words = {"mean": "mean", "std": "standard deviation (ddof 0)"}[kind]
                values = np.ma.masked_array(fields, np.broadcast_to(none, fields.shape))
                variable = _add(data, f"{name}_{kind}", (*by_mode, "row", "column"), values, f"{words} of the {what}")
                variable.cell_methods = f"period: {'mean' if kind == 'mean' else 'standard_deviation'}"
                variable.ancillary_variables = f"{name}_n"


def _add_echo(data: netCDF4.Dataset, periods: Sequence[Period]) -> None:
    shape = next((period.means.echo.shape for period in periods if period.means.echo is not None), None)
    if shape is None:
        return
    data.createDimension("echo_row", shape[1])
    data.createDimension("echo_column", shape[2])
    shares = np.full((len(periods), *shape), np.nan)
    for n, period in enumerate(periods):
        share = period.means.echo_share("predicted")
        if share is not None and share.shape == shape:
            shares[n] = share
    what = "share of frames with another colour than no echo, frames predicted to be of the mode"
    _add(data, "echo_share", ("period", "mode", "echo_row", "echo_column"), shares, what)


def _add(
    data: netCDF4.Dataset,
    name: str,
    dimensions: tuple[str, ...],
    values: ArrayLike,
    long_name: str,
    units: str | None = "1",
) -> Any:
    array: Any = np.ma.masked_invalid(np.ma.asarray(values))
    real = np.issubdtype(array.dtype, np.floating)
    fill = _FILL if real else None
    variable = data.createVariable(name, "f8" if real else "i8", dimensions, zlib=True, fill_value=fill)
    variable.long_name = long_name
    if units is not None:
        variable.units = units
    variable[:] = array
    return variable
