"""Counts of a run, kept up to date while its predictions stream by."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from radar import jma
from radar.errors import SeasonError
from radar.seasons import Gap, TimeRule, find_gaps, format_utc
from serving.protocol.pipeline import Prediction

FAILURES_KEPT = 1000


@dataclass(slots=True)
class Tally:
    """What a run has found so far.

    Attributes:
        codes: Codes of the modes.
        rejection_threshold: Below this largest probability a frame is not accepted.
        counts: Frames by mode, shape (K,).
        mass: Sum of probabilities by mode, shape (K,).
        accepted: Accepted frames by mode, shape (K,).
        failures: Name and reason of frames that could not be classified, the first 1,000 of them.
        failed: How many there are in all.
    """

    codes: tuple[str, ...]
    rejection_threshold: float
    counts: NDArray[np.int64] = field(init=False)
    mass: NDArray[np.float64] = field(init=False)
    accepted: NDArray[np.int64] = field(init=False)
    failures: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.codes), np.int64)
        self.mass = np.zeros(len(self.codes))
        self.accepted = np.zeros(len(self.codes), np.int64)

    @property
    def classified(self) -> int:
        """Frames that got a mode."""
        return int(self.counts.sum())

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Counts predictions."""
        for prediction in predictions:
            if prediction.probabilities is None:
                self.add_failure(prediction.name, prediction.error)
        answered = [p.probabilities for p in predictions if p.probabilities is not None]
        if answered:
            self.add_probabilities(np.array(answered, np.float64))

    def add_probabilities(self, table: NDArray[np.float64]) -> None:
        """Counts probabilities, shape (N, K)."""
        winners = table.argmax(axis=1)
        modes = len(self.codes)
        self.counts += np.bincount(winners, minlength=modes)
        self.accepted += np.bincount(winners[table.max(axis=1) >= self.rejection_threshold], minlength=modes)
        self.mass += table.sum(axis=0)

    def add_failure(self, name: str, reason: str) -> None:
        """Counts a frame that could not be classified."""
        self.failed += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append((name, reason))


class Clock:
    """Times of frames by a season's rule.

    Args:
        rule: The rule; None if there is none, then every time is empty.

    Attributes:
        strangers: Names that do not follow the rule: how many, and the first of them.
    """

    def __init__(self, rule: TimeRule | None) -> None:
        self.rule = rule
        self.strangers = 0
        self.first_stranger = ""

    def time_of(self, name: str) -> datetime | None:
        """Gives the time of a frame, UTC; None if its name does not tell."""
        base = name.rpartition("/")[2]
        # A composite is named by JMA, in UTC, whatever rule the pictures beside it follow.
        if (time := jma.name_time(base)) is not None:
            return time
        if self.rule is None:
            return None
        try:
            return self.rule.time_of(base)
        except SeasonError:
            self.strangers += 1
            self.first_stranger = self.first_stranger or name
            return None

    def stamps(self, names: Sequence[str]) -> list[str]:
        """Gives the times of frames as ISO 8601, or empty strings."""
        times = (self.time_of(name) for name in names)
        return ["" if time is None else format_utc(time) for time in times]


class Timeline:
    """Times of all frames of a season: which have none, which come twice, and which are missing.

    Args:
        expected: Whether frames are expected to have a time.

    Attributes:
        strangers: Frames without a time where one was expected, and the name of the first.
    """

    def __init__(self, *, expected: bool) -> None:
        self.strangers: tuple[int, str] = (0, "")
        self._expected = expected
        self._seconds = array("q")  # 8 bytes a frame: the only thing that grows with a season

    def add(self, name: str, stamp: str) -> None:
        """Takes a frame's time, ISO 8601 or empty."""
        if stamp:
            self._seconds.append(int(datetime.fromisoformat(stamp).timestamp()))
        elif self._expected:
            self.strangers = self.strangers[0] + 1, self.strangers[1] or name

    def gaps(self, cadence: timedelta | None) -> list[Gap]:
        """Finds missing frames; none if nobody knows the cadence."""
        if cadence is None:
            return []
        return list(find_gaps((datetime.fromtimestamp(s, UTC) for s in sorted(self._seconds)), cadence))

    def repeated(self) -> tuple[int, str]:
        """Tells how many frames have the time of another, and the first such time."""
        ordered = np.sort(np.array(self._seconds, np.int64))
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        return len(again), format_utc(datetime.fromtimestamp(int(again[0]), UTC)) if len(again) else ""
