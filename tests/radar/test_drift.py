"""Confidence and calibration of a winter."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from radar.drift import BINS, find_calibration, find_confidence
from radar.seasons import find_zone
from radar.statistics import ModeSeries


def series(confidence: np.ndarray, modes: np.ndarray, *, start: str = "2015-11-30T12:00") -> ModeSeries:
    p = np.repeat((1 - confidence)[:, np.newaxis] / 2, 3, axis=1)
    p[np.arange(len(modes)), modes] = confidence
    times = np.datetime64(start, "s") + np.arange(len(modes)) * np.timedelta64(600, "s")
    return ModeSeries(("A", "B", "C"), times, modes.astype(np.int64), p, confidence >= 0.7)


def test_confidence_by_month_of_the_zone() -> None:
    confidence = np.concatenate([np.full(72, 0.9), np.full(72, 0.6)])
    found = find_confidence(series(confidence, np.zeros(144, np.int64)), zone=UTC)
    assert found.months == ("2015-11", "2015-12")
    assert found.frames.tolist() == [72, 72]
    assert found.confidence == pytest.approx([0.9, 0.6])
    assert found.accepted == pytest.approx([1, 0])
    expected = [-(c * np.log(c) + (1 - c) * np.log((1 - c) / 2)) for c in (0.9, 0.6)]
    assert found.entropy == pytest.approx(expected)
    japan = find_confidence(series(confidence, np.zeros(144, np.int64)), zone=find_zone("JST"))
    assert japan.frames.tolist() == [18, 126]  # December begins nine hours earlier


def test_failed_and_untimed_frames_say_nothing_and_empty_months_stay() -> None:
    one = series(np.full(6, 0.8), np.zeros(6, np.int64))
    one.modes[0], one.probabilities[0] = -1, np.nan
    one.times[1] = np.datetime64("NaT")
    one.times[5] = np.datetime64("2016-02-01")
    found = find_confidence(one, zone=UTC)
    assert found.frames.tolist() == [3, 0, 0, 1]
    assert np.isnan(found.confidence[1])
    assert find_confidence(one.take(np.zeros(6, bool)), zone=UTC).months == ()


def test_calibration_is_what_people_say_beside_what_the_model_says() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.4, 1, 3000)
    modes = rng.integers(0, 3, 3000)
    one = series(confidence, modes)
    right = rng.random(3000) < confidence
    reviewed = np.where(right, modes, (modes + 1) % 3)
    reviewed[rng.random(3000) < 0.5] = -1
    found = find_calibration(one, reviewed)
    seen = reviewed >= 0
    assert found.frames == seen.sum()
    assert found.accuracy is not None
    assert found.error is not None
    assert found.accuracy.value == accuracy_score(reviewed[seen], modes[seen])
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    assert found.confidence == pytest.approx(confidence[seen].mean())
    # A calibrated model: the error is what chance makes of it, and bins lie on the diagonal.
    assert found.error.value < 3 * found.error.bias
    many = found.in_bin > 50
    assert many.sum() >= 5
    assert found.right[many] == pytest.approx(found.said[many], abs=0.15)
    assert len(found.in_bin) == BINS
    assert found.in_bin.sum() == found.frames


def test_an_overconfident_model_shows() -> None:
    modes = np.zeros(200, np.int64)
    reviewed = np.where(np.arange(200) % 2, 0, 1)
    found = find_calibration(series(np.full(200, 0.95), modes), reviewed)
    assert found.error is not None
    assert found.error.value == pytest.approx(0.45)
    assert found.error.bias < 0.05


def test_nobody_looked() -> None:
    found = find_calibration(series(np.full(5, 0.9), np.zeros(5, np.int64)), np.full(5, -1))
    assert (found.frames, found.accuracy, found.error) == (0, None, None)
    assert found.in_bin.sum() == 0


def test_frames_without_a_time_are_events_of_their_own() -> None:
    one = series(np.full(40, 0.9), np.zeros(40, np.int64))
    one.times[:] = np.datetime64("NaT")
    assert find_calibration(one, np.zeros(40, np.int64)).events == 40
