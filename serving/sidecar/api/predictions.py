"""`POST /v1/predictions`: what `client watch` and `client classify` send."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field, ValidationError

from serving.protocol.records import CONTENT_TYPE, MAX_RECORDS, PATH, PredictionRecord
from serving.sidecar.errors import BadRequest
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store.predictions import record

router = APIRouter(tags=["predictions"])

_EXAMPLE = (
    '{"season":"hse20152016","frame":"pr2hse20440.png","time":"2016-03-21T22:40:00Z","model":"snowmode",'
    '"model_version":202611211200,"probabilities":{"SY":0.02,"VX":0.01,"LT":0.93,"DM":0.03,"NO":0.01},"accepted":true}\n'
    '{"season":"hse20152016","frame":"pr2hse20441.png","time":"2016-03-21T22:50:00Z","model":"snowmode",'
    '"model_version":202611211200,"error":"is truncated"}\n'
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {CONTENT_TYPE: {"schema": {"type": "string", "example": _EXAMPLE}}},
    }
}


class Received(BaseModel):
    """What became of the records."""

    new: int = Field(description="Frames that this model version had not said anything of.", examples=[2])
    replaced: int = Field(description="Earlier predictions replaced by a higher revision.", examples=[0])
    unchanged: int = Field(description="Records that were there already.", examples=[0])


@router.post(PATH, openapi_extra=_BODY, responses=describe(401, 403, 409, 413, 415, 503))
def record_predictions(parts: Parts, body: Annotated[bytes, Body(media_type=CONTENT_TYPE)]) -> Received:
    """Records predictions: one JSON object a line, up to 5,000 of them.

    All are stored, or none. A record is known by season, frame and model version: sent again it changes nothing; with
    a higher revision it takes the place of the earlier one.
    """
    records = _read(body)
    with parts.database.writing() as connection:
        done = record(connection, records)
    parts.metrics.recorded(new=done.new, replaced=done.replaced, unchanged=done.unchanged)
    return Received(new=done.new, replaced=done.replaced, unchanged=done.unchanged)


def _read(body: bytes) -> list[PredictionRecord]:
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not 1 <= len(lines) <= MAX_RECORDS:
        raise BadRequest(f"Expected 1 to {MAX_RECORDS} records, one JSON object a line; received {len(lines)} lines")
    records = []
    for number, line in lines:
        try:
            records.append(PredictionRecord.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadRequest(
                f"Line {number}{': ' + where if where else ''}: {first['msg']}; received {line[:200]!r}"
            ) from error
    return records
