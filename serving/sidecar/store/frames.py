"""Finding frames: pages of predictions along an index, one frame with all that is known of it, whole series."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from radar.statistics import ModeSeries
from serving.sidecar.errors import BadRequest, NotFound
from serving.sidecar.store.seasons import Series, as_series
from serving.sidecar.store.tables import FAILED, NO_TIME, frames, predictions, reviews, seasons, series

Order = Literal["time", "-time", "confidence", "-confidence"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model version says of one frame.

    Attributes:
        frame_id: Of the frame, in the database.
        season: Name of the season.
        frame: Name of the frame.
        time: Seconds since 1970, UTC; None if unknown.
        model: Name of the servable.
        version: Its version.
        revision: Of the frame's content.
        mode: Code of the most probable mode; None if the frame could not be classified.
        confidence: Its probability; None likewise.
        accepted: Whether the model was sure enough.
        probabilities: By code; empty likewise.
        error: Why it could not be classified, or empty.
    """

    frame_id: int
    season: str
    frame: str
    time: int | None
    model: str
    version: int
    revision: int
    mode: str | None
    confidence: float | None
    accepted: bool
    probabilities: dict[str, float]
    error: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames of a series are asked for; what is None does not matter.

    Attributes:
        since: Seconds since 1970; frames at or after it.
        until: Frames before it.
        modes: Codes of the most probable mode.
        lowest: Frames with at least this confidence.
        highest: Frames with at most this confidence.
        accepted: Whether the model was sure enough.
        failed: Whether the frame could not be classified.
        reviewed: Whether somebody has reviewed it.
        name: Frames of this name.
        differs_from: Id of another series of the season, which gives the frame another mode.
    """

    since: int | None = None
    until: int | None = None
    modes: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    accepted: bool | None = None
    failed: bool | None = None
    reviewed: bool | None = None
    name: str | None = None
    differs_from: Series | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some frames, and where the next ones begin.

    Attributes:
        predictions: In the order asked for.
        after: To be given for the next page; None at the end.
    """

    predictions: list[Prediction]
    after: str | None


