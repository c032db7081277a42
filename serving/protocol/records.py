"""Records of predictions, as the client sends them to the sidecar: one JSON object a line.

    POST /v1/predictions        Content-Type: application/x-ndjson

A record is known by season, frame and model version. Sent again it changes nothing; with a higher revision (the frame
came once more, with another content) it takes the place of the earlier one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

PATH: Final = "/v1/predictions"
CONTENT_TYPE: Final = "application/x-ndjson"
MAX_RECORDS: Final = 5000
"""In one request."""

MAX_ERROR: Final = 2000
"""Characters that say why a frame could not be classified."""


_TEXT = r"^[^\x00]*$"  # what every database can hold
_NAME = r"^[^\x00/]*$"  # a season is a folder of the archive, and a part of addresses
_YEARS = range(1950, 2200)  # outside them a name was misread, and a season would span centuries


class PredictionRecord(BaseModel):
    """One frame by one model version.

    Attributes:
        season: Name of the season.
        frame: Name of the frame, relative to the season's folder.
        time: Of the frame, UTC; None if its name does not tell.
        model: Name of the servable.
        model_version: Its version.
        revision: 1, and one more each time a corrected frame came under the same name.
        sha256: Of the frame's file, or empty.
        probabilities: By code of the mode, in the model's order; empty if the frame could not be classified.
        accepted: Whether the largest probability reaches the model's threshold.
        error: Why the frame could not be classified, or empty.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    season: str = Field(min_length=1, max_length=200, pattern=_NAME)
    frame: str = Field(min_length=1, max_length=1000, pattern=_TEXT)
    time: datetime | None = None
    model: str = Field(min_length=1, max_length=200, pattern=_TEXT)
    model_version: int = Field(ge=0, le=2**63 - 1)
    revision: int = Field(default=1, ge=1, le=2**31 - 1)
    sha256: str = Field(default="", max_length=200, pattern=_TEXT)
    probabilities: dict[str, float] = {}
    accepted: bool = False
    error: str = Field(default="", max_length=MAX_ERROR, pattern=_TEXT)

    @model_validator(mode="after")
    def _either(self) -> PredictionRecord:
        if bool(self.probabilities) == bool(self.error):
            raise ValueError("expected probabilities, or an error that says why there are none")
        if any(not 0 <= p <= 1 for p in self.probabilities.values()):
            raise ValueError(f"expected probabilities from 0 to 1, received {self.probabilities}")
        if self.time is not None and self.time.year not in _YEARS:
            raise ValueError(f"expected a time from {_YEARS[0]} to {_YEARS[-1]}, received {self.time}")
        return self
