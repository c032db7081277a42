"""What calls take and give: the shapes that OpenAPI documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, PlainSerializer

from radar.seasons import format_utc
from serving.sidecar.store import frames as stored
from serving.sidecar.store import reviews as said

Time = Annotated[datetime, PlainSerializer(format_utc, return_type=str, when_used="json")]
"""A time in an answer: ISO 8601, UTC, with ``Z``."""

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
"""A short text that both databases can hold."""

Season = Annotated[Text, Query(description="Name of the season.", examples=["hse20152016"])]
Version = Annotated[
    int | None, Query(ge=0, le=2**62, description="Version of the model; the newest by default.", examples=[None])
]
Model = Annotated[str | None, Query(max_length=200, description="Name of the servable; any by default.")]
FrameId = Annotated[int, Field(ge=1, le=2**62)]


def as_time(seconds: int | None) -> datetime | None:
    """Gives a time that the store holds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Prediction(BaseModel):
    """What one model version says of one frame."""

    id: int = Field(description="Of the frame.", examples=[20441])
    season: str = Field(examples=["hse20152016"])
    frame: str = Field(examples=["pr2hse20440.png"])
    time: Time | None = Field(examples=["2016-03-21T22:40:00Z"])
    model: str = Field(examples=["snowmode"])
    version: int = Field(examples=[202611211200])
    revision: int = Field(description="One more for each corrected content of the frame.", examples=[1])
    mode: str | None = Field(description="Most probable mode; null if it could not be classified.", examples=["LT"])
    confidence: float | None = Field(description="Probability of that mode.", examples=[0.93])
    accepted: bool = Field(description="Whether the confidence reaches the model's threshold.", examples=[True])
    probabilities: dict[str, float] = Field(examples=[{"SY": 0.02, "VX": 0.01, "LT": 0.93, "DM": 0.03, "NO": 0.01}])
    error: str = Field(description="Why the frame could not be classified, or empty.", examples=[""])

    @classmethod
    def of(cls, one: stored.Prediction) -> Prediction:
        """Makes it from what is stored."""
        return cls(
            id=one.frame_id,
            season=one.season,
            frame=one.frame,
            time=as_time(one.time),
            model=one.model,
            version=one.version,
            revision=one.revision,
            mode=one.mode,
            confidence=None if one.confidence is None else round(one.confidence, 6),
            accepted=one.accepted,
            probabilities=one.probabilities,
            error=one.error,
        )


class Review(BaseModel):
    """What one person said of one frame."""

    id: int = Field(examples=[7])
    frame_id: int = Field(examples=[20441])
    season: str = Field(examples=["hse20152016"])
    frame: str = Field(examples=["pr2hse20440.png"])
    frame_time: Time | None = Field(examples=["2016-03-21T22:40:00Z"])
    mode: str = Field(examples=["DM"])
    reviewer: str = Field(examples=["nakai"])
    time: Time = Field(description="When it was said.", examples=["2026-11-21T12:00:00Z"])
    note: str = Field(examples=["band bound to the coast"])
    withdrawn: Time | None = Field(description="When it was taken back; null if it counts.", examples=[None])

    @classmethod
    def of(cls, one: said.Review) -> Review:
        """Makes it from what is stored."""
        return cls(
            id=one.id,
            frame_id=one.frame_id,
            season=one.season,
            frame=one.frame,
            frame_time=as_time(one.frame_time),
            mode=one.mode,
            reviewer=one.reviewer,
            time=datetime.fromtimestamp(one.time, UTC),
            note=one.note,
            withdrawn=as_time(one.withdrawn),
        )


Moment = AwareDatetime
"""A time in a question; without a zone it is refused."""
