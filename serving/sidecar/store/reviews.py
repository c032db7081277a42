"""Reviews: what people say of frames. Nothing is deleted; what was taken back stays as withdrawn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from serving.sidecar.errors import Conflict, NotFound
from serving.sidecar.store.tables import frames, reviews, seasons


@dataclass(frozen=True, slots=True)
class Review:
    """What one person said of one frame.

    Attributes:
        id: In the database.
        frame_id: Of the frame.
        season: Name of the season.
        frame: Name of the frame.
        frame_time: Of the frame, seconds since 1970, UTC; None if unknown.
        mode: Code of the mode the person saw.
        reviewer: Who.
        time: When, seconds since 1970, UTC.
        note: Why, or empty.
        withdrawn: When it was taken back; None if it counts.
    """

    id: int
    frame_id: int
    season: str
    frame: str
    frame_time: int | None
    mode: str
    reviewer: str
    time: int
    note: str
    withdrawn: int | None


def add_review(connection: Connection, frame_id: int, mode: str, reviewer: str, note: str = "") -> Review:
    """Adds a review; from now on it is the frame's newest.

    Raises:
        NotFound: There is no such frame.
    """
    (review,) = add_reviews(connection, [(frame_id, mode, note)], reviewer)
    return review


def add_reviews(connection: Connection, said: Sequence[tuple[int, str, str]], reviewer: str) -> list[Review]:
    """Adds reviews of many frames by one person.

    Args:
        connection: To write to.
        said: Id of the frame, code of the mode, and a note or nothing.
        reviewer: Who.

    Raises:
        NotFound: One of the frames is not there; nothing is added then.
    """
    ids = [frame_id for frame_id, _, _ in said]
    known: dict[int, int] = {}
    for start in range(0, len(ids), 5000):
        some = ids[start : start + 5000]
        statement = select(frames.c.id, frames.c.season_id).where(frames.c.id.in_(some))
        known |= dict(connection.execute(statement).all())
    if absent := [str(id_) for id_ in ids if id_ not in known]:
        raise NotFound(f"There is no frame with the id {', '.join(absent[:5])}")
    now = int(time.time())
    rows = [
        {"frame_id": frame_id, "mode": mode, "reviewer": reviewer, "time": now, "note": note}
        for frame_id, mode, note in said
    ]
    made = connection.scalars(reviews.insert().returning(reviews.c.id), rows).all() if rows else []
    _count_changes(connection, set(known.values()))
    return [find_review(connection, id_) for id_ in made] if len(made) <= 1 else _find(connection, made)


def withdraw_review(connection: Connection, review_id: int) -> Review:
    """Takes a review back: the one before it counts again, if there is one.

    Raises:
        NotFound: There is no such review.
        Conflict: It was withdrawn before.
    """
    review = find_review(connection, review_id)
    statement = (
        update(reviews)
        .where(reviews.c.id == review_id, reviews.c.withdrawn.is_(None))
        .values(withdrawn=int(time.time()))
    )
    if not connection.execute(statement).rowcount:
        raise Conflict(f"Review {review_id} of {review.season}/{review.frame} is withdrawn already")
    season_id = connection.scalars(select(frames.c.season_id).where(frames.c.id == review.frame_id)).one()
    _count_changes(connection, {season_id})
    return find_review(connection, review_id)


def find_review(connection: Connection, review_id: int) -> Review:
    """Finds a review, withdrawn or not.

    Raises:
        NotFound: There is none.
    """
    row = connection.execute(_select().where(reviews.c.id == review_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no review with the id {review_id}")
    return _review(row)


def reviews_of(connection: Connection, frame_id: int) -> list[Review]:
    """Gives everything people said of a frame, the newest first."""
    rows = connection.execute(_select().where(reviews.c.frame_id == frame_id).order_by(reviews.c.id.desc()))
    return [_review(row) for row in rows]


def current_reviews(connection: Connection, season: str | None = None) -> list[Review]:
    """Gives the review that counts of every reviewed frame: the newest that is not withdrawn.

    Args:
        connection: To read from.
        season: Name of a season; None takes all.

    Returns:
        By season, time and name of the frame.
    """
    newest = (
        select(func.max(reviews.c.id)).where(reviews.c.withdrawn.is_(None)).group_by(reviews.c.frame_id).subquery()
    )
    statement = _select().where(reviews.c.id.in_(select(newest)))
    if season is not None:
        statement = statement.where(seasons.c.name == season)
    rows = connection.execute(statement.order_by(seasons.c.name, func.coalesce(frames.c.time, 0), frames.c.name))
    return [_review(row) for row in rows]


def _find(connection: Connection, ids: Sequence[int]) -> list[Review]:
    found = {}
    for start in range(0, len(ids), 5000):
        for row in connection.execute(_select().where(reviews.c.id.in_(ids[start : start + 5000]))):
            found[row.id] = _review(row)
    return [found[id_] for id_ in ids]


def _count_changes(connection: Connection, season_ids: set[int]) -> None:
    connection.execute(
        update(seasons).where(seasons.c.id.in_(sorted(season_ids))).values(changes=seasons.c.changes + 1)
    )


def _select() -> Select[Any]:
    return (
        select(reviews, seasons.c.name.label("season"), frames.c.name, frames.c.time.label("frame_time"))
        .join(frames, frames.c.id == reviews.c.frame_id)
        .join(seasons, seasons.c.id == frames.c.season_id)
    )


def _review(row: Row[Any]) -> Review:
    return Review(
        id=row.id,
        frame_id=row.frame_id,
        season=row.season,
        frame=row.name,
        frame_time=row.frame_time,
        mode=row.mode,
        reviewer=row.reviewer,
        time=row.time,
        note=row.note,
        withdrawn=row.withdrawn,
    )
