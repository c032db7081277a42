"""What does not work at the moment, said once when it begins and once when it is over."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINES_AN_HOUR = 10
"""What comes and goes all night may begin so often in the log."""

_HOUR = 3600.0

_log = logging.getLogger(__name__)


class Trouble:
    """Keeps a loop going past errors, and a log free of floods.

    Args:
        fatal: Whether errors end the loop all the same: for a run that somebody waits for.
        clock: Monotonic seconds.
    """

    def __init__(self, *, fatal: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._fatal = fatal
        self._clock = clock
        self._since: dict[str, tuple[float, bool]] = {}  # when it began, and whether that was said
        self._said: dict[str, deque[float]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Which parts do not work."""
        return frozenset(self._since)

    def seconds(self, name: str) -> float:
        """How long a part has not worked; 0 if it does."""
        return self._clock() - self._since[name][0] if name in self._since else 0.0

    @contextmanager
    def of(
        self,
        name: str,
        kinds: type[Exception] | tuple[type[Exception], ...],
        text: str,
        *,
        raises: type[Exception] | None = None,
    ) -> Iterator[None]:
        """Goes on after an error in the block.

        Args:
            name: Of the part.
            kinds: Which errors.
            text: What does not work then.
            raises: What an error becomes if errors are fatal; by default it stays what it is.
        """
        try:
            yield
        except kinds as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            message = f"{text}: {(reason or type(error).__name__).splitlines()[0]}"
            if not self._fatal:
                self.begin(name, f"{message}; trying again")
            elif raises is None:
                raise
            else:
                raise raises(message) from error
        else:
            self.end(name, text)

    def begin(self, name: str, text: str) -> None:
        """Says that a part does not work, unless that is known."""
        if name in self._since:
            return
        now = self._clock()
        said = self._said.setdefault(name, deque(maxlen=LINES_AN_HOUR))
        loud = len(said) < LINES_AN_HOUR or now - said[0] > _HOUR
        self._since[name] = now, loud
        if loud:
            said.append(now)
            often = "; it comes and goes: no more lines about it for a while" if self._is_often(said, now) else ""
            _log.error("%s%s", text, often)

    def end(self, name: str, text: str) -> None:
        """Says that it works again, if it did not."""
        since, loud = self._since.pop(name, (0.0, False))
        if loud:
            # A warning, so that whoever reads of troubles only reads of their end too.
            _log.warning("over after %.0f s: %s", self._clock() - since, text)

    def _is_often(self, said: deque[float], now: float) -> bool:
        return len(said) == LINES_AN_HOUR and now - said[0] < _HOUR
