"""`/`: the newest frame, what the model sees in it, the hours before, and what is wrong."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from serving.sidecar.api.models import Text
from serving.sidecar.pages.modes import faces_of
from serving.sidecar.pages.parts import pictures_of, troubles_of
from serving.sidecar.pages.rendering import PageRoute, clock_of, render, words_of
from serving.sidecar.pages.strip import lay_out
from serving.sidecar.pages.times import TOO_OLD, describe_age
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.frames import Wanted, find_page
from serving.sidecar.store.overview import newest_time
from serving.sidecar.store.review_progress import current_review
from serving.sidecar.store.seasons import Series, find_season, list_series

router = APIRouter(route_class=PageRoute)

DAY = 86_400
LATE_FRAMES = 3  # so many frames may be due before the page says that they are late
USUAL_CADENCE = 600
MOST = 2000  # frames of a strip; a day has 288 at a cadence of five minutes


@router.get("/")
def show_now(request: Request, parts: Parts, season: Text | None = None) -> Response:
    """Shows the newest frame of the newest season, or of a season asked for."""
    words, clock, now = words_of(request), clock_of(parts), int(time.time())
    with parts.database.reading() as connection:
        newest = _newest_series(connection, season)
        if newest is None:
            return render(request, "now.html", latest=None, troubles=troubles_of(parts, words))
        series, last = newest
        latest = find_page(connection, series, Wanted(until=last + 1), order="-time", limit=1).predictions[0]
        day = find_page(connection, series, Wanted(since=last - DAY + 1, until=last + 1), limit=MOST).predictions
        card = find_card(connection, series.model, series.version)
        cadence = find_season(connection, series.season).cadence
        review = current_review(connection, latest.frame_id)
    faces = faces_of(series.codes, card, words.language)
    step = round(cadence.total_seconds()) if cadence else USUAL_CADENCE
    age = now - last
    troubles = troubles_of(parts, words)
    if LATE_FRAMES * step < age < TOO_OLD.total_seconds():
        troubles.insert(0, words("now.late", age=describe_age(words, age), n=step // 60))
    if age < -step:
        troubles.insert(0, words("now.ahead"))
    return render(
        request,
        "now.html",
        latest=latest,
        faces=faces,
        review=review,
        age=describe_age(words, age),
        finished=age >= TOO_OLD.total_seconds(),
        strip=lay_out(day, (last - DAY + step, last + step), faces, clock, words, here=latest.frame_id),
        pictures=pictures_of(parts, latest, words),
        synthetic=card is not None and card.synthetic,
        troubles=troubles,
    )


def _newest_series(connection: Connection, season: str | None) -> tuple[Series, int] | None:
    found = [(series, newest_time(connection, series)) for series in list_series(connection, season)]
    dated = [(series, newest) for series, newest in found if newest is not None]
    return max(dated, key=lambda pair: (pair[1], pair[0].version), default=None)
