"""How long `client watch` has patience with a file that cannot be used, and when it is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from client.watch.folder import Arrival

FIRST_WAIT, LAST_WAIT = 1.0, 300.0


@dataclass(slots=True)
class _Tries:
    number: int
    next_at: float


class Tries:
    """Attempts at files that could not be used so far: a copy may still be going on.

    Args:
        give_up: Seconds after which a file has had its time.
        clock: Monotonic seconds.
    """

    def __init__(self, give_up: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._give_up = give_up
        self._clock = clock
        self._tries: dict[Arrival, _Tries] = {}

    def due(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """Gives those that are tried now; all that is not among them is forgotten."""
        now = self._clock()
        arrivals = list(arrivals)
        self._tries = {arrival: self._tries[arrival] for arrival in arrivals if arrival in self._tries}
        return [a for a in arrivals if a not in self._tries or self._tries[a].next_at <= now]

    def failed(self, arrival: Arrival) -> bool:
        """Takes note of an attempt that failed; tells whether the file has had its time.

        Attempts come in growing steps, but one comes when the time is over.
        """
        now = self._clock()
        left = arrival.since + self._give_up - now
        tries = self._tries.setdefault(arrival, _Tries(0, now))
        step = min(FIRST_WAIT * 2**tries.number, LAST_WAIT)
        tries.next_at = now + (min(step, left) if left > 0 else step)
        tries.number = min(tries.number + 1, 20)
        return left <= 0
