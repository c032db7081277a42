"""Jobs at work: threads in this process, their state in the database, so that they survive it.

One thread looks after all of them: it takes jobs that nobody works on, tells the database how far those of this
process are, and learns from it which are to be cancelled. A job is worked on by one process at a time; whoever was
taken for dead and is not finds out before it writes anything (`Control.writing`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection

from radar.errors import SnowmodeError
from serving.sidecar.errors import Unavailable
from serving.sidecar.store import jobs as store
from serving.sidecar.store.database import Database
from serving.sidecar.store.jobs import Job, State

STALE_SECONDS = 20.0
"""So long after its last sign of life the owner of a job is taken for dead."""

TICK_SECONDS = 1.0
NAMED_FAILURES = 100  # of a job; the others are counted
_LONGEST_STOP = 30.0
_PATIENCE = (1.0, 2.0, 5.0, 10.0, 15.0)  # seconds between tries of what is away

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


Ending = Literal["queued", "cancelled", "done", "failed", ""]


class Ended(Exception):  # noqa: N818  (not an error)
    """Tells the work on a job to end. What it has not written is thrown away.

    Attributes:
        state: What becomes of the job: queued again, cancelled; or empty where it belongs to somebody else by now.
    """

    def __init__(self, state: Ending) -> None:
        super().__init__(state)
        self.state = state


class Control:
    """What the work on a job says, and what it is told; fit for two threads.

    Args:
        database: Where the job is.
        job: Which.
        owner: This process.

    Attributes:
        job: As it was when the work began.
        done: Items done, those of earlier times too.
        total: Items there are.
        failures: Items that could not be done, with the reason: the first hundred.
        failed: How many they are.
        is_over: Whether the work has ended.
    """

    def __init__(self, database: Database, job: Job, owner: str) -> None:
        self.job = job
        self.done, self.total = job.done, job.total
        self.failures, self.failed = list(job.failures), job.failed
        self.is_over = False
        self._database, self._owner = database, owner
        self._message, self._is_waiting = "", False
        self._end: Ending | None = None
        self._ended = threading.Event()
        self._hooks: list[Callable[[], None]] = []
        self._worked = 0
        self._seconds = 0.0
        self._since = time.monotonic()

    def check(self) -> None:
        """Ends the work if that is wished.

        Raises:
            Ended: It is.
        """
        if self._end is not None:
            raise Ended(self._end)

    def advance(self, items: int) -> None:
        """Says that items were worked on; what `done` says may go back, where work is thrown away."""
        now = time.monotonic()
        self._worked += items
        self._seconds += now - self._since
        self._since = now
        self._is_waiting, self._message = False, ""

    def fail(self, item: str, reason: str) -> None:
        """Says that an item could not be done."""
        if any(item == named for named, _ in self.failures):
            return  # it was worked on before, and thrown away
        self.failed += 1
        if len(self.failures) < NAMED_FAILURES:
            self.failures.append((item, reason))

    def wait(self, reason: str, tries: int) -> None:
        """Waits for something that is away, and says so.

        Args:
            reason: What it waits for.
            tries: How often in a row it was away before.

        Raises:
            Ended: The work is to end.
        """
        if not self._is_waiting:
            _log.warning("job %s waits: %s", self.job.id, reason)
        self._is_waiting, self._message = True, reason
        self._ended.wait(_PATIENCE[min(tries, len(_PATIENCE) - 1)])
        self._since = time.monotonic()
        self.check()

    def patiently(self, work: Callable[[], _Result]) -> _Result:
        """Does something with the database or the archive, and again as long as they are away.

        Raises:
            Ended: The work is to end.
        """
        tries = 0
        while True:
            self.check()
            try:
                return work()
            except Unavailable as error:
                self.wait(f"{error.part}: {error}", tries)
                tries += 1

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Gives a connection to write results to, if the job still belongs to this process.

        Raises:
            Ended: It does not.
            Unavailable: The database is away; nothing is written.
        """
        with self._database.writing() as connection:
            if store.report(connection, self.job.id, self._owner) is None:
                self.end("")
                raise Ended("")
            yield connection

    @contextlib.contextmanager
    def ending(self, hook: Callable[[], None]) -> Iterator[None]:
        """Has something called, from another thread, when the work is to end while it waits for something else."""
        self._hooks.append(hook)
        try:
            self.check()
            yield
        finally:
            self._hooks.remove(hook)

    def end(self, state: Ending) -> None:
        """Wishes the work to end; see `Ended`."""
        self._end = self._end if self._end is not None else state
        self._ended.set()
        for hook in list(self._hooks):
            hook()

    @property
    def progress(self) -> dict[str, Any]:
        """What the database is told."""
        rate = self._worked / self._seconds if self._seconds > 0 and not self._is_waiting else None
        return {
            "done": self.done,
            "total": self.total,
            "failed": self.failed,
            "failures": [list(failure) for failure in self.failures],
            "rate": rate,
            "message": self._message,
        }

    @property
    def state(self) -> State:
        """Whether it works or waits."""
        return "waiting" if self._is_waiting else "running"


