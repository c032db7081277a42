"""Sends what `client watch` records to the sidecar, from a thread of its own.

The spool is the state file itself: every frame there is sent until the sidecar says that it has it, however long it
is away and whatever happens to this process meanwhile. Sending twice does no harm; see `serving.protocol.records`.
"""

from __future__ import annotations

import http.client
import logging
import sqlite3
import threading
import urllib.error
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from client.errors import OutputError
from client.sidecar import BATCH, NO_TOKEN, Denied, Refused, Sidecar, SidecarConnection, as_record
from client.watch.records import Recorded
from client.watch.state import WatchState
from client.watch.trouble import Trouble

REFUSED_LIMIT = 20
"""So many records refused one by one, and none taken between, are not the records' fault."""

_FIRST_WAIT, _LAST_WAIT = 1.0, 30.0

_log = logging.getLogger(__name__)


class Spool:
    """Keeps the sidecar up to date.

    Args:
        state: Where the records are; the thread opens it once more for itself.
        sidecar: Where they go.
    """

    def __init__(self, state: WatchState, sidecar: Sidecar) -> None:
        self._state, self._sidecar = state, sidecar
        self._new = threading.Event()
        self._stopped = threading.Event()
        self._finishing = False  # whether somebody waits for everything to be sent
        self._trouble = Trouble()
        self._refused: dict[str, int] = {}  # name and revision, of this process; the next one tries them once more
        self._refused_in_a_row = 0
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._text = f"records cannot be sent to the sidecar at {sidecar.url}"
        self._connection = SidecarConnection(sidecar)

    @property
    def up(self) -> bool:
        """Whether the last attempt worked."""
        return not self._trouble.names

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def wake(self) -> None:
        """Says that there is something new."""
        self._new.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Sends what can be sent at once, and ends."""
        self._finishing = False
        self._stopped.set()
        self._new.set()
        self._thread.join(timeout)

    def finish(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Sends everything, however long that takes, and ends: for a run that somebody waits for.

        Args:
            stopped: Whether nobody waits any more.

        Returns:
            How many records the sidecar refused, each alone. They are kept.

        Raises:
            OutputError: It does not have the others either. They are kept too.
        """
        self._finishing = True
        self._stopped.set()
        self._new.set()
        # In steps: a signal only gets its word in between.
        while self._thread.is_alive() and not stopped():
            self._thread.join(0.1)
        if stopped():  # a failure of before says nothing of what could have been sent
            return len(self._refused)
        if self._failure:
            raise self._not_sent(self._failure)
        # Whatever the thread ended of: nobody may hear that all is well while the state says that it is not.
        try:
            left = bool(self._state.to_send(1, self._refused))
        except sqlite3.Error as error:
            raise self._not_sent(f"{self._state.path}: {error}") from error
        if left:
            raise self._not_sent(f"{self._state.unsent():,} were left over")
        return len(self._refused)

    def _not_sent(self, reason: str) -> OutputError:
        return OutputError(f"{self._text}: {reason}.\nThey are kept; the next run sends them")

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while True:
            # Asked before sending, not after: what is recorded before the end was asked for is sent.
            last = self._stopped.is_set()
            try:
                with self._state.another() as state:
                    while True:
                        self._new.clear()
                        last = self._stopped.is_set()
                        self._send_all(state)
                        self._trouble.end("sidecar", self._text)
                        wait, self._failure = _FIRST_WAIT, ""
                        if last:
                            return
                        self._new.wait()
            except (OSError, http.client.HTTPException, sqlite3.Error) as error:
                reason = str(error.reason if isinstance(error, urllib.error.URLError) else error)
                hint = NO_TOKEN if isinstance(error, Denied) and not self._sidecar.token else ""
                self._fail(reason + hint)
            except Exception as error:  # a fault of ours must not end the thread: nothing would ever be sent again
                self._fail(f"{type(error).__name__}: {error}")
            # Whoever waits for the end gets one attempt more, made after it was asked for.
            if last or (self._stopped.wait(wait) and not self._finishing):
                return
            wait = min(2 * wait, _LAST_WAIT)

    def _fail(self, reason: str) -> None:
        self._failure = " ".join(reason.split())
        self._trouble.begin("sidecar", f"{self._text}: {self._failure}; they are kept, trying again")

    def _send_all(self, state: WatchState) -> None:
        while frames := state.to_send(BATCH, self._refused):
            self._send_or_halve(state, frames)
            # Not first when all is sent: while frames keep coming that may be never, and it would count as away.
            self._trouble.end("sidecar", self._text)

    def _send_or_halve(self, state: WatchState, frames: Sequence[Recorded]) -> None:
        """Sends records; one that is refused costs itself, and is found by halves."""
        try:
            self._send(frames)
        except (Refused, ValidationError) as error:
            if len(frames) > 1:
                middle = len(frames) // 2
                self._send_or_halve(state, frames[:middle])
                self._send_or_halve(state, frames[middle:])
                return
            self._refused_in_a_row += 1
            if self._refused_in_a_row >= REFUSED_LIMIT:
                self._refused.clear()
                raise OSError(f"it refused {REFUSED_LIMIT} of them, each alone; the last: {error}") from error
            name, revision = frames[0].row.file, frames[0].revision
            self._refused[name] = revision
            if len(self._refused) <= REFUSED_LIMIT:
                reason = " ".join(str(error).split())
                _log.error("the sidecar refuses the record of %a: %s; it is kept for the next start", name, reason)
        else:
            state.sent(frames)
            self._refused_in_a_row = 0

    def _send(self, frames: Sequence[Recorded]) -> None:
        self._connection.send(
            [
                as_record(frame.row, frame.codes, self._sidecar, revision=frame.revision, sha256=frame.sha256)
                for frame in frames
            ]
        )
