"""Verification: the report of a million frames, and what of it takes how long.

Errors come in runs, as those of real classifiers do: a network that takes a band for another does so in the next
frame as well. Frames wrong one by one, at random, make several times as many predicted events; they are shown, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from radar.events import find_events
from radar.resampling import resample
from radar.verification import overall
from radar.verification.estimates import estimate
from radar.verification.event_level import match_events
from radar.verification.probabilities import check_probabilities, fit_temperature, softmax
from radar.verification.reliability import curve, expected_calibration_error
from radar.verification.report import verify
from radar.verification.sample import Sample
from radar.verification.table import count_by_group
from tests.benchmarks.table import Row, row

ROUNDS = 5
FRAMES, EVENTS, MODES = 1_000_000, 5000, 5


def run(build: Path) -> Iterator[Row]:
    sample = simulated(run_of_errors=6)
    name = "verification of a million frames"
    yield row(name, _seconds(lambda: verify(sample, title="")), "s", "< 1")
    for part, action in _parts(sample).items():
        yield row(f"{name}: {part}", _seconds(action), "s")
    scattered = simulated(run_of_errors=1)
    yield row(f"{name}, errors scattered", _seconds(lambda: verify(scattered, title="")), "s")


def simulated(*, run_of_errors: int, seed: int = 0) -> Sample:
    """A sample of ten winters with probabilities and times; about nine of ten frames are right."""
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.choice(np.arange(1, FRAMES), EVENTS - 1, replace=False))
    event = np.searchsorted(starts, np.arange(FRAMES), side="right")
    observed = (np.cumsum(rng.integers(1, MODES, EVENTS)) % MODES)[event]
    logits = np.repeat(rng.normal(size=(-(-FRAMES // run_of_errors), MODES)), run_of_errors, axis=0)[:FRAMES]
    logits[np.arange(FRAMES), observed] += 2.5
    probabilities = softmax(logits, 0.6)
    winter = np.arange(FRAMES) // (FRAMES // 10)
    minutes = 10 * (np.arange(FRAMES) % (FRAMES // 10))
    first = np.array([np.datetime64(f"{2000 + n}-11-01T00:00:00", "s") for n in range(10)])
    return Sample(
        codes=("SY", "VX", "LT", "DM", "NO"),
        observed=observed,
        predicted=probabilities.argmax(axis=1),
        events=event,
        series=winter,
        times=first[winter] + minutes.astype("timedelta64[m]"),
        probabilities=probabilities,
        accepted=probabilities.max(axis=1) > 0.6,
    )


def _parts(sample: Sample) -> dict[str, Callable[[], Any]]:
    probabilities = sample.probabilities
    if probabilities is None:
        raise TypeError("the simulated sample has probabilities")
    observed, _ = find_events(sample.observed, sample.times, series=sample.series)
    predicted, _ = find_events(sample.predicted, sample.times, series=sample.series)
    curves = [curve(probabilities[:, k], sample.observed == k) for k in range(MODES)]
    tables = count_by_group(sample.observed, sample.predicted, MODES, sample.events, EVENTS)
    return {
        "tables by event": lambda: count_by_group(sample.observed, sample.predicted, MODES, sample.events, EVENTS),
        "estimates of all scores": lambda: estimate(sample, curves, replicates=1000, level=0.95, seed=0),
        "of it 1,000 replicates of one score": lambda: resample(tables, overall.accuracy),
        "probabilities checked": lambda: check_probabilities(probabilities, sample.observed),
        "reliability curves": lambda: [curve(probabilities[:, k], sample.observed == k) for k in range(MODES)],
        "calibration error, equal width": lambda: expected_calibration_error(probabilities, sample.observed),
        "calibration error, equal count": lambda: expected_calibration_error(
            probabilities, sample.observed, adaptive=True
        ),
        "temperature": lambda: fit_temperature(np.log(np.maximum(probabilities, 1e-7)), sample.observed),
        f"{len(observed):,} observed events found": lambda: find_events(
            sample.observed, sample.times, series=sample.series
        ),
        f"{len(predicted):,} predicted events found": lambda: find_events(
            sample.predicted, sample.times, series=sample.series
        ),
        "events matched": lambda: match_events(observed, predicted, MODES),
    }


def _seconds(action: Callable[[], Any]) -> list[float]:
    action()  # the first time is warm-up
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return found