Work = Callable[[Control], None]


class Jobs:
    """Works on jobs until it is stopped.

    Args:
        database: Where they are.
        kinds: What is to be done for each kind of job.
        threads: Jobs at the same time.
        stale_seconds: See `STALE_SECONDS`.
    """

    def __init__(
        self, database: Database, kinds: Mapping[str, Work], *, threads: int = 1, stale_seconds: float = STALE_SECONDS
    ) -> None:
        self._database, self._kinds, self._threads = database, kinds, threads
        self._stale = stale_seconds
        self._owner = str(uuid.uuid4())
        self._at_work: dict[str, tuple[Control, threading.Thread]] = {}
        self._wake, self._stopping = threading.Event(), False
        self._keeper = threading.Thread(target=self._look_after, name="jobs", daemon=True)
        self._is_away = False

    def start(self) -> None:
        """Begins to look for jobs."""
        self._keeper.start()

    def wake(self) -> None:
        """Looks for jobs now: there is one, or one is to be cancelled."""
        self._wake.set()

    def stop(self) -> None:
        """Ends the work; unfinished jobs are queued for the next process. Returns when it has ended."""
        self._stopping = True
        self._wake.set()
        if self._keeper.is_alive():
            self._keeper.join(_LONGEST_STOP)  # it may wait for a database that does not answer
        for control, _ in list(self._at_work.values()):
            control.end("queued")
        for _, thread in list(self._at_work.values()):
            thread.join(_LONGEST_STOP)

    def _look_after(self) -> None:
        while not self._stopping:
            try:
                self._tick()
                self._is_away = False
            except Unavailable as error:
                if not self._is_away:
                    _log.warning("jobs: %s: %s", error.part, error)
                self._is_away = True
            except Exception:
                _log.exception("jobs: a fault of the sidecar; going on")
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _tick(self) -> None:
        for job_id, (control, thread) in list(self._at_work.items()):
            if not thread.is_alive():
                del self._at_work[job_id]
            if control.is_over:
                continue
            with self._database.writing() as connection:
                state = store.report(connection, job_id, self._owner, state=control.state, **control.progress)
            if state is None and not control.is_over:
                _log.warning("job %s belongs to another process by now", job_id)
                control.end("")
            elif state == "cancelling":
                control.end("cancelled")
        while len(self._at_work) < self._threads and not self._stopping and (job := self._claim()) is not None:
            control = Control(self._database, job, self._owner)
            thread = threading.Thread(target=self._run, args=(control,), name=f"job {job.id[:8]}", daemon=True)
            self._at_work[job.id] = control, thread
            thread.start()

    def _claim(self) -> Job | None:
        with self._database.reading() as connection:
            if not store.is_waiting(connection, self._stale):
                return None
        with self._database.writing() as connection:
            return store.claim_job(connection, self._owner, self._stale)

    def _run(self, control: Control) -> None:
        job = control.job
        state: Ending
        _log.info("job %s (%s %s) begins", job.id, job.kind, job.request)
        try:
            work = self._kinds.get(job.kind)
            if work is None:
                state, message = "failed", f"This release knows no jobs of the kind {job.kind!r}"
            else:
                work(control)
                state, message = "done", ""
        except Ended as ended:
            state, message = ended.state, ""
        except SnowmodeError as error:
            state, message = "failed", str(error)
        except Exception as error:
            _log.exception("job %s: a fault of the sidecar", job.id)
            state, message = "failed", f"A fault of the sidecar, which its log tells more of: {error!r}"
        control.is_over = True
        if state:
            self._end(control, state, message)
        _log.info("job %s: %s", job.id, f"{state} {message}" if state else "given up to another process")
        self._wake.set()

    def _end(self, control: Control, state: State, message: str) -> None:
        """Writes down how a job ended; while the database is away, until the sidecar stops."""
        progress = {name: value for name, value in control.progress.items() if name not in ("rate", "message")}
        for wait in (0.0, *_PATIENCE, *(15.0 for _ in range(1000))):
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline and not self._stopping:
                time.sleep(0.2)
            try:
                with self._database.writing() as connection:
                    store.end_job(connection, control.job.id, self._owner, state, message, **progress)
                return
            except Unavailable as error:
                _log.warning("job %s: its end cannot be written down: %s: %s", control.job.id, error.part, error)
                if self._stopping:
                    return  # the next process finds it without a sign of life
