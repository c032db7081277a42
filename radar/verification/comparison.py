"""Two models on the same frames: is the one better, or may the difference be chance?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radar.errors import VerificationError
from radar.resampling import LEVEL, REPLICATES
from radar.verification.estimates import Estimate, estimate_difference
from radar.verification.report import Report, verify
from radar.verification.sample import Sample, index_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of scores, first minus second, with intervals of the paired differences.

    Attributes:
        names: Of the two models.
        reports: Of each of them, on these frames.
        overall: Differences by name of the score.
        modes: Differences by code and name.
        caveats: Sentences.
    """

    names: tuple[str, str]
    reports: tuple[Report, Report]
    overall: dict[str, Estimate]
    modes: dict[str, dict[str, Estimate]]
    caveats: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        difference = self.overall["hss"]
        first, second = (report.overall["hss"].value for report in self.reports)
        report = self.reports[0]
        basis = f"on {report.frames:,} frames of {report.events:,} events"
        if np.isfinite((first, second)).all():
            basis += f" (HSS {first:.3f} against {second:.3f})"
        if not difference.known:
            return f"Whether {self.names[0]} or {self.names[1]} is better cannot be said {basis}."
        interval = f"{report.level:.0%} interval {difference.low:+.3f} to {difference.high:+.3f}"
        if difference.low <= 0 <= difference.high:
            return (
                f"{self.names[0]} and {self.names[1]} cannot be told apart {basis}: the difference of "
                f"{difference.value:+.3f} may be chance ({interval})."
            )
        better, worse = self.names if difference.value > 0 else self.names[::-1]
        return f"{better} is better than {worse} {basis}: difference {difference.value:+.3f}, {interval}."


def compare(
    first: Sample,
    second: Sample,
    *,
    names: tuple[str, str],
    split: str = "unknown",
    synthetic: bool = False,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Compares two classifications of the same frames.

    Args:
        first: Frames as the one model classified them.
        second: The same frames, in the same order, as the other did.
        names: Of the two models.
        split: Which frames they are, a key of `radar.verification.report.SPLITS`.
        synthetic: Whether a computer made them.
        replicates: How many times events are resampled.
        level: Nominal coverage of the intervals.
        seed: Of the resampling.
        notes: Further caveats.

    Raises:
        VerificationError: They are not the same frames, or without events.
    """
    if first.codes != second.codes or not np.array_equal(first.observed, second.observed):
        raise VerificationError(
            f"{names[0]} and {names[1]}: expected the same frames with the same observed modes, in the same order"
        )
    # Two runs may number the same events in different order.
    first, second = (replace(sample, events=index_of(sample.events.tolist())[0]) for sample in (first, second))
    if not len(first.events) or not np.array_equal(first.events, second.events):
        raise VerificationError(f"{names[0]} and {names[1]}: a comparison needs the same events, or times")
    if (first.probabilities is None) != (second.probabilities is None):
        raise VerificationError(f"{names[0]} and {names[1]}: only one of them has probabilities")
    options = {"replicates": replicates, "level": level, "seed": seed}
    reports = tuple(
        verify(sample, title=name, split=split, synthetic=synthetic, notes=notes, **options)  # type: ignore[arg-type]
        for name, sample in zip(names, (first, second), strict=True)
    )
    differences = estimate_difference(first, second, **options)  # type: ignore[arg-type]
    return Comparison(names, (reports[0], reports[1]), differences.overall, differences.modes, reports[0].caveats)
