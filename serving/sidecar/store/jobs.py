"""Jobs: long work that survives its process. Who works on one says so, and keeps saying so.

    queued -> running <-> waiting -> done | failed
       |         |
       |         +-> cancelling -> cancelled          resumed: cancelled | failed -> queued
       +----------------------------^

A job whose owner has not been heard of for a while belongs to the next one who asks.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from serving.sidecar.errors import Conflict, NotFound
from serving.sidecar.store.tables import jobs

State = Literal["queued", "running", "waiting", "cancelling", "cancelled", "failed", "done"]
OWNED: tuple[State, ...] = ("running", "waiting", "cancelling")
GOING_ON: tuple[State, ...] = ("queued", "running", "waiting")
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Job:
    """Long work.

    Attributes:
        id: A UUID.
        kind: What is done.
        request: To what.
        state: See the module.
        done: Items done.
        total: Items there are; 0 as long as nobody counted.
        failed: Items that could not be done.
        failures: Item and reason of the first hundred of them.
        rate: Items a second; None as long as nobody knows.
        message: What it waits for, or how it ended.
        created: Seconds since 1970, UTC.
        started: When it was first worked on.
        ended: When it was done, failed or cancelled.
    """

    id: str
    kind: str
    request: dict[str, Any]
    state: State
    done: int
    total: int
    failed: int
    failures: tuple[tuple[str, str], ...]
    rate: float | None
    message: str
    created: int
    started: int | None
    ended: int | None


def add_job(connection: Connection, kind: str, request: Mapping[str, Any]) -> Job:
    """Queues a job; where the same one is queued or worked on already, gives that one."""
    same = select(jobs).where(jobs.c.kind == kind, jobs.c.state.in_(GOING_ON)).order_by(jobs.c.created)
    for row in connection.execute(same):
        if row.request == dict(request):
            return _job(row)
    id_ = str(uuid.uuid4())
    made = {"id": id_, "kind": kind, "request": dict(request), "state": "queued", "failures": []}
    connection.execute(jobs.insert(), {**made, "created": int(time.time())})
    return find_job(connection, id_)


def find_job(connection: Connection, job_id: str) -> Job:
    """Finds a job.

    Raises:
        NotFound: There is none.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id!r}")
    return _job(row)


def list_jobs(connection: Connection, *, state: State | None = None, limit: int = 100) -> list[Job]:
    """Lists jobs, the newest first."""
    statement = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id).limit(limit)
    if state is not None:
        statement = statement.where(jobs.c.state == state)
    return [_job(row) for row in connection.execute(statement)]


def cancel_job(connection: Connection, job_id: str) -> Job:
    """Ends a job; what it has done stays. One that is worked on ends a moment later.

    Raises:
        NotFound: There is no such job.
        Conflict: It has ended already.
    """
    now = int(time.time())
    waiting = update(jobs).where(jobs.c.id == job_id, jobs.c.state == "queued")
    at_work = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(OWNED))
    if (
        not connection.execute(waiting.values(state="cancelled", ended=now)).rowcount
        and not connection.execute(at_work.values(state="cancelling")).rowcount
    ):
        job = find_job(connection, job_id)
        raise Conflict(f"Job {job_id} cannot be cancelled: it is {job.state}")
    return find_job(connection, job_id)


def resume_job(connection: Connection, job_id: str) -> Job:
    """Queues a job again that was cancelled or has failed; what it has done is not done twice.

    Raises:
        NotFound: There is no such job.
        Conflict: It is queued, worked on or done.
    """
    stopped = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(("cancelled", "failed")))
    if not connection.execute(stopped.values(state="queued", message="", ended=None, owner="")).rowcount:
        job = find_job(connection, job_id)
        raise Conflict(f"Job {job_id} cannot be resumed: it is {job.state}")
    return find_job(connection, job_id)


def is_waiting(connection: Connection, stale_seconds: float) -> bool:
    """Tells whether there is a job to claim, without holding up those who write."""
    return connection.execute(select(jobs.c.id).where(_free(stale_seconds)).limit(1)).first() is not None


def claim_job(connection: Connection, owner: str, stale_seconds: float) -> Job | None:
    """Takes the oldest job that nobody works on.

    A job whose owner died while it was to be cancelled is cancelled instead.

    Args:
        connection: To write to.
        owner: Who works on it from now on.
        stale_seconds: So long after its last sign of life an owner is taken for dead.
    """
    now = int(time.time())
    dead = and_(jobs.c.state == "cancelling", _silent(stale_seconds))
    connection.execute(update(jobs).where(dead).values(state="cancelled", ended=now, owner=""))
    for job_id in connection.scalars(select(jobs.c.id).where(_free(stale_seconds)).order_by(jobs.c.created)):
        # The condition once more: another one may have taken it between the two statements.
        mine = update(jobs).where(jobs.c.id == job_id, _free(stale_seconds))
        values = {"state": "running", "owner": owner, "heartbeat": now, "message": ""}
        if connection.execute(mine.values(values)).rowcount:
            first = update(jobs).where(jobs.c.id == job_id, jobs.c.started.is_(None))
            connection.execute(first.values(started=now))
            return find_job(connection, job_id)
    return None


def report(connection: Connection, job_id: str, owner: str, **progress: Any) -> State | None:
    """Gives a sign of life, with progress.

    Returns:
        The state the job is in; None if it belongs to somebody else by now.
    """
    mine = and_(jobs.c.id == job_id, jobs.c.owner == owner, jobs.c.state.in_(OWNED))
    state = progress.pop("state", None)
    if not connection.execute(update(jobs).where(mine).values(heartbeat=int(time.time()), **progress)).rowcount:
        return None
    if state is not None:  # a wish to cancel is not to be overwritten
        connection.execute(update(jobs).where(mine, jobs.c.state != "cancelling").values(state=state))
    found: State = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one()
    return found


def end_job(connection: Connection, job_id: str, owner: str, state: State, message: str, **progress: Any) -> None:
    """Ends the work on a job: done, failed or cancelled, or queued again for the next one."""
    mine = update(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner, jobs.c.state.in_(OWNED))
    ended = None if state == "queued" else int(time.time())
    connection.execute(mine.values(state=state, message=message, owner="", ended=ended, rate=None, **progress))


def _free(stale_seconds: float) -> ColumnElement[bool]:
    return or_(jobs.c.state == "queued", and_(jobs.c.state.in_(OWNED), _silent(stale_seconds)))


def _silent(stale_seconds: float) -> ColumnElement[bool]:
    return jobs.c.heartbeat < int(time.time() - stale_seconds)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        request=dict(row.request),
        state=row.state,
        done=row.done,
        total=row.total,
        failed=row.failed,
        failures=tuple((item, reason) for item, reason in row.failures),
        rate=row.rate,
        message=row.message,
        created=row.created,
        started=row.started,
        ended=row.ended,
    )
