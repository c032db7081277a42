"""Heat maps of a stored frame, and of a picture that is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from radar import frames, jma
from serving.protocol.connection import ServedModel
from serving.sidecar.api.etags import tagged
from serving.sidecar.api.models import FrameId, Text, Version
from serving.sidecar.archive import count_pixels, limited
from serving.sidecar.errors import BadRequest, NotFound, TooLarge
from serving.sidecar.explain import MEDIA_TYPES, Form, Method, Scale, Subject, Wish, as_dict, as_npz, draw
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts, Services
from serving.sidecar.store.frames import find_frame

router = APIRouter(tags=["explanations"])


class HeatMaps(BaseModel):
    """Heat maps of one frame, as numbers (`as=json`)."""

    model: str = Field(examples=["snowmode"])
    version: int = Field(examples=[202611211200])
    method: str = Field(examples=["gradcam"])
    unit: str = Field(description="Of the maps and logits.", examples=["logit"])
    mode: str = Field(description="Most probable mode.", examples=["LT"])
    accepted: bool = Field(description="Whether the model is sure enough.", examples=[True])
    probabilities: dict[str, float] = Field(examples=[{"SY": 0.02, "VX": 0.01, "LT": 0.93, "DM": 0.03, "NO": 0.01}])
    logits: dict[str, float] = Field(examples=[{"SY": 0.4, "VX": -0.3, "LT": 4.2, "DM": 0.8, "NO": -0.3}])
    empty: list[str] = Field(description="Modes whose map is zero everywhere.", examples=[["NO"]])
    maps: dict[str, list[list[float]]] = Field(
        description="Raw maps at feature resolution, after the ReLU, by mode: a list of rows, the top one first.",
        examples=[{"LT": [[0.0, 0.5], [1.25, 0.0]]}],
    )


def _wish(
    mode: Annotated[
        Text | None,
        Query(
            description="Code of a mode, `winner` or `all`. By default the winner for an overlay, otherwise all.",
            examples=["LT"],
        ),
    ] = None,
    method: Annotated[Method, Query(description="Kind of heat map.")] = "gradcam",
    form: Annotated[
        Form, Query(alias="as", description="A picture of one mode, a picture of all, or raw numbers.")
    ] = "overlay",
    scale: Annotated[
        Scale, Query(description="The darkest colour is the largest value of all modes, or of the map itself.")
    ] = "frame",
    caption: Annotated[bool, Query(description="Whether an overlay carries mode, probability and scale.")] = False,
) -> Wish:
    return Wish(method=method, mode=mode or "", form=form, scale=scale, caption=caption)


Wanted = Annotated[Wish, Depends(_wish)]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Heat maps in the form asked for.",
        "model": HeatMaps,
        "content": {"image/png": _BINARY, "application/zip": _BINARY},
    }
}
_UPLOAD: dict[str, Any] = {"requestBody": {"required": True, "content": {"image/png": _BINARY}}}


@router.get(
    "/v1/frames/{frame_id}/heat-maps",
    response_class=Response,
    responses={**_ANSWERS, 304: {"description": "They are what `If-None-Match` says."}, **describe(404, 429, 503)},
)
def get_heat_maps(
    parts: Parts,
    request: Request,
    wish: Wanted,
    frame_id: Annotated[FrameId, Path(description="Of the frame.")],
    version: Version = None,
) -> Response:
    """Explains a stored frame: where the evidence for a mode lies, by the model that is hosted now.

    The version that is hosted may be another than the one whose prediction is stored; name it to be sure.
    """
    with parts.database.reading() as connection:
        season, name, _, _ = find_frame(connection, frame_id)
    file = parts.archive.find(season, name)

    def answer(served: ServedModel) -> Response:
        wish.check(served.card)

        def make() -> bytes:
            picture = parts.archive.picture(season, name, served.card.input.frame_rule())
            subject = Subject.of(picture, served.card, name, composite=jma.is_composite(name))
            return _render(parts, served, subject, wish)

        return tagged(request, _tag(file.tag, served, wish), MEDIA_TYPES[wish.form], make)

    return _with_model(parts, version, answer)


async def _upload(parts: Parts, request: Request) -> bytes:
    """Reads a picture that is sent, and stops as soon as it is too large."""
    limit = parts.settings.max_upload_bytes
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLarge(f"Expected a picture of at most {limit:,} bytes; received more")
    return bytes(body)


@router.post(
    "/v1/heat-maps",
    response_class=Response,
    openapi_extra=_UPLOAD,
    responses={**_ANSWERS, **describe(404, 413, 415, 429, 503)},
)
def explain_picture(
    parts: Parts, wish: Wanted, data: Annotated[bytes, Depends(_upload)], version: Version = None
) -> Response:
    """Explains a picture that is sent, a PNG; nothing of it is kept."""
    if not data:
        raise BadRequest("Expected a PNG as the body; received nothing")
    if (pixels := count_pixels(data)) > parts.settings.max_pixels:
        raise TooLarge(f"Expected a picture of at most {parts.settings.max_pixels:,} pixels; received {pixels:,}")

    def answer(served: ServedModel) -> Response:
        wish.check(served.card)
        rule = limited(served.card.input.frame_rule(), parts.settings.max_pixels)
        picture = frames.decode(data, no_echo=rule.no_echo, max_pixels=rule.max_pixels)
        content = _render(parts, served, Subject.of(picture, served.card, "picture sent"), wish)
        return Response(content, media_type=MEDIA_TYPES[wish.form])

    return _with_model(parts, version, answer)


def _with_model(parts: Services, version: int | None, answer: Callable[[ServedModel], Response]) -> Response:
    """Answers by a version that is named, or by the newest, even where it changes at this moment."""
    try:
        return answer(parts.model_server.served(version))
    except NotFound:
        if version is not None:
            raise
        return answer(parts.model_server.served())


def _render(parts: Services, served: ServedModel, subject: Subject, wish: Wish) -> bytes:
    found = parts.model_server.explain(served, subject.image(served.card))
    if wish.form == "json":
        return bytes(JSONResponse(as_dict(found, wish)).body)
    return as_npz(found, wish) if wish.form == "npz" else draw(subject, found, wish)


def _tag(file: str, served: ServedModel, wish: Wish) -> str:
    return hashlib.sha256(repr((file, served.version, wish)).encode()).hexdigest()[:32]
