"""How far the reviews are: what counts for a frame, whose turn it was last, how many frames people have seen."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from serving.sidecar.store.reviews import Review, find_review
from serving.sidecar.store.seasons import Season
from serving.sidecar.store.tables import frames, reviews


def current_review(connection: Connection, frame_id: int) -> Review | None:
    """Gives the review of a frame that counts: the newest that is not withdrawn."""
    statement = select(func.max(reviews.c.id)).where(reviews.c.frame_id == frame_id, reviews.c.withdrawn.is_(None))
    newest = connection.scalar(statement)
    return None if newest is None else find_review(connection, newest)


def newest_review(connection: Connection, season: Season, reviewer: str) -> Review | None:
    """Gives the last review of somebody in a season that is not withdrawn: what undo takes back."""
    statement = (
        select(func.max(reviews.c.id))
        .join(frames, frames.c.id == reviews.c.frame_id)
        .where(frames.c.season_id == season.id, reviews.c.reviewer == reviewer, reviews.c.withdrawn.is_(None))
    )
    newest = connection.scalar(statement)
    return None if newest is None else find_review(connection, newest)


def count_reviewed(connection: Connection) -> dict[int, int]:
    """Counts the frames of each season that somebody has reviewed; by id of the season."""
    rows = connection.execute(
        select(frames.c.season_id, func.count(func.distinct(reviews.c.frame_id)))
        .join(frames, frames.c.id == reviews.c.frame_id)
        .where(reviews.c.withdrawn.is_(None))
        .group_by(frames.c.season_id)
    )
    return dict(rows.all())
