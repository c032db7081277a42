"""Shapes of the answers of `api.statistics`, for OpenAPI.

The answers are made by `radar.season_tables` and tests hold the two against each other: checking thousands of rows in
every answer would cost more than counting them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfMode(_Shape):
    """A mode in a month, day, hour or season."""

    frames: int = Field(examples=[9120])
    share: float | None = Field(description="Of the classified frames.", examples=[0.417])
    mean_probability: float | None = Field(examples=[0.402])
    accepted_share: float | None = Field(description="Of the frames of this mode.", examples=[0.96])


class Durations(_Shape):
    """How long the events of a mode last, in hours."""

    events: int = Field(examples=[311])
    quantiles: list[float | None] = Field(examples=[[0.2, 0.5, 1.5, 4.0, 9.3]])
    longest: float | None = Field(examples=[31.2])
    total: float = Field(examples=[1023.0])


class Mode(OfMode):
    """A mode in a season."""

    code: str = Field(examples=["LT"])
    durations: Durations


class Group(_Shape):
    """A month, a day, or an hour of the day."""

    key: str = Field(examples=["2015-12"])
    classified: int
    failed: int = Field(description="Frames that could not be classified.")
    missing: int = Field(description="Frames that should be there and are not.")
    modes: dict[str, OfMode]


class Transitions(_Shape):
    """What follows what, from a frame to the next: rows are the earlier mode, columns the later one."""

    codes: list[str]
    counts: list[list[int]]
    shares: list[list[float | None]]
    shares_of_changes: list[list[float | None]] = Field(description="Without the diagonal.")
    apart: int = Field(description="Neighbours not counted, as something is missing between them.")


class Event(_Shape):
    """A run of frames of one mode, short interruptions allowed."""

    mode: str = Field(examples=["LT"])
    start: str = Field(description="Time of the first frame.", examples=["2016-01-23T21:10:00Z"])
    end: str = Field(description="Time of the last frame.", examples=["2016-01-24T09:40:00Z"])
    hours: float = Field(description="From the first frame to the last.", examples=[12.5])
    frames: int = Field(examples=[74])
    peak_p: float = Field(description="Largest probability of the mode.", examples=[0.998])
    peak_time: str = Field(examples=["2016-01-24T02:00:00Z"])
    mean_p: float = Field(examples=[0.93])
    accepted: float = Field(description="Share of accepted frames.", examples=[0.97])


class Summary(_Shape):
    """A season without its days and events."""

    name: str = Field(examples=["hse20152016"])
    versions: list[int] = Field(examples=[[202611211200]])
    first: str = Field(examples=["2015-11-01T00:00:00Z"])
    last: str = Field(examples=["2016-03-31T23:50:00Z"])
    cadence_minutes: float = Field(examples=[10])
    zone: str = Field(examples=["JST"])
    classified: int
    failed: int
    missing: int
    repeated: int = Field(description="Frames left out, as another one has their time.")
    untimed: int = Field(description="Frames left out, as they have no time.")
    synthetic: bool = Field(description="Whether the model learned from synthetic frames.")
    modes: list[Mode]
    months: list[Group]
    hours: list[Group] = Field(description="Of the zone.")
    hours_utc: list[Group]
    transitions: Transitions


class SeasonStatistics(Summary):
    """A season with its days and events."""

    days: list[Group]
    events: list[Event]


class Statistics(_Shape):
    """Seasons counted."""

    quantiles: list[float] = Field(description="Of the durations.", examples=[[0.1, 0.25, 0.5, 0.75, 0.9]])
    seasons: list[Summary]


class CardExpectation(_Shape):
    """What the model's card says of its validation frames; null where it says nothing."""

    accuracy: float | None
    mean_confidence: float | None
    accepted_share: float | None
    ece: float | None


class DriftMonth(_Shape):
    """How sure the model was in a month."""

    key: str
    frames: int
    mean_confidence: float | None
    accepted_share: float | None
    mean_entropy: float | None
    few: bool = Field(description="Whether there are too few frames to say much.")


class Bin(_Shape):
    """Reviewed frames of a range of confidence."""

    low: float
    high: float
    frames: int
    mean_confidence: float | None
    accuracy: float | None


class Reviewed(_Shape):
    """How right the model is where people looked."""

    frames: int
    events: int
    accuracy: float | None
    accuracy_low: float | None = Field(description="Of the 95 % interval, by event.")
    accuracy_high: float | None
    mean_confidence: float | None
    ece: float | None = Field(description="Expected calibration error.")
    ece_bias: float | None = Field(description="What a perfectly calibrated model would show here.")
    bins: list[Bin]


class Drift(_Shape):
    """Whether a winter is what the model was made for."""

    season: str
    version: int
    card: CardExpectation
    months: list[DriftMonth]
    reviewed: Reviewed
    notes: list[str]


class WinterMode(_Shape):
    """A mode in a winter."""

    code: str
    frames: int
    share: float | None
    share_low: float | None = Field(description="Of the 95 % interval, by day.")
    share_high: float | None
    events: int
    events_per_day: float | None
    hours: float | None
    median_hours: float | None
    longest_hours: float | None


class WinterMonth(_Shape):
    """A month of a winter."""

    key: str
    classified: int
    shares: dict[str, float | None]


class Winter(_Shape):
    """A winter beside others."""

    name: str
    version: int
    first: str
    last: str
    cadence_minutes: float
    classified: int
    missing: int
    synthetic: bool
    modes: list[WinterMode]
    months: list[WinterMonth]


class Comparison(_Shape):
    """Winters side by side."""

    winters: list[Winter]
