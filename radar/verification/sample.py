"""What is scored: frames with what was observed and what was predicted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radar.errors import VerificationError
from radar.events import Event, Times, find_events
from radar.verification.probabilities import check_probabilities
from radar.verification.table import Floats, check_index


@dataclass(frozen=True, kw_only=True)
class Sample:
    """N frames, in order of time within each season.

    Attributes:
        codes: Codes of the K modes.
        observed: Index of the observed mode, shape (N,).
        predicted: Index of the predicted mode, shape (N,).
        events: Index of the event each frame belongs to, from 0 without gaps, shape (N,); empty if nobody knows,
            then there are no intervals.
        series: Index of the season each frame belongs to, shape (N,); one season by default.
        times: ``datetime64[s]``, UTC, shape (N,); NaT where unknown, which is the default.
        probabilities: Shape (N, K), or None.
        accepted: Whether the model was sure enough, shape (N,), or None.
        observed_events: Events as people wrote them down; by default those of `events` and `times`.
        predicted_events: Events as the model saw them, frames outside the sample included; by default those of
            `predicted`.
        scored_events: Which of the predicted events hold a frame of the sample; by default all.

    Raises:
        VerificationError: There is no frame, or shapes or indices do not fit.
    """

    codes: tuple[str, ...]
    observed: NDArray[np.int64]
    predicted: NDArray[np.int64]
    events: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    series: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    times: Times = field(default_factory=lambda: np.empty(0, "datetime64[s]"))
    probabilities: Floats | None = None
    accepted: NDArray[np.bool_] | None = None
    observed_events: Sequence[Event] | None = None
    predicted_events: Sequence[Event] | None = None
    scored_events: Sequence[bool] | None = None

    def __post_init__(self) -> None:
        frames = len(self.observed)
        if not frames:
            raise VerificationError("Expected frames to score, received none")
        if not len(self.series):
            object.__setattr__(self, "series", np.zeros(frames, np.int64))
        if not len(self.times):
            object.__setattr__(self, "times", np.full(frames, np.datetime64("NaT", "s")))
        parts = {"predicted": self.predicted, "series": self.series, "times": self.times, "accepted": self.accepted}
        parts |= {"events": self.events} if len(self.events) else {}
        for name, values in parts.items():
            if values is not None and np.shape(values) != (frames,):
                raise VerificationError(f"Expected {name} of {frames} frames, received the shape {np.shape(values)}")
        check_index("observed", self.observed, len(self.codes))
        check_index("predicted", self.predicted, len(self.codes))
        frames_of = np.bincount(check_index("event", self.events, frames))
        # An event without frames would be counted, and drawn, as if it were evidence.
        if not frames_of.all():
            raise VerificationError(
                f"Expected events numbered without gaps, each with a frame; number {int(frames_of.argmin())} of "
                f"{len(frames_of)} has none"
            )
        if self.probabilities is not None:
            table, _ = check_probabilities(self.probabilities, self.observed)
            if table.shape[1] != len(self.codes):
                raise VerificationError(
                    f"Expected probabilities of {len(self.codes)} modes, received those of {table.shape[1]}"
                )
        if not len(self.events) and not np.isnat(self.times).any():
            object.__setattr__(self, "events", find_events(self.observed, self.times, series=self.series)[1])

    def take(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> Sample:
        """Gives some of the frames, by index or mask; events are what is left of them."""
        return Sample(
            codes=self.codes,
            observed=self.observed[chosen],
            predicted=self.predicted[chosen],
            events=np.unique(self.events[chosen], return_inverse=True)[1] if len(self.events) else self.events,
            series=self.series[chosen],
            times=self.times[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
            accepted=None if self.accepted is None else self.accepted[chosen],
        )


def index_of(names: Iterable[Hashable]) -> tuple[NDArray[np.int64], list[Hashable]]:
    """Numbers names by their first appearance.

    Returns:
        The number of each, and the names in order of their numbers.
    """
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return index, list(numbers)
