"""Jobs: who works on them, what they say of themselves, what becomes of them; on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from radar.errors import SnowmodeError
from serving.sidecar.errors import Conflict, NotFound, Unavailable
from serving.sidecar.jobs import NAMED_FAILURES, Control, Jobs
from serving.sidecar.store import jobs as store
from serving.sidecar.store.database import Database
from serving.sidecar.store.jobs import Job
from tests.serving.sidecar.process import wait_until

LONG = 3600.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    one = Database(database_url)
    one.upgrade()
    yield one
    one.close()


@pytest.fixture
def started() -> Iterator[list[Jobs]]:
    all_of_them: list[Jobs] = []
    yield all_of_them
    for one in all_of_them:
        one.stop()


def add(database: Database, kind: str = "count", **request: Any) -> Job:
    with database.writing() as connection:
        return store.add_job(connection, kind, request)


def find(database: Database, job: Job) -> Job:
    with database.reading() as connection:
        return store.find_job(connection, job.id)


def until(database: Database, job: Job, *states: str) -> Job:
    return wait_until(lambda: (found := find(database, job)).state in states and found, f"job is {states}")


def test_the_oldest_job_is_done_first_and_says_how_far_it_is(database: Database, started: list[Jobs]) -> None:
    go_on, order = threading.Event(), []

    def count(control: Control) -> None:
        order.append(control.job.request["n"])
        control.total = 10
        control.done = 4
        control.advance(4)
        control.fail("a.png", "is truncated")
        go_on.wait(60)
        control.done = 10
        control.advance(6)

    first, second = add(database, n=1), add(database, n=2)
    started.append(Jobs(database, {"count": count}))
    started[0].start()
    found = wait_until(lambda: (one := find(database, first)).done == 4 and one, "progress")
    assert (found.state, found.total, found.failed, found.failures) == (
        "running",
        10,
        1,
        (("a.png", "is truncated"),),
    )
    assert found.rate > 0
    assert find(database, second).state == "queued"
    go_on.set()
    done = until(database, second, "done")
    assert (done.done, done.total, done.rate, done.message) == (10, 10, None, "")
    assert done.created <= done.started <= done.ended
    assert order == [1, 2]


def test_the_same_job_is_not_done_twice(database: Database) -> None:
    first = add(database, season="a")
    assert add(database, season="a").id == first.id
    assert add(database, season="b").id != first.id
    with database.writing() as connection:
        store.cancel_job(connection, first.id)
    assert add(database, season="a").id != first.id


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (SnowmodeError("expected this, received that"), "expected this, received that"),
        (ZeroDivisionError("oh"), "A fault of the sidecar, which its log tells more of: ZeroDivisionError('oh')"),
    ],
)
def test_a_job_that_fails_tells_why_and_can_be_resumed(
    database: Database, started: list[Jobs], error: Exception, says: str
) -> None:
    tries: list[int] = []

    def fail_once(control: Control) -> None:
        tries.append(control.done)
        control.done, control.total = 7, 9
        if len(tries) == 1:
            raise error

    job = add(database)
    started.append(Jobs(database, {"count": fail_once}))
    started[0].start()
    failed = until(database, job, "failed")
    assert (failed.message, failed.done) == (says, 7)
    assert failed.ended is not None
    with database.writing() as connection:
        assert store.resume_job(connection, job.id).state == "queued"
    assert until(database, job, "done").message == ""
    assert tries == [0, 7]


def test_an_unknown_kind_fails(database: Database, started: list[Jobs]) -> None:
    job = add(database, "of a later release")
    started.append(Jobs(database, {}))
    started[0].start()
    assert "no jobs of the kind 'of a later release'" in until(database, job, "failed").message


def test_cancelling(database: Database, started: list[Jobs]) -> None:
    begun = threading.Event()

    def endless(control: Control) -> None:
        begun.set()
        while True:
            control.check()
            time.sleep(0.01)

    job, waiting = add(database, n=1), add(database, n=2)
    started.append(Jobs(database, {"count": endless}))
    started[0].start()
    assert begun.wait(60)
    with database.writing() as connection:
        assert store.cancel_job(connection, waiting.id).state == "cancelled"
        assert store.cancel_job(connection, job.id).state == "cancelling"
    started[0].wake()
    assert until(database, job, "cancelled").ended is not None
    for change, state in ((store.cancel_job, "cancelled"), (store.resume_job, "queued")):
        if state == "queued":
            with database.writing() as connection:
                change(connection, waiting.id)
            continue
        with pytest.raises(Conflict, match="cannot be cancelled: it is cancelled"), database.writing() as connection:
            change(connection, job.id)
    with pytest.raises(NotFound), database.writing() as connection:
        store.cancel_job(connection, "none")
    with pytest.raises(Conflict, match="cannot be resumed"), database.writing() as connection:
        store.resume_job(connection, waiting.id)


def test_a_job_that_waits_says_for_what_and_hears_that_it_is_cancelled(
    database: Database, started: list[Jobs]
) -> None:
    def away() -> None:
        raise Unavailable("archive", "no such folder")

    job = add(database)
    started.append(Jobs(database, {"count": lambda control: control.patiently(away)}))
    started[0].start()
    assert until(database, job, "waiting").message == "archive: no such folder"
    with database.writing() as connection:
        store.cancel_job(connection, job.id)
    until(database, job, "cancelled")


def test_stopping_hands_the_job_over_to_the_next_process(database: Database, started: list[Jobs]) -> None:
    def work(control: Control) -> None:
        control.total = 2
        control.done += 1
        while control.done < 2:
            control.check()
            time.sleep(0.01)

    job = add(database)
    first = Jobs(database, {"count": work})
    first.start()
    until(database, job, "running")
    wait_until(lambda: find(database, job).done == 1, "progress")
    first.stop()
    assert find(database, job).state == "queued"
    started.append(Jobs(database, {"count": work}))
    started[0].start()
    assert until(database, job, "done").done == 2


def test_many_processes_do_each_job_once(database: Database, started: list[Jobs]) -> None:
    done: list[int] = []
    made = [add(database, n=n) for n in range(12)]
    for _ in range(4):
        started.append(Jobs(database, {"count": lambda control: done.append(control.job.request["n"])}, threads=2))
    for one in started:
        one.start()
    for job in made:
        until(database, job, "done")
    assert sorted(done) == list(range(12))


def test_a_job_whose_owner_died_goes_to_the_next_one(database: Database) -> None:
    job = add(database)
    with database.writing() as connection:
        assert store.claim_job(connection, "first", LONG) is not None
        assert store.claim_job(connection, "second", LONG) is None  # a heartbeat ago
        assert store.report(connection, job.id, "first", done=3) == "running"
        assert store.report(connection, job.id, "second", done=9) is None
        taken = store.claim_job(connection, "second", -1)
        assert taken is not None
        assert (taken.id, taken.done) == (job.id, 3)
        assert store.report(connection, job.id, "first") is None
        store.end_job(connection, job.id, "first", "done", "")  # too late
        assert store.find_job(connection, job.id).state == "running"


def test_a_job_whose_owner_died_while_it_was_cancelled_is_cancelled(database: Database) -> None:
    job = add(database)
    with database.writing() as connection:
        store.claim_job(connection, "first", LONG)
        store.cancel_job(connection, job.id)
        assert store.report(connection, job.id, "first", state="waiting") == "cancelling"  # the wish stays
        assert store.claim_job(connection, "second", -1) is None
        assert store.find_job(connection, job.id).state == "cancelled"


def test_failures_are_counted_beyond_those_that_are_named(database: Database) -> None:
    control = Control(database, add(database), "me")
    for n in range(NAMED_FAILURES + 50):
        control.fail(f"{n}.png", "is truncated")
        control.fail("0.png", "again")
    assert (control.failed, len(control.failures)) == (NAMED_FAILURES + 50, NAMED_FAILURES)


def test_jobs_are_listed_with_the_newest_first(database: Database) -> None:
    made = [add(database, n=n) for n in range(3)]
    with database.writing() as connection:
        store.cancel_job(connection, made[1].id)
        assert {one.id for one in store.list_jobs(connection)} == {one.id for one in made}
        assert [one.id for one in store.list_jobs(connection, state="cancelled")] == [made[1].id]
        assert len(store.list_jobs(connection, limit=2)) == 2
