"""`/frames/{id}`: one frame, its maps, what every model version and every person says of it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from serving.sidecar.api.models import FrameId, Version
from serving.sidecar.pages.modes import faces_of
from serving.sidecar.pages.parts import pictures_of
from serving.sidecar.pages.rendering import PageRoute, clock_of, render, words_of
from serving.sidecar.pages.strip import HOUR, lay_out
from serving.sidecar.services import Parts
from serving.sidecar.store.cards import find_card
from serving.sidecar.store.frames import Wanted, find_frame, find_page, neighbours, predictions_of
from serving.sidecar.store.reviews import reviews_of
from serving.sidecar.store.seasons import find_series

router = APIRouter(route_class=PageRoute)

Method = Literal["gradcam", "hirescam"]
AROUND = 6 * HOUR  # on either side of the frame, in the strip below it
MOST = 500


@router.get("/frames/{frame_id}")
def show_frame(
    request: Request,
    parts: Parts,
    frame_id: FrameId,
    version: Version = None,
    method: Method = "gradcam",
) -> Response:
    """Shows a frame as the newest model version sees it, or another one."""
    words, clock = words_of(request), clock_of(parts)
    with parts.database.reading() as connection:
        season, name, time, _ = find_frame(connection, frame_id)
        said = predictions_of(connection, frame_id)
        shown = next((one for one in said if one.version == version), said[0])
        series = find_series(connection, season, shown.version, shown.model)
        earlier, later = neighbours(connection, series, shown)
        around = []
        if time is not None:
            span = Wanted(since=time - AROUND, until=time + AROUND + 1)
            around = find_page(connection, series, span, limit=MOST).predictions
        reviews = reviews_of(connection, frame_id)
        card = find_card(connection, series.model, series.version)
    faces = faces_of(series.codes, card, words.language)
    strip = lay_out(around, (time - AROUND, time + AROUND), faces, clock, words, here=frame_id) if time else None
    return render(
        request,
        "frame.html",
        season=season,
        name=name,
        time=time,
        shown=shown,
        said=said,
        earlier=earlier,
        later=later,
        version=version,
        method=method,
        asked_method=None if method == "gradcam" else method,
        strip=strip,
        faces=faces,
        card=card,
        reviews=reviews,
        pictures=pictures_of(parts, shown, words),
    )
