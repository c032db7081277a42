"""`/v1/jobs`: long work, asked for, watched, cancelled and resumed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from serving.sidecar.api.models import Text, Time, as_time
from serving.sidecar.explain import Method
from serving.sidecar.problems import describe
from serving.sidecar.services import Parts
from serving.sidecar.store import jobs as store
from serving.sidecar.store.jobs import State
from serving.sidecar.store.seasons import find_series

router = APIRouter(tags=["jobs"])

JobId = Annotated[
    str,
    Path(
        description="Of the job.",
        pattern=r"^[0-9a-f-]{36}$",
        examples=["3f0c8f60-6f3e-4a39-9a4c-0d9f0a6f6f57"],
    ),
]


class Wanted(BaseModel):
    """Work that takes minutes."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")

    kind: Literal["heat_maps"] = Field(description="`heat_maps`: sums the heat maps of a season up, day by day.")
    season: Text = Field(examples=["hse20152016"])
    version: Annotated[int, Field(ge=0, le=2**62)] | None = Field(
        default=None, description="Of the model; the newest that is recorded of the season by default."
    )
    model: Text | None = Field(default=None, description="Name of the servable; any by default.")
    method: Method = "gradcam"


class Failure(BaseModel):
    """An item that could not be done."""

    item: str = Field(examples=["pr2hse20441.png"])
    reason: str = Field(examples=["is truncated: the end of the picture is missing after 8192 bytes"])


class Job(BaseModel):
    """Long work, and how far it is."""

    id: str = Field(examples=["3f0c8f60-6f3e-4a39-9a4c-0d9f0a6f6f57"])
    kind: str = Field(examples=["heat_maps"])
    request: dict[str, str | int] = Field(
        examples=[{"season": "hse20152016", "model": "snowmode", "version": 202611211200, "method": "gradcam"}]
    )
    state: State = Field(description="`waiting`: something is away, which `message` names.", examples=["running"])
    done: int = Field(description="Items done.", examples=[12000])
    total: int = Field(description="Items there are; 0 as long as nobody has counted.", examples=[21866])
    failed: int = Field(description="Items that could not be done; the others are done all the same.", examples=[1])
    failures: list[Failure] = Field(description="The first hundred of them.")
    rate: float | None = Field(description="Items a second.", examples=[1100.0])
    seconds_left: float | None = Field(description="At this rate.", examples=[9.0])
    message: str = Field(description="What it waits for, or why it failed.", examples=[""])
    created: Time = Field(examples=["2026-11-21T12:00:00Z"])
    started: Time | None = Field(examples=["2026-11-21T12:00:01Z"])
    ended: Time | None = Field(examples=[None])

    @classmethod
    def of(cls, one: store.Job) -> Job:
        """Makes it from what is stored."""
        created = as_time(one.created)
        if created is None:
            raise ValueError("expected a time of creation")
        return cls(
            id=one.id,
            kind=one.kind,
            request=one.request,
            state=one.state,
            done=one.done,
            total=one.total,
            failed=one.failed,
            failures=[Failure(item=item, reason=reason) for item, reason in one.failures],
            rate=None if one.rate is None else round(one.rate, 1),
            seconds_left=round((one.total - one.done) / one.rate, 1) if one.rate and one.total else None,
            message=one.message,
            created=created,
            started=as_time(one.started),
            ended=as_time(one.ended),
        )


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]


@router.post("/v1/jobs", status_code=202, responses=describe(401, 403, 404, 415, 429, 503))
def add_job(parts: Parts, wanted: Wanted) -> Job:
    """Asks for long work; where the same is queued or worked on already, gives that job.

    Only what has changed since the last time is done. What is done stays, whatever becomes of the job.
    """
    if not parts.archive.is_named:
        parts.archive.check()
    with parts.database.writing() as connection:
        series = find_series(connection, wanted.season, wanted.version, wanted.model)
        request = {
            "season": series.season,
            "model": series.model,
            "version": series.version,
            "method": wanted.method,
        }
        job = store.add_job(connection, wanted.kind, request)
    parts.jobs.wake()
    return Job.of(job)


@router.get("/v1/jobs", responses=describe(503))
def list_jobs(
    parts: Parts,
    state: Annotated[State | None, Query(description="Jobs of this state; all by default.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobList:
    """Lists jobs."""
    with parts.database.reading() as connection:
        found = store.list_jobs(connection, state=state, limit=limit)
    return JobList(jobs=[Job.of(one) for one in found])


@router.get("/v1/jobs/{job_id}", responses=describe(404, 503))
def get_job(parts: Parts, job_id: JobId) -> Job:
    """Tells how far a job is."""
    with parts.database.reading() as connection:
        return Job.of(store.find_job(connection, job_id))


@router.post("/v1/jobs/{job_id}/cancel", status_code=202, responses=describe(401, 403, 404, 409, 503))
def cancel_job(parts: Parts, job_id: JobId) -> Job:
    """Ends a job; what it has done stays. It is `cancelling` for a moment if it is worked on."""
    with parts.database.writing() as connection:
        job = store.cancel_job(connection, job_id)
    parts.jobs.wake()
    return Job.of(job)


@router.post("/v1/jobs/{job_id}/resume", status_code=202, responses=describe(401, 403, 404, 409, 503))
def resume_job(parts: Parts, job_id: JobId) -> Job:
    """Goes on with a job that was cancelled or has failed."""
    with parts.database.writing() as connection:
        job = store.resume_job(connection, job_id)
    parts.jobs.wake()
    return Job.of(job)
