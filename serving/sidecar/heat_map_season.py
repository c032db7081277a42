"""Heat maps of a season put together from the sums of its days, without asking a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from sqlalchemy import Connection, and_, case, exists, func, select

from radar.heat_map_means import HeatMapMeans
from serving.sidecar.errors import NotFound
from serving.sidecar.store.heat_sums import DAY_SECONDS, NO_DAY, read_days
from serving.sidecar.store.seasons import Series
from serving.sidecar.store.tables import FAILED, NO_TIME, heat_sums, predictions

By = Literal["season", "month"]

_EPOCH = date(1970, 1, 1)
_SHIFT = 100_000  # days


@dataclass(frozen=True, slots=True)
class Group:
    """What some days have in common.

    Attributes:
        name: Of the season, or the month: ``2015-12``.
        first: Its first day with sums, UTC; None where no frame has a time.
        last: Its last one.
        days: How many have sums.
        means: The fields.
    """

    name: str
    first: date | None
    last: date | None
    days: int
    means: HeatMapMeans


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what was asked for is in the sums.

    Attributes:
        summed: Frames that are in them.
        failed: Frames that could not be used.
        pending: Frames that came or changed since: another job takes them in.
    """

    summed: int
    failed: int
    pending: int


def gather(
    connection: Connection,
    of: Series,
    method: str,
    *,
    first: date | None = None,
    last: date | None = None,
    by: By = "season",
    echo: bool = True,
) -> list[Group]:
    """Puts sums of days together.

    Args:
        connection: To read from.
        of: The series.
        method: ``gradcam`` or ``hirescam``.
        first: First day, UTC; with neither, frames without a time are in the season too, and in no month.
        last: Last day, UTC.
        by: What a group is; months are those of UTC.
        echo: Whether where echo was is wanted.

    Returns:
        The groups, the earliest first.

    Raises:
        NotFound: There are no sums of such days.
    """
    found: dict[str, tuple[list[int], HeatMapMeans]] = {}
    days = read_days(connection, of, method, first=_number(first), last=_number(last), echo=echo)
    for day, means in days:
        if by == "month" and day == NO_DAY:
            continue
        name = of.season if by == "season" else f"{_date(day):%Y-%m}"
        numbers, whole = found.setdefault(name, ([], HeatMapMeans(means.shape)))
        numbers.append(day)
        whole.merge(means)
    if not found:
        asked = "" if first is None and last is None else f" from {first or 'its begin'} to {last or 'its end'}"
        raise NotFound(
            f"There are no sums of {method} heat maps of season {of.season!r} by version {of.version}{asked}. Make "
            f'them: POST /v1/jobs {{"kind": "heat_maps", "season": "{of.season}", "version": {of.version}, "method": '
            f'"{method}"}}'
        )
    groups = []
    for name, (numbers, means) in found.items():
        dated = [_date(day) for day in numbers if day != NO_DAY]
        groups.append(Group(name, min(dated, default=None), max(dated, default=None), len(numbers), means))
    return groups


def cover(
    connection: Connection, of: Series, method: str, *, first: date | None = None, last: date | None = None
) -> Coverage:
    """Tells how much of a series, or of some of its days, is in the sums."""
    low, high = _number(first), _number(last)
    sums = [heat_sums.c.series_id == of.id, heat_sums.c.method == method]
    known = [predictions.c.series_id == of.id, predictions.c.mode != FAILED]
    if (low, high) != (None, None):
        sums.append(heat_sums.c.day != NO_DAY)
        known.append(predictions.c.time != NO_TIME)
    if low is not None:
        sums.append(heat_sums.c.day >= low)
        known.append(predictions.c.time >= low * DAY_SECONDS)
    if high is not None:
        sums.append(heat_sums.c.day <= high)
        known.append(predictions.c.time < (high + 1) * DAY_SECONDS)
    summed, failed = connection.execute(
        select(func.coalesce(func.sum(heat_sums.c.frames), 0), func.coalesce(func.sum(heat_sums.c.failed), 0)).where(
            *sums
        )
    ).one()
    # Databases divide towards zero: days before 1970 are counted from an earlier one.
    number = (predictions.c.time + _SHIFT * DAY_SECONDS) // DAY_SECONDS - _SHIFT
    day = case((predictions.c.time == NO_TIME, NO_DAY), else_=number)
    newer = ~exists().where(
        and_(
            heat_sums.c.series_id == of.id,
            heat_sums.c.method == method,
            heat_sums.c.day == day,
            heat_sums.c.made >= predictions.c.recorded,
        )
    )
    classified = connection.scalar(select(func.count()).select_from(predictions).where(*known)) or 0
    changed = connection.scalar(select(func.count()).select_from(predictions).where(*known, newer)) or 0
    return Coverage(int(summed), int(failed), max(changed, classified - int(summed) - int(failed), 0))


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _number(day: date | None) -> int | None:
    return None if day is None else (day - _EPOCH).days
