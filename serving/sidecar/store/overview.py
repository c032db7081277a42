"""All seasons at one glance: how many frames, of which modes, from when to when."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from serving.sidecar.store.seasons import Series
from serving.sidecar.store.tables import FAILED, NO_TIME, predictions


@dataclass(frozen=True, slots=True)
class Overview:
    """What a series holds.

    Attributes:
        counts: Frames of each mode, in the order of the series' codes.
        failed: Frames that could not be classified.
        first: Time of the first frame, seconds since 1970, UTC; None if no frame has a time.
        last: Of the last one.
    """

    counts: tuple[int, ...]
    failed: int
    first: int | None
    last: int | None

    @property
    def classified(self) -> int:
        """Frames that have a mode."""
        return sum(self.counts)


def count_modes(connection: Connection, of: Series) -> Overview:
    """Counts the frames of a series by mode."""
    rows = connection.execute(
        select(predictions.c.mode, func.count()).where(predictions.c.series_id == of.id).group_by(predictions.c.mode)
    )
    counts: dict[int, int] = dict(rows.all())
    first, last = connection.execute(
        select(func.min(predictions.c.time), func.max(predictions.c.time)).where(
            predictions.c.series_id == of.id, predictions.c.time > NO_TIME
        )
    ).one()
    return Overview(tuple(counts.get(k, 0) for k in range(len(of.codes))), counts.get(FAILED, 0), first, last)


def newest_time(connection: Connection, of: Series) -> int | None:
    """Gives the time of the newest frame of a series, seconds since 1970, UTC; None if no frame has a time."""
    statement = select(func.max(predictions.c.time)).where(predictions.c.series_id == of.id)
    newest = connection.scalar(statement)
    return None if newest in (None, NO_TIME) else newest
