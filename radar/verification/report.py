"""The one report of how well frames were classified; training, comparison and the client all give it.

report = verify(sample, title="hse20152016", split="season")
print(as_text(report))          # radar.verification.report_text
write_json(report, path)        # here
write_html(report, path)        # radar.verification.report_html, needs snowmode[report]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from radar.errors import VerificationError
from radar.events import find_events
from radar.resampling import FEW_EVENTS, LEVEL, REPLICATES
from radar.verification import caveats, references, reliability
from radar.verification.catalog import OVERALL
from radar.verification.estimates import Estimate, Estimates, estimate
from radar.verification.event_level import TOLERANCE, EventScores, match_events
from radar.verification.modes import critical_success_index
from radar.verification.probabilities import SMALLEST, fit_temperature
from radar.verification.reliability import CalibrationError, Curve
from radar.verification.sample import Sample
from radar.verification.table import count, count_by_group

SPLITS = {
    "frame": "randomly drawn frames of winters that were trained on",
    "event": "whole events that were not trained on, of winters that were",
    "season": "a winter that was not trained on",
    "unknown": "frames of which nobody said whether the model was trained on them",
}
"""Which frames were scored, from the most flattering to the most honest, and if nobody knows."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The frames of which the model was sure enough.

    Attributes:
        share: Of all frames, 0 to 1.
        overall: Their overall scores by name.
    """

    share: float
    overall: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether the probabilities can be believed.

    Attributes:
        curves: Reliability curve of each mode.
        bars: Lower and upper end of the observed shares of each curve, from resampled events; NaN without events.
        ece: Expected calibration error in bins of equal width.
        ece_adaptive: The same in bins of equal count.
        temperature: By which ln p would have to be divided for the lowest log loss: 1 is calibrated, above 1
            over-confident.
        mean_probability: Mean probability of each mode, shape (K,), to be held against its share among predictions:
            if they differ, counting winners biases the season's statistics.
        mean_confidence: Mean of the largest probability; of a calibrated model it is the accuracy.
    """

    curves: tuple[Curve, ...]
    bars: tuple[NDArray[np.float64], ...]
    ece: CalibrationError
    ece_adaptive: CalibrationError
    temperature: float
    mean_probability: NDArray[np.float64]
    mean_confidence: float


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one winter: its contingency table and how many events it has frames of."""

    name: str
    table: NDArray[np.int64]
    events: int


@dataclass(frozen=True, slots=True)
class Report:
    """Scores, what they rest on, and what to know about them.

    Attributes:
        title: What was scored.
        codes: Codes of the K modes.
        split: A key of `SPLITS`.
        synthetic: Whether a computer made the frames.
        frames: N.
        events: How many events they belong to; 0 if nobody knows.
        seasons: How many winters they are of.
        events_of_mode: Observed events of each mode, shape (K,).
        table: Rows observed, columns predicted, shape (K, K).
        overall: Overall scores by name, as in `radar.verification.catalog`.
        modes: Scores of each mode by code and name.
        references: Overall scores of the reference forecasts, by forecast and name.
        reference_csi: CSI of each mode by the reference forecasts, shape (K,), by forecast.
        accepted: The same scores of accepted frames, if it is known which are.
        calibration: If there are probabilities.
        months: In order, if there are times.
        by_event: Event-level scores, if there are times.
        level: Nominal coverage of the intervals.
        replicates: How many times events were resampled.
        seed: Of the resampling.
        caveats: Sentences.
    """

    title: str
    codes: tuple[str, ...]
    split: str
    synthetic: bool
    frames: int
    events: int
    seasons: int
    events_of_mode: NDArray[np.intp]
    table: NDArray[np.int64]
    overall: dict[str, Estimate]
    modes: dict[str, dict[str, Estimate]]
    references: dict[str, dict[str, float]]
    reference_csi: dict[str, NDArray[np.float64]]
    accepted: Accepted | None
    calibration: Calibration | None
    months: tuple[Month, ...]
    by_event: EventScores | None
    level: float
    replicates: int
    seed: int
    caveats: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        accuracy = self.overall["accuracy"]
        often = self.references["climatology"]["accuracy"]
        interval = ""
        if accuracy.known:
            interval = f" ({self.level:.0%} interval {accuracy.low:.1%} to {accuracy.high:.1%})"
        basis = _counted(self.frames, "frame")
        if self.events:
            basis += f" of {_counted(self.events, 'event')}"
        frequent = self.codes[int(self.table.sum(axis=1).argmax())]
        text = (
            f"On {basis}, the mode was right in {accuracy.value:.1%} of the frames{interval}; always saying "
            f"{frequent} would be right in {often:.1%}."
        )
        found = [(scores["csi"].value, code) for code, scores in self.modes.items()]
        ranked = sorted(pair for pair in found if np.isfinite(pair[0]))
        if ranked and ranked[0][0] < ranked[-1][0]:
            text += f" {_words(self, ranked[-1][1], 'Best told')}; {_words(self, ranked[0][1], 'worst')}."
        return text


def verify(
    sample: Sample,
    *,
    title: str,
    split: str = "unknown",
    synthetic: bool = False,
    tolerance: timedelta = TOLERANCE,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Report:
    """Scores classified frames.

    Args:
        sample: The frames.
        title: What they are.
        split: Which frames they are, a key of `SPLITS`.
        synthetic: Whether a computer made them.
        tolerance: Of onset and end in event-level scores.
        replicates: How many times events are resampled for the intervals.
        level: Nominal coverage of the intervals.
        seed: Of the resampling.
        notes: Further caveats.

    Raises:
        VerificationError: The probabilities are none, or `split` is no key of `SPLITS`.
    """
    if split not in SPLITS:
        raise VerificationError(f"split: expected {', '.join(SPLITS)}, received {split!r}")
    modes = len(sample.codes)
    table = count(sample.observed, sample.predicted, modes)
    curves: tuple[Curve, ...] = ()
    if sample.probabilities is not None:
        curves = tuple(reliability.curve(sample.probabilities[:, k], sample.observed == k) for k in range(modes))
    scores = estimate(sample, curves, replicates=replicates, level=level, seed=seed)
    accepted = None
    if sample.accepted is not None:
        accepted = Accepted(float(sample.accepted.mean()), scores.accepted)
    tables = {
        "climatology": references.climatology(table),
        "random": references.random_draw(table),
        "persistence": references.persistence(sample.observed, sample.series, modes).astype(np.float64),
    }
    forecasts = {name: _overall(forecast) for name, forecast in tables.items()}
    if sample.probabilities is not None:
        forecasts["climatology"] |= references.climatology_of_probabilities(table)
    events = int(sample.events.max()) + 1 if len(sample.events) else 0
    mode_of_event = np.zeros(events, np.int64)
    if events:
        mode_of_event[sample.events] = sample.observed
    events_of_mode = np.bincount(mode_of_event, minlength=modes) if events else np.zeros(modes, np.intp)
    return Report(
        title=title,
        codes=sample.codes,
        split=split,
        synthetic=synthetic,
        frames=len(sample.observed),
        events=events,
        seasons=int(np.count_nonzero(np.bincount(sample.series))),
        events_of_mode=events_of_mode,
        table=table,
        overall=scores.overall,
        modes=scores.modes,
        references=forecasts,
        reference_csi={name: critical_success_index(forecast) for name, forecast in tables.items()},
        accepted=accepted,
        calibration=None if sample.probabilities is None else _calibration(sample, curves, scores),
        months=_months(sample),
        by_event=_by_event(sample, tolerance),
        level=level,
        replicates=replicates,
        seed=seed,
        caveats=(*_caveats(sample, table, events_of_mode, split, synthetic=synthetic), *notes),
    )


def _calibration(sample: Sample, curves: tuple[Curve, ...], scores: Estimates) -> Calibration:
    probabilities = sample.probabilities
    if probabilities is None:  # told apart by the caller; this tells the type checker
        raise TypeError
    equal_width, equal_count = reliability.calibration_errors(probabilities, sample.observed)
    return Calibration(
        curves=curves,
        bars=scores.bars,
        ece=equal_width,
        ece_adaptive=equal_count,
        temperature=fit_temperature(np.log(np.maximum(probabilities, SMALLEST)), sample.observed),
        mean_probability=np.ones(len(probabilities)) @ probabilities / len(probabilities),
        mean_confidence=float(probabilities.max(axis=1).mean()),
    )


def _overall(table: NDArray[np.floating | np.integer]) -> dict[str, float]:
    return {score.name: float(score.function(table)) for score in OVERALL if score.function is not None}


def _months(sample: Sample) -> tuple[Month, ...]:
    known = ~np.isnat(sample.times)
    if not known.any():
        return ()
    number = sample.times[known].astype("datetime64[M]").astype(np.int64)
    first = number.min()
    found = np.bincount(number - first) > 0
    names = (np.flatnonzero(found) + first).astype("datetime64[M]")
    month = (np.cumsum(found) - 1)[number - first]
    modes = len(sample.codes)
    tables = count_by_group(sample.observed[known], sample.predicted[known], modes, month, len(names))
    events = np.zeros(len(names), np.intp)
    if len(sample.events):
        present = np.zeros((len(names), int(sample.events.max()) + 1), bool)
        present[month, sample.events[known]] = True
        events = present.sum(axis=1)
    return tuple(
        Month(str(name), table, int(number)) for name, table, number in zip(names, tables, events, strict=True)
    )


def _by_event(sample: Sample, tolerance: timedelta) -> EventScores | None:
    if np.isnat(sample.times).all():
        return None
    observed, predicted = sample.observed_events, sample.predicted_events
    if observed is None:
        observed, _ = find_events(sample.observed, sample.times, series=sample.series)
    if predicted is None:
        predicted, _ = find_events(sample.predicted, sample.times, series=sample.series)
    return match_events(observed, predicted, len(sample.codes), tolerance=tolerance, scored=sample.scored_events)


def _caveats(
    sample: Sample, table: NDArray[np.int64], events_of_mode: NDArray[np.intp], split: str, *, synthetic: bool
) -> list[str]:
    events = int(events_of_mode.sum())
    found = [caveats.SYNTHETIC] if synthetic else []
    if split == "frame":
        found.append(caveats.RANDOM_SPLIT)
    elif split == "unknown":
        found.append(caveats.UNSEEN_UNKNOWN)
    if not events:
        found.append(caveats.NO_EVENTS)
    elif events < FEW_EVENTS:
        found.append(caveats.few_events(events))
    elif rare := {c: n for c, n in zip(sample.codes, events_of_mode.tolist(), strict=True) if 0 < n < FEW_EVENTS}:
        found.append(caveats.few_events_of(rare))
    if missing := [code for code, row in zip(sample.codes, table, strict=True) if not row.any()]:
        found.append(caveats.absent(missing))
    return found


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _words(report: Report, code: str, label: str) -> str:
    scores = report.modes[code]
    pod, far = scores["pod"].value, scores["far"].value
    found = "never observed" if np.isnan(pod) else f"{pod:.0%} of it found"
    wrong = "never predicted" if np.isnan(far) else f"{far:.0%} of what was called so wrong"
    return f"{label} {code} ({found}, {wrong})"
