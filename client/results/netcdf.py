"""Results as NetCDF after the CF conventions 1.8: `NAME.nc`.

The time axis has every moment at which a frame was due: one that is missing has the status `frame_missing`, and
missing values; only gaps of more than a year are left as they are. No coordinates on the ground are written, for
nothing says where the pixels of a PNG lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from client.errors import ConfigError
from client.results.rows import Row, read_results
from client.results.runs import Record, read_record, record_file
from radar.netcdf import add_modes, add_time, creating, text_of
from radar.seasons import find_gaps, format_utc

CLASSIFIED, FAILED, MISSING = range(3)
STATUS = ("classified", "could_not_be_classified", "frame_missing")
_LONGEST_GAP = timedelta(days=366)  # a date with a wrong century must not cost millions of missing moments
_NO_FLAG = np.int8(-1)
_NO_NUMBER = np.float32(netCDF4.default_fillvals["f4"])
_FLAG_CHARACTERS = re.compile(r"[^A-Za-z0-9_.+@-]+")


@dataclass(slots=True)
class Table:
    """All rows of a result file, a list a column; `seconds` are since 1970, None where a frame has no time."""

    codes: tuple[str, ...]
    files: list[str] = field(default_factory=list)
    seconds: list[int | None] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    probabilities: list[Sequence[float]] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Takes a row."""
        self.files.append(text_of(row.file))
        self.seconds.append(seconds_of(row))
        if row.label:
            self.labels.append(self.codes.index(row.label))
            self.probabilities.append(row.probabilities)
            self.entropies.append(float(_NO_NUMBER) if row.entropy is None else row.entropy)
            self.accepted.append(int(row.accepted))
            self.status.append(CLASSIFIED)
        else:
            self._add_nothing(FAILED)

    def add_missing(self, time: datetime) -> None:
        """Takes a moment at which a frame was due and none is there."""
        self.files.append("")
        self.seconds.append(int(time.timestamp()))
        self._add_nothing(MISSING)

    def _add_nothing(self, status: int) -> None:
        self.labels.append(int(_NO_FLAG))
        self.probabilities.append([float(_NO_NUMBER)] * len(self.codes))
        self.entropies.append(float(_NO_NUMBER))
        self.accepted.append(int(_NO_FLAG))
        self.status.append(status)


def netcdf_path(results: Path) -> Path:
    """Gives the name of the NetCDF beside a result file."""
    return results.with_name(results.name.removesuffix(".csv") + ".nc")


def write(results: Path) -> Path:
    """Writes the NetCDF of a result file.

    Frames have a dimension ``time``, ascending, each moment once: of frames with the same time the first is taken,
    and frames without a time are left out; an attribute tells how many. Where no frame has a time, the dimension is
    ``frame``, in the order of the CSV.

    Args:
        results: A finished result file.

    Returns:
        The file written, `NAME.nc`.

    Raises:
        OSError: It cannot be written.
    """
    codes, rows = read_results(results)
    record = record_of(results)
    table = Table(codes)
    for row in rows:
        table.add(row)
    left_out = 0
    order = np.arange(len(table.files))
    dated = [n for n, seconds in enumerate(table.seconds) if seconds is not None]
    if dated:
        ordered = sorted(dated, key=lambda n: (table.seconds[n], n))
        chosen = [n for before, n in zip([-1, *ordered], ordered, strict=False) if _differ(table, before, n)]
        left_out = len(table.files) - len(chosen)
        order = _with_gaps(table, chosen, record)
    path = netcdf_path(results)
    title = f"Snowfall modes of {Path(record.identity.folder).name}" if record else "Snowfall modes"
    with creating(path) as data:
        set_attributes(data, title, record, codes)
        if left_out:
            data.comment = (
                f"{left_out} frames are left out: they have no time, or the time of another. The CSV has them."
            )
        _fill(data, table, order, record, "time" if dated else "frame")
    return path


def _differ(table: Table, before: int, n: int) -> bool:
    return before < 0 or table.seconds[before] != table.seconds[n]


