"""`/v1/frames`: pages of frames, and one frame with all that is known of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from serving.sidecar.api.models import FrameId, Model, Moment, Prediction, Review, Season, Time, Version, as_time
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store import frames as store
from serving.sidecar.store.reviews import reviews_of
from serving.sidecar.store.seasons import find_series

router = APIRouter(tags=["frames"])


class FramePage(BaseModel):
    """Some frames of a series."""

    frames: list[Prediction]
    after: str | None = Field(description="To be given as `after` for the next page; null at the end.")


class FrameAnswer(BaseModel):
    """All that is known of a frame."""

    id: int = Field(examples=[20441])
    season: str = Field(examples=["hse20152016"])
    frame: str = Field(examples=["pr2hse20440.png"])
    time: Time | None = Field(examples=["2016-03-21T22:40:00Z"])
    sha256: str = Field(description="Of its file, or empty.")
    predictions: list[Prediction] = Field(description="By every model version, the newest first.")
    reviews: list[Review] = Field(description="By people, the newest first; withdrawn ones too.")


@router.get("/v1/frames", responses=describe(404, 503))
def list_frames(
    parts: Parts,
    season: Season,
    version: Version = None,
    model: Model = None,
    since: Annotated[Moment | None, Query(description="Frames at or after this time.")] = None,
    until: Annotated[Moment | None, Query(description="Frames before this time.")] = None,
    mode: Annotated[
        list[str] | None, Query(description="Most probable mode; may be repeated.", max_length=64)
    ] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    max_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    accepted: Annotated[bool | None, Query(description="Whether the model was sure enough.")] = None,
    failed: Annotated[bool | None, Query(description="Whether the frame could not be classified.")] = None,
    reviewed: Annotated[bool | None, Query(description="Whether somebody reviewed it.")] = None,
    frame: Annotated[str | None, Query(description="Name of the frame.", max_length=1000)] = None,
    differs_from: Annotated[
        int | None, Query(ge=0, le=2**62, description="Frames to which this version gives another mode.")
    ] = None,
    order: Annotated[store.Order, Query(description="A minus turns it round.")] = "time",
    after: Annotated[str | None, Query(max_length=200, description="`after` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FramePage:
    """Lists frames of a season as one model version sees them, a page at a time."""
    with parts.database.reading() as connection:
        series = find_series(connection, season, version, model)
        other = None if differs_from is None else find_series(connection, season, differs_from, model)
        wanted = store.Wanted(
            since=None if since is None else int(since.timestamp()),
            until=None if until is None else int(until.timestamp()),
            modes=tuple(mode or ()),
            lowest=min_confidence,
            highest=max_confidence,
            accepted=accepted,
            failed=failed,
            reviewed=reviewed,
            name=frame,
            differs_from=other,
        )
        page = store.find_page(connection, series, wanted, order=order, after=after, limit=limit)
    return FramePage(frames=[Prediction.of(one) for one in page.predictions], after=page.after)


@router.get("/v1/frames/{frame_id}", responses=describe(404, 503))
def get_frame(parts: Parts, frame_id: Annotated[FrameId, Path(description="Of the frame.")]) -> FrameAnswer:
    """Gives a frame: what every model version and every reviewer says of it."""
    with parts.database.reading() as connection:
        season, name, time, sha256 = store.find_frame(connection, frame_id)
        predictions = store.predictions_of(connection, frame_id)
        reviews = reviews_of(connection, frame_id)
    return FrameAnswer(
        id=frame_id,
        season=season,
        frame=name,
        time=as_time(time),
        sha256=sha256,
        predictions=[Prediction.of(one) for one in predictions],
        reviews=[Review.of(one) for one in reviews],
    )
