"""Tables of periods, as forecasters write them: from when to when the weather was of which mode.

A CSV with the columns start, end and mode, one period a line:

    start,end,mode
    2015-12-16T18:00Z,2015-12-17T03:20Z,LT

Times without a zone are in the zone the reader is told. Both ends belong to a period: they are the times of the
first and the last frame the forecaster saw it in. Where one ends when the next begins, the frame of that time is the
next one's.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar.errors import LabelsError
from radar.events import Event, Times, as_times
from radar.seasons import find_zone, format_utc

COLUMNS = ("start", "end", "mode")


def read_periods(path: Path, codes: Sequence[str], *, zone: str = "UTC") -> list[Event]:
    """Reads a table of periods.

    Args:
        path: CSV in UTF-8 with the columns start, end and mode.
        codes: Codes of the modes, in order.
        zone: Of times that carry none: ``UTC``, ``JST`` or an IANA name.

    Returns:
        One event a period, by start; the number of frames is 0, as nobody counted them.

    Raises:
        LabelsError: The file cannot be read, a line makes no sense, or two periods overlap.
        SeasonError: The zone is unknown.
    """
    local = find_zone(zone)
    found: list[tuple[int, Event]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = sorted(set(COLUMNS) - set(reader.fieldnames or ()))
            if missing:
                raise LabelsError(f"{path}: expected the columns start, end, mode; {', '.join(missing)} missing")
            for row in reader:
                try:
                    start, end = (_time(row[name], local) for name in ("start", "end"))
                except (ValueError, OverflowError) as error:
                    raise LabelsError(
                        f"{path}, line {reader.line_num}: expected times such as 2015-12-16T18:00Z; {error}"
                    ) from error
                code = (row["mode"] or "").strip()
                if code not in codes:
                    raise LabelsError(
                        f"{path}, line {reader.line_num}: expected a mode among {', '.join(codes)}, received {code!r}"
                    )
                if end < start:
                    raise LabelsError(f"{path}, line {reader.line_num}: the period ends before it starts")
                found.append((reader.line_num, Event(list(codes).index(code), start, end, 0)))
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error
    if not found:
        raise LabelsError(f"{path}: expected at least one period, received none")
    found.sort(key=lambda entry: (entry[1].start, entry[1].end))
    for (line, before), (next_line, after) in pairwise(found):
        # A period of one frame has no time of its own if the next begins with that frame.
        if after.start < before.end or after.start == before.start:
            raise LabelsError(
                f"{path}, lines {line} and {next_line}: the periods overlap (one lasts until "
                f"{format_utc(before.end)}, the next begins at {format_utc(after.start)}); a time can be of one mode "
                "only"
            )
    return [event for _, event in found]


def is_period_table(path: Path) -> bool:
    """Tells whether a CSV is a table of periods, by its header.

    Raises:
        LabelsError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(COLUMNS) <= set(next(csv.reader(file, skipinitialspace=True), []))
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error


def modes_at(periods: Sequence[Event], times: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gives frames the modes of the periods they lie in.

    Args:
        periods: By start, without overlap.
        times: Times of the frames, shape (N,); NaT lies in no period.

    Returns:
        Index of the mode and index of the period of each frame, -1 outside all periods; both of shape (N,).
    """
    starts, ends = as_times([p.start for p in periods]), as_times([p.end for p in periods])
    known = ~np.isnat(times)
    period = np.full(len(times), -1)
    period[known] = np.searchsorted(starts, times[known], side="right") - 1
    outside = (period < 0) | ~known
    outside[~outside] = times[~outside] > ends[period[~outside]]
    period[outside] = -1
    # The last one is for the index -1.
    modes = np.array([*(p.mode for p in periods), -1], np.int64)[period]
    return modes, period


def _time(text: str | None, local: object) -> datetime:
    if not text:
        raise ValueError("received nothing")
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=local)).astimezone(UTC)  # type: ignore[arg-type]
