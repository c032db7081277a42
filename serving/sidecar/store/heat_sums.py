"""Daily sums of heat maps: what a season is put together from without asking the model."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from radar.heat_map_means import HeatMapMeans
from radar.heat_maps import EchoShare, Moments
from serving.sidecar.store.seasons import Series, insert
from serving.sidecar.store.tables import FAILED, NO_TIME, frames, heat_sums, predictions

NO_DAY = -(2**31)
"""The day of frames whose time is unknown: before all others, on both databases."""

DAY_SECONDS = 86_400
_LEVEL = 1  # of compression; more takes ten times as long and saves a tenth


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that goes into the sums.

    Attributes:
        id: In the database.
        name: In the folder of its season.
        day: Since 1970, UTC; or `NO_DAY`.
        mode: Index into the codes of its series.
        revision: Of its content.
        sha256: Of its file, or empty.
    """

    id: int
    name: str
    day: int
    mode: int
    revision: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there of a day.

    Attributes:
        day: Since 1970, UTC.
        frames: That went in.
        failed: That could not be used.
        fingerprint: Of the frames it was made of.
        made: When, seconds since 1970.
    """

    day: int
    frames: int
    failed: int
    fingerprint: str
    made: int


def frames_of(connection: Connection, of: Series) -> list[Frame]:
    """Lists the frames of a series that were classified, in the order of days."""
    columns = predictions.c["frame_id", "time", "mode", "revision"]
    rows = connection.execute(
        select(*columns, frames.c.name, frames.c.sha256)
        .join(frames, frames.c.id == predictions.c.frame_id)
        .where(predictions.c.series_id == of.id, predictions.c.mode != FAILED)
        .order_by(predictions.c.time, predictions.c.frame_id)
    )
    return [
        Frame(
            id=row.frame_id,
            name=row.name,
            day=NO_DAY if row.time == NO_TIME else row.time // DAY_SECONDS,
            mode=row.mode,
            revision=row.revision,
            sha256=row.sha256,
        )
        for row in rows
    ]


def kept_days(connection: Connection, of: Series, method: str) -> dict[int, Kept]:
    """Tells which days there are sums of."""
    columns = heat_sums.c["day", "frames", "failed", "fingerprint", "made"]
    statement = select(*columns).where(heat_sums.c.series_id == of.id, heat_sums.c.method == method)
    return {row[0]: Kept(*row) for row in connection.execute(statement)}


def keep_day(
    connection: Connection, of: Series, method: str, day: int, means: HeatMapMeans, *, failed: int, fingerprint: str
) -> None:
    """Keeps the sums of a day, in the place of earlier ones."""
    row = {
        "series_id": of.id,
        "method": method,
        "day": day,
        "frames": int(means.moments("all", "raw").count[0]),
        "failed": failed,
        "fingerprint": fingerprint,
        "made": int(time.time()),
        "sums": pack(means),
        "echo": pack_echo(means.echo),
    }
    statement = insert(connection, heat_sums)
    keys = ["series_id", "method", "day"]
    values = {name: statement.excluded[name] for name in row if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), row)


def drop_days(connection: Connection, of: Series, method: str, days: list[int]) -> None:
    """Forgets days that have no frames any more."""
    connection.execute(
        delete(heat_sums).where(
            heat_sums.c.series_id == of.id, heat_sums.c.method == method, heat_sums.c.day.in_(days)
        )
    )


def read_days(
    connection: Connection, of: Series, method: str, *, first: int | None, last: int | None, echo: bool = True
) -> Iterator[tuple[int, HeatMapMeans]]:
    """Reads the sums of days.

    Args:
        connection: To read from.
        of: The series.
        method: Name of the heat maps.
        first: Of the days wanted, since 1970, UTC; None takes those of frames without a time too.
        last: Likewise.
        echo: Whether where echo was is wanted.

    Yields:
        Day and sums, rising.
    """
    wanted = [heat_sums.c.series_id == of.id, heat_sums.c.method == method]
    wanted += [] if first is None else [heat_sums.c.day >= first]
    wanted += [] if last is None else [heat_sums.c.day <= last]
    if (first, last) != (None, None):
        wanted.append(heat_sums.c.day != NO_DAY)
    columns = [heat_sums.c.day, heat_sums.c.sums, *([heat_sums.c.echo] if echo else [])]
    for row in connection.execute(select(*columns).where(*wanted).order_by(heat_sums.c.day)):
        means = unpack(row.sums)
        if echo:
            means.echo = unpack_echo(row.echo)
        yield row.day, means


def pack(means: HeatMapMeans) -> bytes:
    """Gives means as bytes: a line of JSON that tells the shape, and the numbers, compressed; without the echo."""
    parts: list[NDArray[np.generic]] = []
    for composite in means.conditions.values():
        parts.append(composite.empty.astype("<i8"))
        for moments in (composite.raw, composite.unit_peak):
            parts += [moments.count.astype("<i8"), moments.mean.astype("<f8"), moments.m2.astype("<f8")]
    return _packed({"shape": means.shape}, parts)


def unpack(data: bytes) -> HeatMapMeans:
    """Reads what `pack` gave."""
    head, numbers = _unpacked(data)
    shape = (int(head["shape"][0]), int(head["shape"][1]), int(head["shape"][2]))
    means = HeatMapMeans(shape)
    at = 0

    def take(kind: str, *of: int) -> NDArray[np.generic]:
        nonlocal at
        count = int(np.prod(of))
        values = np.frombuffer(numbers, kind, count, at).reshape(of)
        at += values.nbytes
        return values

    for composite in means.conditions.values():
        composite.empty[:] = take("<i8", shape[0])
        for moments in (composite.raw, composite.unit_peak):
            _fill(moments, take("<i8", shape[0]), take("<f8", *shape), take("<f8", *shape))
    return means


def pack_echo(echo: EchoShare | None) -> bytes:
    """Gives where echo was as bytes; float32 is more than enough for a day."""
    if echo is None:
        return b""
    return _packed({"shape": echo.shape}, [echo.count.astype("<i8"), echo.hits.astype("<f4")])


def unpack_echo(data: bytes) -> EchoShare | None:
    """Reads what `pack_echo` gave."""
    if not data:
        return None
    head, numbers = _unpacked(data)
    modes, rows, columns = head["shape"]
    echo = EchoShare((modes, rows, columns))
    echo.count[:] = np.frombuffer(numbers, "<i8", modes)
    echo.hits[:] = np.frombuffer(numbers, "<f4", offset=8 * modes).reshape(echo.shape)
    return echo


def _fill(moments: Moments, count: NDArray[np.generic], mean: NDArray[np.generic], m2: NDArray[np.generic]) -> None:
    moments.count[:], moments.mean[:], moments.m2[:] = count, mean, m2


def _packed(head: dict[str, object], parts: list[NDArray[np.generic]]) -> bytes:
    line = json.dumps(head).encode()
    return struct.pack("<I", len(line)) + line + zlib.compress(b"".join(part.tobytes() for part in parts), _LEVEL)


def _unpacked(data: bytes) -> tuple[dict[str, list[int]], bytes]:
    (length,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + length]), zlib.decompress(data[4 + length :])
