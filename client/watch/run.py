"""`client watch`: classifies what comes into a folder, day and night, nothing twice, nothing lost.

One loop does everything in turn: look at the folder, classify what is complete, record it in the state file, bring
the result files of the days up to date. Whatever fails (folder away, server away, disk full) is said once, tried
again with the next look, and said once more when it works again. Records go to the sidecar from a thread of their own
(`client.watch.spool`), so that a sidecar that is away never holds up a forecast.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import sqlite3
import time
from collections.abc import Sequence

from client.errors import ConfigError, OutputError
from client.sources import Source, is_frame
from client.tally import Clock
from client.watch.files import write_day
from client.watch.folder import SETTLE_SECONDS, Arrival, Incoming
from client.watch.job import WatchJob
from client.watch.log import tell
from client.watch.metrics import Metrics
from client.watch.records import Recorded
from client.watch.spool import Spool
from client.watch.state import UNDATED, Before, WatchState
from client.watch.tries import Tries
from client.watch.trouble import Trouble
from client.watch.work import Answer, Worker
from radar.seasons import format_utc
from serving.protocol.connection import Connection, Timeouts
from serving.protocol.errors import ServingError

LOOK_SECONDS = 1.5
"""So long a backlog may keep the loop from looking at the folder: about, by the rate of the frames before."""

FRONT = 8
"""Newest frames of a backlog, which go first: what a forecaster waits for."""

# All tries with a server that hangs must end before the loop counts as stuck.
_TIMEOUTS = Timeouts(describe=5.0, predict=20.0)
_FEWEST, _MOST = 64, 4096  # frames between two looks
_TROUBLED_PAUSE = 2.0
_SILENT_STEPS = 3

_log = logging.getLogger(__name__)


class Watcher:
    """Watches one folder.

    Args:
        job: What to do.
        state: What was done.
        metrics: Numbers for the outside.
        spool: Sends records to the sidecar, if there is one.
    """

    def __init__(self, job: WatchJob, state: WatchState, metrics: Metrics, spool: Spool | None = None) -> None:
        self._job, self._state, self._metrics, self._spool = job, state, metrics, spool
        self._clock = Clock(job.rule)
        self._incoming = Incoming(
            job.folder, state.stamps(), is_frame=is_frame, time_of=self._time_of, recursive=job.recursive
        )
        self._tries = Tries(0 if job.once else job.give_up)
        self._trouble = Trouble(fatal=job.once)
        self._worker: Worker | None = None
        # A bare flag and a queue, because the lock of an Event would be held by the loop that a signal interrupts.
        self._stopped = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._at_a_time = 1024
        self._write_days_at = 0.0
        self._started = time.monotonic()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """Asks the loop to end after what is in flight. Safe in a signal handler."""
        self._stopped = True
        self._bell.put(None)
        if self._worker is not None:
            self._worker.stop()

    def run(self, target: str, *, lost_after: float = math.inf) -> bool:
        """Watches until `stop`, or with `once` until nothing is waiting.

        Args:
            target: Where the model server is.
            lost_after: Seconds after which a server that is of no use is given up.

        Returns:
            False if the server was given up: then there is more to do, with another one.

        Raises:
            ClientError, ServingError: With `once` only; otherwise what fails is tried again for ever.
        """
        _log.info(
            "watching %s, where %d frames are done; results in %s",
            self._job.folder,
            self._incoming.done,
            self._job.out,
        )
        with Connection(target, model=self._job.model, timeouts=_TIMEOUTS, tls=self._job.tls) as connection:
            worker = Worker(connection, self._job.folder, Source(self._job.window), threads=self._job.threads)
            self._worker = worker
            while not self._stopped:
                self._metrics.beat()
                left = self._round(worker)
                if self._trouble.seconds("server") > lost_after:
                    return False
                if self._job.once and left == 0 and self._nothing_comes():
                    break
                if not left:
                    with contextlib.suppress(queue.Empty):
                        self._bell.get(timeout=self._pause())
            self._write_days()
            self._look()
        waiting = self._incoming.waiting
        _log.info("stopped%s", f"; {waiting} files are waiting for the next start" if waiting else "")
        return True

    def _nothing_comes(self) -> bool:
        """Tells a run that somebody waits for when to end: files that are written to for ever are left alone."""
        return not self._incoming.restless or time.monotonic() - self._started > self._job.give_up

    def _pause(self) -> float:
        if self._trouble.names - {"frames"}:
            return max(self._job.poll, _TROUBLED_PAUSE)
        # What has been seen and has not stood still for long enough is looked at sooner.
        return min(SETTLE_SECONDS, self._job.poll) if self._incoming.restless else self._job.poll

    def _round(self, worker: Worker) -> int:
        """Does everything once; gives how much there is to do at once."""
        due: list[Arrival] = []
        with self._trouble.of("folder", OSError, f"{self._job.folder} cannot be read", raises=ConfigError):
            due = self._in_order(self._tries.due(self._incoming.scan()))
        # As long as it may be in vain, it is not tried with a whole backlog every time.
        arrivals = due[: _FEWEST if {"server", "state"} & self._trouble.names else self._at_a_time]
        done = self._attempt(worker, arrivals)
        left = len(due) - len(arrivals) if done else 0
        self._write_days(soon=left > 0)
        self._listen_for_silence()
        self._look()
        return left

    def _attempt(self, worker: Worker, arrivals: Sequence[Arrival]) -> int:
        """Classifies and records files; gives how many of them are done."""
        done = 0
        if arrivals or worker.served is None or "server" in self._trouble.names:
            with self._trouble.of("server", ServingError, "the model server is of no use"):
                worker.ask()
                if arrivals:
                    with self._trouble.of(
                        "state", sqlite3.Error, f"{self._state.path} cannot be written", raises=OutputError
                    ):
                        done = self._classify(worker, arrivals)
        return done

    def _in_order(self, arrivals: list[Arrival]) -> list[Arrival]:
        """By time, and by name what has no time or the same; of many, the newest before all others."""
        arrivals.sort(key=lambda arrival: (arrival.time_utc or "~", arrival.name))
        dated = sum(1 for arrival in arrivals if arrival.time_utc)
        if len(arrivals) <= self._at_a_time:
            return arrivals
        front = slice(max(dated - FRONT, 0), dated)
        newest = arrivals[front]
        del arrivals[front]
        return newest[::-1] + arrivals

    def _classify(self, worker: Worker, arrivals: Sequence[Arrival]) -> int:
        if "state" in self._trouble.names:
            self._state.reopen()
        before = self._state.before(arrival.name for arrival in arrivals)
        started, done = time.monotonic(), 0
        for answers in worker.run(arrivals, before):
            done += self._record(answers, before)
            self._metrics.beat()
            self._write_days(soon=True)
        seconds = max(time.monotonic() - started, 1e-3)
        if done == len(arrivals) and (done == self._at_a_time or seconds > LOOK_SECONDS):
            self._at_a_time = min(max(int(len(arrivals) * LOOK_SECONDS / seconds), _FEWEST), _MOST)
        return done

    def _record(self, answers: Sequence[Answer], before: dict[str, Before]) -> int:
        """Records answers; gives how many of the files are done."""
        frames: list[Recorded] = []
        since: list[float] = []
        same: list[Arrival] = []
        for answer in answers:
            arrival, row = answer.arrival, answer.row
            stamp = self._incoming.stamp_of(arrival.name)
            if stamp is not None and stamp != arrival.stamp:
                continue  # it changed under our hands; it comes again when it stands still
            if row is None:
                same.append(arrival)
                continue
            if row.error and stamp is None:
                continue  # it is gone, and nobody can say what it was
            if row.error and not self._tries.failed(arrival):
                continue
            known = before.get(arrival.name)
            if not answer.final and known == Before(answer.sha256, row.error, False):
                continue  # tried once more, and nothing new
            day = row.time_utc[:10].replace("-", "") or UNDATED
            frames.append(Recorded(row, answer.codes, arrival.stamp, answer.sha256, day, answer.final))
            since.append(arrival.since)
        if same:
            self._state.touch((arrival.name, arrival.stamp) for arrival in same)
        if frames:
            corrected = self._state.record(frames)
            self._metrics.count(frames, corrected, since)
            tell([frame.row for frame in frames])
            if self._spool is not None:
                self._spool.wake()
        done = [(a.name, a.stamp) for a in same] + [(f.row.file, f.stamp) for f in frames if f.final]
        for name, stamp in done:
            self._incoming.settle(name, stamp)
        return len(done)

    def _write_days(self, *, soon: bool = False) -> None:
        """Brings the result files of the days up to date.

        Args:
            soon: Whether this may wait a little: a file is written as a whole, and not for every batch of a backlog.
        """
        started = time.monotonic()
        if soon and started < self._write_days_at:
            return
        text = f"the results in {self._job.out} cannot be written"
        with self._trouble.of("results", (OSError, sqlite3.Error), text, raises=OutputError):
            if "results" in self._trouble.names:
                self._state.reopen()
            errors = []
            for day in self._state.days_to_write():
                try:
                    write_day(self._job.out, day, self._state.frames_of(day))
                except OSError as error:  # the other days are written all the same
                    errors.append(error)
                else:
                    self._state.day_written(day)
            if errors:
                raise errors[0]
        now = time.monotonic()
        self._write_days_at = now + max(1.0, 20 * (now - started))

    def _listen_for_silence(self) -> None:
        if self._job.cadence is None:
            return
        step = self._job.cadence.total_seconds()
        if time.monotonic() - self._incoming.last_arrival > _SILENT_STEPS * step:
            text = f"no new frame for {_SILENT_STEPS * step / 60:g} min, expected one every {step / 60:g} min"
            self._trouble.begin("frames", text)
        else:
            self._trouble.end("frames", "frames come again")

    def _look(self) -> None:
        # Numbers must not end the loop, and that the state cannot be read is said where that matters.
        with contextlib.suppress(sqlite3.Error):
            self._metrics.look(self._incoming.waiting, self._state, self._trouble.names)

    def _time_of(self, name: str) -> str:
        strangers = self._clock.strangers
        moment = self._clock.time_of(name)
        if self._clock.strangers > strangers == 0:
            _log.error("%a does not follow the time rule %s; such frames are undated", name, self._job.rule)
        return "" if moment is None else format_utc(moment)
