"""`/v1/seasons`: which winters are recorded, and what is known of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from serving.sidecar.api.models import Moment, Text, Time, as_time
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store import seasons as store

router = APIRouter(tags=["seasons"])

SeasonName = Annotated[Text, Path(description="Name of the season.", examples=["hse20152016"])]


class SeriesAnswer(BaseModel):
    """A season by one model version."""

    model: str = Field(examples=["snowmode"])
    version: int = Field(examples=[202611211200])
    modes: list[str] = Field(examples=[["SY", "VX", "LT", "DM", "NO"]])
    frames: int = Field(examples=[21866])
    first: Time | None = Field(description="Time of the first frame.", examples=["2015-11-01T00:00:00Z"])
    last: Time | None = Field(description="Time of the last frame.", examples=["2016-03-31T23:50:00Z"])


class SeasonSaid(BaseModel):
    """What is said of a season; what is left out stays as it is."""

    start: Moment | None = Field(default=None, description="Of the running index in its frames' names.")
    cadence_minutes: float | None = Field(default=None, gt=0, le=1440, examples=[10])
    time_rule: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = Field(
        default="", description="How the frames' names tell their times, as in `season.toml`."
    )


class SeasonAnswer(BaseModel):
    """A season."""

    name: str = Field(examples=["hse20152016"])
    start: Time | None
    cadence_minutes: float | None = Field(examples=[10])
    time_rule: str
    series: list[SeriesAnswer] = Field(description="By model version, the newest first.")


@router.get("/v1/seasons", responses=describe(503))
def list_seasons(parts: Parts) -> list[SeasonAnswer]:
    """Lists the seasons, the newest name first."""
    with parts.database.reading() as connection:
        seasons = store.list_seasons(connection)
        series = store.list_series(connection)
    return [_answer(season, [one for one in series if one.season == season.name]) for season in seasons]


@router.get("/v1/seasons/{season}", responses=describe(404, 503))
def get_season(parts: Parts, season: SeasonName) -> SeasonAnswer:
    """Gives one season."""
    with parts.database.reading() as connection:
        found = store.find_season(connection, season)
        return _answer(found, store.list_series(connection, season))


@router.put("/v1/seasons/{season}", responses=describe(401, 403, 413, 415, 503))
def put_season(parts: Parts, season: SeasonName, said: SeasonSaid) -> SeasonAnswer:
    """Says when a season starts, how far its frames are apart and how their names tell their times."""
    with parts.database.writing() as connection:
        store.describe_season(
            connection,
            season,
            start=None if said.start is None else int(said.start.timestamp()),
            cadence=None if said.cadence_minutes is None else timedelta(minutes=said.cadence_minutes),
            time_rule=said.time_rule,
        )
        found = store.find_season(connection, season)
        return _answer(found, store.list_series(connection, season))


def _answer(season: store.Season, series: list[store.Series]) -> SeasonAnswer:
    return SeasonAnswer(
        name=season.name,
        start=as_time(season.start),
        cadence_minutes=None if season.cadence is None else season.cadence / timedelta(minutes=1),
        time_rule=season.time_rule,
        series=[
            SeriesAnswer(
                model=one.model,
                version=one.version,
                modes=list(one.codes),
                frames=one.frames,
                first=as_time(one.first),
                last=as_time(one.last),
            )
            for one in series
        ],
    )
