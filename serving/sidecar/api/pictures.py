"""`GET /v1/frames/{id}/picture`: a frame as its archive has it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from serving.sidecar.api.etags import tagged
from serving.sidecar.api.models import FrameId
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store.frames import find_frame

router = APIRouter(tags=["frames"])

_PNG: dict[int | str, dict[str, Any]] = {
    200: {"description": "A PNG.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "It is what `If-None-Match` says."},
}


@router.get("/v1/frames/{frame_id}/picture", response_class=Response, responses={**_PNG, **describe(404, 503)})
def get_picture(
    parts: Parts, request: Request, frame_id: Annotated[FrameId, Path(description="Of the frame.")]
) -> Response:
    """Gives the picture of a frame: a PNG as it is, a JMA composite drawn in JMA's colours."""
    with parts.database.reading() as connection:
        season, name, _, _ = find_frame(connection, frame_id)
    file = parts.archive.find(season, name)
    return tagged(request, file.tag, "image/png", lambda: parts.archive.png(season, name))
