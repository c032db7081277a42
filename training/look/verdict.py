"""The verdict: what the checks say of each method, in numbers and in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radar.verification.report_tables import Table
from training.look.deletion import INTENSITY, RANDOM, Curves
from training.look.other_mode import Likeness
from training.look.pointing import Hits
from training.look.randomisation import Cascade
from training.look.statistics import Interval, mean_by_event

Answer = Literal["yes", "no", "undecided"]

UNMOVED = 0.5
"""A map whose rank correlation stays above this when the upper half of the layers is random does not depend enough on
what was learned. The literature gives no number; this one is ours."""

FEW_ALIKE, MANY_ALIKE = 0.05, 0.2
FEWEST_PAIRS = 10
"""With fewer pairs the pointing game decides nothing."""

TITLES = {
    "gradcam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "gradient": "gradient",
    "guided": "Guided Backprop",
    "guided_gradcam": "Guided Grad-CAM",
    "integrated": "Integrated gradients",
    "gradcam_probability": "Grad-CAM of the probability",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one method.

    Attributes:
        answer: Whether it passes.
        value: The number it is judged by.
        low: Lower end of its 95 % interval; NaN without.
        high: Upper end.
    """

    answer: Answer
    value: float
    low: float = np.nan
    high: float = np.nan

    def __str__(self) -> str:
        if np.isnan(self.value):
            return self.answer
        number = f"{self.value:.2f}"
        if not np.isnan(self.low):
            number += f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.answer}: {number}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all checks say of one method.

    Attributes:
        method: Its name.
        beats_random: Deletion and insertion tell more than a random ranking, under every baseline.
        beats_intensity: ... more than a ranking by echo intensity.
        needs_weights: The map falls when the weights are random.
        knows_mode: The maps of two modes differ.
        points: The map peaks on the band more often than chance.
    """

    method: str
    beats_random: Finding
    beats_intensity: Finding
    needs_weights: Finding
    knows_mode: Finding
    points: Finding

    @property
    def words(self) -> str:
        """The verdict in plain words."""
        if self.needs_weights.answer == "no":
            return (
                "Do not use it as evidence: it looks much the same when half of the network has forgotten everything."
            )
        if self.knows_mode.answer == "no":
            return "Do not use it to tell modes apart: the maps of two modes are one map, or its negative."
        if self.beats_random.answer == "no":
            return "Do not use it as evidence: pixels taken at random matter no less."
        if self.points.answer == "no":
            return "Doubtful: it does not find a band that decides."
        answers = {self.beats_random.answer, self.needs_weights.answer, self.knows_mode.answer, self.points.answer}
        if answers != {"yes"}:
            return "Not refuted, not shown either: some checks are undecided. Look at more frames."
        if self.beats_intensity.answer == "yes":
            return "Passes every check, and tells more than the strength of the echo."
        return "Passes the checks, but no better than shading the strongest echo would: believe it where it differs."


def judge(
    methods: Sequence[str],
    curves: Mapping[str, Mapping[str, Curves]],
    cascade: Cascade,
    likeness: Mapping[str, Likeness],
    hits: Mapping[str, Hits],
    chance: float,
    *,
    events: Sequence[str],
    cascade_events: Sequence[str],
    seed: int,
) -> list[Verdict]:
    """Judges each method by all checks.

    Args:
        methods: Names.
        curves: By baseline and ranking.
        cascade: Of the randomisation of weights.
        likeness: By method.
        hits: By method.
        chance: Share of hits of a random pixel.
        events: Of each frame of the curves.
        cascade_events: Of each frame of the cascade.
        seed: Of the resampling.
    """
    return [
        Verdict(
            method,
            better(curves, method, RANDOM, events, seed=seed),
            better(curves, method, INTENSITY, events, seed=seed),
            falls(mean_by_event(cascade.correlation[method][cascade.halfway], cascade_events, seed=seed)),
            differs(likeness[method]),
            hit(hits[method], chance),
        )
        for method in methods
    ]


def better(
    curves: Mapping[str, Mapping[str, Curves]], method: str, other: str, events: Sequence[str], *, seed: int
) -> Finding:
    """Is a ranking better than another: insertion area less deletion area, under the worst of the baselines."""
    found = []
    for of in curves.values():
        (deleted, inserted), (theirs_deleted, theirs_inserted) = of[method].areas, of[other].areas
        gain = (inserted - deleted) - (theirs_inserted - theirs_deleted)
        found.append(mean_by_event(gain, events, seed=seed))
    worst = min(found, key=lambda interval: interval.mean)
    if any(np.isnan(interval.low) for interval in found):
        return Finding("undecided", worst.mean)
    if all(interval.low > 0 for interval in found):
        answer: Answer = "yes"
    else:
        answer = "no" if any(interval.high < 0 for interval in found) else "undecided"
    return Finding(answer, worst.mean, worst.low, worst.high)


def falls(correlation: Interval) -> Finding:
    """Does a map fall when the upper half of the layers is random."""
    if np.isnan(correlation.low):
        return Finding("undecided", correlation.mean)
    if correlation.high < UNMOVED:
        answer: Answer = "yes"
    else:
        answer = "no" if correlation.low > UNMOVED else "undecided"
    return Finding(answer, *correlation[:3])


def differs(found: Likeness) -> Finding:
    """Do the maps of two modes differ."""
    if np.isnan(found.alike):
        return Finding("undecided", np.nan)
    if found.alike <= FEW_ALIKE:
        return Finding("yes", found.alike)
    return Finding("no" if found.alike > MANY_ALIKE else "undecided", found.alike)


def hit(found: Hits, chance: float) -> Finding:
    """Does a map point at the band more often than chance; with Wilson's 95 % interval."""
    count = len(found.hits)
    if count < FEWEST_PAIRS:
        return Finding("undecided", float(found.hits.mean()) if count else np.nan)
    share = float(found.hits.mean())
    low, high = wilson(share, count)
    if low > chance:
        return Finding("yes", share, low, high)
    return Finding("no", share, low, high)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212)."""
    z = 1.959963984540054
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float(middle - half), float(middle + half)


def tables(verdicts: Sequence[Verdict], *, chance: float, frames: int, pairs: int) -> tuple[Table, Table]:
    """Sets the verdicts, and the numbers they rest on, as tables."""
    names = [TITLES.get(one.method, one.method) for one in verdicts]
    words = [(name, one.words) for name, one in zip(names, verdicts, strict=True)]
    header = (
        "",
        "tells more than random",
        "than echo intensity",
        "falls with random weights",
        "differs between modes",
        "finds the band",
    )
    rows = [
        (
            name,
            str(one.beats_random),
            str(one.beats_intensity),
            str(one.needs_weights),
            str(one.knows_mode),
            str(one.points),
        )
        for name, one in zip(names, verdicts, strict=True)
    ]
    note = (
        "Random, intensity: gain of insertion less deletion area (1 is all of it), the worse of two baselines, n = "
        f"{frames} frames. Random weights in the upper half of the layers: rank correlation with the trained map, "
        f"limit {UNMOVED}. Modes: share of the frames with one map for two modes. Band: share of hits, n = {pairs} "
        f"pairs, by chance {chance:.2f}. In brackets 95 % intervals, by event."
    )
    return Table("Verdict", (("", "in plain words"), *words)), Table("What it rests on", (header, *rows), note)


def finding(verdicts: Sequence[Verdict]) -> str:
    """Sums it up in a sentence."""
    good = [TITLES[one.method] for one in verdicts if one.words.startswith("Passes")]
    bad = [TITLES[one.method] for one in verdicts if one.words.startswith("Do not")]
    open_ = [TITLES[one.method] for one in verdicts if one.words.startswith(("Not refuted", "Doubtful"))]
    parts = [
        f"{_list(names)} {words}"
        for names, words in (
            (good, "pass" if len(good) > 1 else "passes"),
            (open_, "stay undecided or doubtful" if len(open_) > 1 else "stays undecided or doubtful"),
            (bad, "fail" if len(bad) > 1 else "fails"),
        )
        if names
    ]
    return "; ".join(parts) + "." if parts else "No method is defined for this network."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
