"""Reviews in and out: one at a time from the pages, and whole tables `labels.csv` as training reads them."""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, Field

from radar.errors import LabelsError
from radar.labels import LABELS_FILE, read_labels
from radar.seasons import format_utc
from serving.sidecar.api.models import FrameId, Review
from serving.sidecar.api.seasons import SeasonName
from serving.sidecar.errors import BadRequest, NotFound
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store import reviews as store
from serving.sidecar.store.frames import find_frame
from serving.sidecar.store.predictions import find_frame_ids
from serving.sidecar.store.seasons import find_season, list_series

router = APIRouter(tags=["reviews"])

CSV = "text/csv"
Reviewer = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", examples=["nakai"])]
_TABLE = "file,label,time_utc\npr2hse20440.png,DM,2016-03-21T22:40:00Z\n"
_LABELS: dict[int | str, dict[str, Any]] = {
    200: {"content": {CSV: {"schema": {"type": "string", "example": _TABLE}}}, "description": "The table."}
}


class ReviewSaid(BaseModel):
    """A review to be added."""

    frame_id: FrameId = Field(examples=[20441])
    mode: str = Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9_-]+$", examples=["DM"])
    reviewer: Reviewer
    note: str = Field(default="", max_length=2000, pattern=r"^[^\x00]*$")


class Imported(BaseModel):
    """What became of a table of labels."""

    added: int = Field(description="Reviews added.", examples=[500])
    unchanged: int = Field(description="Frames whose review says the same already.", examples=[0])


@router.get("/v1/reviews", responses=describe(404, 503))
def list_reviews(
    parts: Parts, season: Annotated[str | None, Query(max_length=200, description="All by default.")] = None
) -> list[Review]:
    """Lists the review that counts of every reviewed frame, in the order of the frames."""
    with parts.database.reading() as connection:
        if season is not None:
            find_season(connection, season)
        return [Review.of(one) for one in store.current_reviews(connection, season)]


@router.post("/v1/reviews", status_code=201, responses=describe(401, 403, 404, 413, 415, 503))
def add_review(parts: Parts, said: ReviewSaid) -> Review:
    """Says which mode a frame shows. The newest review of a frame counts."""
    with parts.database.writing() as connection:
        season, *_ = find_frame(connection, said.frame_id)
        codes = list(dict.fromkeys(code for one in list_series(connection, season) for code in one.codes))
        if said.mode not in codes:
            raise BadRequest(f"mode: expected one of {', '.join(codes)}, received {said.mode}")
        return Review.of(store.add_review(connection, said.frame_id, said.mode, said.reviewer, said.note))


@router.delete("/v1/reviews/{review_id}", responses=describe(401, 403, 404, 409, 503))
def withdraw_review(parts: Parts, review_id: Annotated[FrameId, Path(description="Of the review.")]) -> Review:
    """Takes a review back; the one before it counts again. Nothing is deleted."""
    with parts.database.writing() as connection:
        return Review.of(store.withdraw_review(connection, review_id))


@router.get("/v1/seasons/{season}/labels.csv", response_class=Response, responses={**_LABELS, **describe(404, 503)})
def get_labels(parts: Parts, season: SeasonName) -> Response:
    """Gives the reviews of a season as `labels.csv`, which `training prepare` reads."""
    with parts.database.reading() as connection:
        find_season(connection, season)
        found = store.current_reviews(connection, season)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "label", "time_utc", "reviewer", "reviewed_utc", "note"))
    for one in found:
        time = "" if one.frame_time is None else _iso(one.frame_time)
        writer.writerow((one.frame, one.mode, time, one.reviewer, _iso(one.time), one.note))
    headers = {"Content-Disposition": f'attachment; filename="{LABELS_FILE}"'}
    return Response(text.getvalue(), media_type=f"{CSV}; charset=utf-8", headers=headers)


@router.post("/v1/seasons/{season}/labels.csv", responses=describe(401, 403, 404, 413, 415, 503))
def put_labels(
    parts: Parts,
    season: SeasonName,
    reviewer: Annotated[Reviewer, Query(description="Who says so.")],
    body: Annotated[bytes, Body(media_type=CSV, examples=[_TABLE])],
) -> Imported:
    """Adds a table of labels as reviews: columns file and label. All are added, or none."""
    with parts.database.writing() as connection:
        find_season(connection, season)
        codes = {code for one in list_series(connection, season) for code in one.codes}
        said = _read(body, codes)
        ids = find_frame_ids(connection, season, list(said))
        if absent := [name for name in said if name not in ids]:
            raise NotFound(
                f"Season {season!r} has no frame {', '.join(map(repr, absent[:5]))} ({len(absent)} of {len(said)} "
                "are unknown); record predictions of them first"
            )
        now = {one.frame: one.mode for one in store.current_reviews(connection, season)}
        new = [(ids[name], mode, "") for name, mode in said.items() if now.get(name) != mode]
        store.add_reviews(connection, new, reviewer)
    return Imported(added=len(new), unchanged=len(said) - len(new))


def _read(body: bytes, codes: set[str]) -> dict[str, str]:
    # The one reader of such tables takes files, as everybody else has them.
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder, LABELS_FILE)
        path.write_bytes(body)
        try:
            return {one.file: one.mode for one in read_labels(path, sorted(codes))}
        except LabelsError as error:
            raise BadRequest(str(error).replace(str(path), LABELS_FILE)) from error


def _iso(seconds: int) -> str:
    return format_utc(datetime.fromtimestamp(seconds, UTC))