def _with_gaps(table: Table, chosen: list[int], record: Record | None) -> NDArray[np.intp]:
    """Adds missing moments to the table; gives all rows in the order of time."""
    rows = list(chosen)
    if record is not None and record.cadence_minutes:
        cadence = timedelta(minutes=record.cadence_minutes)
        times = [datetime.fromtimestamp(seconds, UTC) for n in chosen if (seconds := table.seconds[n]) is not None]
        for gap in find_gaps(times, cadence):
            if gap.end - gap.start > _LONGEST_GAP:
                continue
            for step in range(gap.missing):
                rows.append(len(table.files))
                table.add_missing(gap.start + step * cadence)
    return np.array(sorted(rows, key=lambda n: table.seconds[n] or 0), np.intp)


def _fill(data: netCDF4.Dataset, table: Table, order: NDArray[np.intp], record: Record | None, axis: str) -> None:
    data.createDimension(axis, len(order))
    add_modes(data, table.codes)
    if axis == "time":
        add_time(data, axis)[:] = np.array([table.seconds[n] for n in order], np.float64)
    files = data.createVariable("file", str, (axis,))
    files.long_name = "name of the frame, relative to its folder"
    files[:] = np.array([table.files[n] for n in order], object)
    flags = {
        "label": (np.array(table.labels, np.int8), "most probable mode", _meanings(table.codes, record)),
        "accepted": (
            np.array(table.accepted, np.int8),
            "whether the largest probability reaches the model's threshold",
            ("rejected", "accepted"),
        ),
        "status": (np.array(table.status, np.int8), "why a value may be missing", STATUS),
    }
    for name, (values, long_name, meanings) in flags.items():
        fill = None if name == "status" else _NO_FLAG
        variable = data.createVariable(name, "i1", (axis,), zlib=True, fill_value=fill)
        variable.long_name = long_name
        variable.flag_values = np.arange(len(meanings), dtype=np.int8)
        variable.flag_meanings = " ".join(meanings)
        variable[:] = values[order]
    p = data.createVariable("probability", "f4", (axis, "mode"), zlib=True, fill_value=_NO_NUMBER)
    p.long_name, p.units = "calibrated probability of the mode", "1"
    p.valid_range = np.array([0, 1], np.float32)
    p[:] = np.array(table.probabilities, np.float32).reshape(-1, len(table.codes))[order]
    entropy = data.createVariable("entropy", "f4", (axis,), zlib=True, fill_value=_NO_NUMBER)
    entropy.long_name, entropy.units = "entropy of the probabilities, in nats; 0 is certain", "1"
    entropy[:] = np.array(table.entropies, np.float32)[order]


def set_attributes(data: netCDF4.Dataset, title: str, record: Record | None, codes: Sequence[str]) -> None:
    """Says what the data are, where they come from and how they were made."""
    data.Conventions = "CF-1.8"
    data.title = text_of(title)
    now = format_utc(datetime.now(UTC))
    data.history = text_of(f"{now} {record.command if record and record.command else 'snowmode'}")
    if record is None:
        return
    run, card = record.identity, record.card
    data.source = f"model {run.model} version {run.version}" + (f", recipe {card.recipe}" if card else "")
    data.folder = text_of(Path(run.folder).name)
    data.rejection_threshold = run.rejection_threshold
    for name in ("time_rule", "window", "shard"):
        if value := getattr(run, name):
            data.setncattr(name, text_of(value))
    if run.window:
        data.setncattr("credit", "出典：気象庁ホームページ (processed)")
    if card is not None:
        data.modes = "; ".join(f"{mode.code}: {mode.name_en}, {mode.name_ja}" for mode in card.modes)
        data.temperature = card.temperature
        data.git_commit = card.git_commit
        data.manifest_sha256 = card.manifest_sha256
        data.settings = json.dumps(card.settings, ensure_ascii=False)
        data.caveats = " ".join(card.caveats)


def record_of(results: Path) -> Record | None:
    """Reads the record of a result file; None if there is none that can be read."""
    try:
        return read_record(record_file(results))
    except ConfigError:
        return None


def seconds_of(row: Row) -> int | None:
    """Gives a row's time in seconds since 1970; None if it has none."""
    return int(datetime.fromisoformat(row.time_utc).timestamp()) if row.time_utc else None


def _meanings(codes: tuple[str, ...], record: Record | None) -> tuple[str, ...]:
    """Gives a word for each mode: its English name if the card tells one, else its code."""
    names = codes
    if record is not None and record.card is not None and record.card.codes == codes:
        names = tuple(_FLAG_CHARACTERS.sub("_", mode.name_en).strip("_") for mode in record.card.modes)
    return names if all(names) and len(set(names)) == len(names) else codes