def find_page(
    connection: Connection,
    of: Series,
    wanted: Wanted | None = None,
    *,
    order: Order = "time",
    after: str | None = None,
    limit: int = 100,
) -> Page:
    """Gives a page of the frames of a series.

    Pages are cut at the last frame seen, not counted: a page costs the same at the end of a winter as at its
    beginning, and frames that come in meanwhile shift nothing.

    Args:
        connection: To read from.
        of: The series.
        wanted: Which frames.
        order: By time or confidence, rising or falling. Frames of the same are in the order of their ids.
        after: `Page.after` of the page before.
        limit: Frames at the most.

    Raises:
        BadRequest: A mode is unknown, or `after` is not of such a page.
    """
    key = predictions.c[order.lstrip("-")]
    falling = order.startswith("-")
    statement = _select(of).where(*_conditions(of, wanted or Wanted()))
    if after is not None:
        value, frame_id = _read_cursor(after, order)
        beyond = key < value if falling else key > value
        later = predictions.c.frame_id < frame_id if falling else predictions.c.frame_id > frame_id
        statement = statement.where(or_(beyond, and_(key == value, later)))
    directions = [column.desc() if falling else column for column in (key, predictions.c.frame_id)]
    rows = list(connection.execute(statement.order_by(*directions).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    cursor = _write_cursor(order, rows[-1]._mapping[key], rows[-1].frame_id) if more else None
    return Page([_prediction(of, row) for row in rows], cursor)


def count_wanted(connection: Connection, of: Series, wanted: Wanted) -> int:
    """Counts the frames of a series that are asked for.

    Raises:
        BadRequest: A mode is unknown.
    """
    statement = (
        select(func.count())
        .select_from(predictions.join(frames, frames.c.id == predictions.c.frame_id))
        .where(predictions.c.series_id == of.id, *_conditions(of, wanted))
    )
    return connection.scalar(statement) or 0


def find_frame(connection: Connection, frame_id: int) -> tuple[str, str, int | None, str]:
    """Finds a frame.

    Returns:
        Name of its season, its own name, its time in seconds since 1970 or None, and the hash of its file or empty.

    Raises:
        NotFound: There is none.
    """
    statement = (
        select(seasons.c.name, frames.c.name, frames.c.time, frames.c.sha256)
        .join(seasons)
        .where(frames.c.id == frame_id)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFound(f"There is no frame with the id {frame_id}")
    season, name, time, sha256 = row
    return season, name, time, sha256


def predictions_of(connection: Connection, frame_id: int) -> list[Prediction]:
    """Gives what every model version says of a frame, the newest version first.

    Raises:
        NotFound: There is no such frame.
    """
    season = find_frame(connection, frame_id)[0]
    rows = connection.execute(
        select(series)
        .join(predictions, predictions.c.series_id == series.c.id)
        .where(predictions.c.frame_id == frame_id)
        .order_by(series.c.version.desc(), series.c.model)
    )
    known = [as_series(row, season) for row in rows]
    found = []
    for one in known:
        row = connection.execute(_select(one).where(predictions.c.frame_id == frame_id)).one()
        found.append(_prediction(one, row))
    return found


def neighbours(connection: Connection, of: Series, prediction: Prediction) -> tuple[int | None, int | None]:
    """Gives the ids of the frames before and after one in time, or None at the ends."""
    here = (NO_TIME if prediction.time is None else prediction.time, prediction.frame_id)
    key = (predictions.c.time, predictions.c.frame_id)
    own = predictions.c.series_id == of.id
    before = or_(key[0] < here[0], and_(key[0] == here[0], key[1] < here[1]))
    after = or_(key[0] > here[0], and_(key[0] == here[0], key[1] > here[1]))
    earlier = select(key[1]).where(own, before).order_by(key[0].desc(), key[1].desc()).limit(1)
    later = select(key[1]).where(own, after).order_by(*key).limit(1)
    return connection.scalar(earlier), connection.scalar(later)


def read_series(connection: Connection, of: Series) -> tuple[ModeSeries, NDArray[np.int64]]:
    """Reads a whole series for statistics.

    Returns:
        The frames in the order of time, those without one first; and their ids, shape (N,).
    """
    columns = predictions.c["time", "mode", "accepted", "frame_id", "probabilities"]
    statement = (
        select(*columns).where(predictions.c.series_id == of.id).order_by(predictions.c.time, predictions.c.frame_id)
    )
    # The driver's own rows: SQLAlchemy's would cost twice the time of the query.
    rows = connection.execute(statement).cursor.fetchall()
    if not rows:
        empty = np.empty(0, np.int64)
        shape = (0, len(of.codes))
        return ModeSeries(of.codes, empty.astype("datetime64[s]"), empty, np.empty(shape), empty.astype(bool)), empty
    times, modes, accepted, ids, blobs = zip(*rows, strict=True)
    seconds = np.array(times, np.int64)
    moments = seconds.astype("datetime64[s]")
    moments[seconds == NO_TIME] = np.datetime64("NaT")
    blank = np.full(len(of.codes), np.nan, "<f4").tobytes()
    table = np.frombuffer(b"".join(blob or blank for blob in blobs), "<f4").reshape(len(rows), len(of.codes))
    found = ModeSeries(
        of.codes, moments, np.array(modes, np.int64), table.astype(np.float64), np.array(accepted, bool)
    )
    return found, np.array(ids, np.int64)


def frame_names(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    """Gives id, name and hash of frames."""
    for start in range(0, len(ids), 5000):
        some = ids[start : start + 5000]
        yield from connection.execute(
            select(frames.c.id, frames.c.name, frames.c.sha256).where(frames.c.id.in_(some))
        )


def _select(of: Series) -> Select[Any]:
    return (
        select(predictions, frames.c.name)
        .join(frames, frames.c.id == predictions.c.frame_id)
        .where(predictions.c.series_id == of.id)
    )


def _conditions(of: Series, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    columns = predictions.c
    if wanted.since is not None:
        yield columns.time >= wanted.since
    if wanted.until is not None:
        yield and_(columns.time < wanted.until, columns.time > NO_TIME)
    if wanted.modes:
        if unknown := [code for code in wanted.modes if code not in of.codes]:
            raise BadRequest(f"mode: expected some of {', '.join(of.codes)}, received {', '.join(unknown)}")
        yield columns.mode.in_([of.codes.index(code) for code in wanted.modes])
    if wanted.lowest is not None:
        yield columns.confidence >= wanted.lowest
    if wanted.highest is not None:
        yield and_(columns.confidence <= wanted.highest, columns.mode != FAILED)
    if wanted.accepted is not None:
        yield and_(columns.accepted.is_(wanted.accepted), columns.mode != FAILED)
    if wanted.failed is not None:
        yield (columns.mode == FAILED) if wanted.failed else (columns.mode != FAILED)
    if wanted.reviewed is not None:
        review = exists().where(reviews.c.frame_id == columns.frame_id, reviews.c.withdrawn.is_(None))
        yield review if wanted.reviewed else ~review
    if wanted.name is not None:
        yield frames.c.name == wanted.name
    if wanted.differs_from is not None:
        yield _differs(of, wanted.differs_from)


def _differs(of: Series, other: Series) -> ColumnElement[bool]:
    theirs = predictions.alias("theirs")
    # The same code may stand at another place of the other model's list.
    same = [(of.codes.index(code), other.codes.index(code)) for code in of.codes if code in other.codes]
    agreed = or_(*(and_(predictions.c.mode == a, theirs.c.mode == b) for a, b in same)) if same else None
    conditions = [
        theirs.c.series_id == other.id,
        theirs.c.frame_id == predictions.c.frame_id,
        theirs.c.mode != FAILED,
        predictions.c.mode != FAILED,
    ]
    return exists().where(*conditions, *([] if agreed is None else [~agreed]))


def _prediction(of: Series, row: Row[Any]) -> Prediction:
    table = np.frombuffer(row.probabilities, "<f4")
    failed = row.mode == FAILED
    return Prediction(
        frame_id=row.frame_id,
        season=of.season,
        frame=row.name,
        time=None if row.time == NO_TIME else row.time,
        model=of.model,
        version=of.version,
        revision=row.revision,
        mode=None if failed else of.codes[row.mode],
        confidence=None if failed else row.confidence,
        accepted=row.accepted,
        probabilities=dict(zip(of.codes, (round(float(p), 6) for p in table), strict=False)),
        error=row.error,
    )


def _write_cursor(order: Order, value: float, frame_id: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, value, frame_id]).encode()).decode().rstrip("=")


def _read_cursor(text: str, order: Order) -> tuple[float, int]:
    try:
        said, value, frame_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if said == order and type(frame_id) is int and type(value) in (int, float) and abs(frame_id) < 2**62:
            return value, frame_id
    except (ValueError, TypeError):
        pass
    raise BadRequest(
        f"after: expected what a page in the order {order!r} gave as its `after`, received {text[:80]!r}"
    )
