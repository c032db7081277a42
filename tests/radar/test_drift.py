"""Confidence and calibration of a winter."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.metrics import accuracy_score

from radar.drift import BINS, compare_mixes, find_calibration, find_confidence, find_mix
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


def weather(rng: np.random.Generator, days: int, shares: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Modes that last for hours, every ten minutes, with a frame astray here and there."""
    modes = np.empty(0, np.int64)
    while len(modes) < days * 144:
        mode = rng.choice(len(shares), p=shares)
        modes = np.append(modes, np.full(int(np.ceil(rng.lognormal(3.7, 0.8))), mode))
    modes = modes[: days * 144]
    astray = rng.random(len(modes)) < 0.03
    modes[astray] = rng.integers(0, len(shares), astray.sum())
    return modes, np.datetime64("2015-12-01", "s") + np.arange(len(modes)) * np.timedelta64(600, "s")


SHARES = (0.25, 0.05, 0.15, 0.2, 0.35)


def test_a_mix_is_shares_and_how_they_move_from_block_to_block() -> None:
    modes = np.repeat([0, 1, 1, 0], 432)  # four blocks of three days
    times = np.datetime64("1970-01-01", "s") + np.arange(len(modes)) * np.timedelta64(600, "s")
    found = find_mix(modes, times, 3)
    assert (found.frames, found.blocks) == (1728, 4)
    assert found.shares.tolist() == [0.5, 0.5, 0]
    assert found.variance == pytest.approx([1 / 3, 1 / 3, 0])  # of 1, 0, 0, 1, as a sample
    assert find_mix(modes[:500], times[:500], 3).blocks == pytest.approx(500**2 / (432**2 + 68**2))


def test_frames_without_mode_or_time_are_no_part_of_a_mix() -> None:
    modes, times = weather(np.random.default_rng(0), 12, SHARES)
    whole = find_mix(modes, times, 5)
    more = find_mix(np.append(modes, [-1, 3]), np.append(times, [times[0], np.datetime64("NaT")]), 5)
    assert more.frames == whole.frames
    assert more.shares.tolist() == whole.shares.tolist()
    nothing = find_mix(modes[:0], times[:0], 5)
    assert (nothing.frames, nothing.blocks) == (0, 0)
    assert np.isnan(nothing.shares).all()
    assert compare_mixes(nothing, whole) is None
    assert compare_mixes(whole, nothing) is None
    assert compare_mixes(whole, find_mix(modes[:20], times[:20], 5)) is None  # one block does not tell how it moves


def test_equal_mixes_have_not_moved() -> None:
    mix = find_mix(*weather(np.random.default_rng(1), 60, SHARES), 5)
    shift = compare_mixes(mix, mix)
    assert shift is not None
    assert shift.psi == 0
    assert shift.by_chance > 0


def test_for_independent_draws_chance_is_the_known_distribution() -> None:
    rng = np.random.default_rng(2)
    times = np.datetime64("2015-12-01", "s") + np.arange(400) * np.timedelta64(3, "D")  # a frame a block
    draws = [find_mix(rng.choice(5, 400, p=SHARES), times, 5) for _ in range(2)]
    shift = compare_mixes(draws[0], draws[1])
    assert shift is not None
    assert shift.by_chance == pytest.approx(chi2.isf(0.001, 4) * 2 / 400, rel=0.05)


def test_weather_alone_is_within_chance_and_a_fault_is_not() -> None:
    rng = np.random.default_rng(3)
    alarms = found = blank = 0
    for _ in range(60):
        reference = find_mix(*weather(rng, 180, SHARES), 5)
        modes, times = weather(rng, 30, SHARES)
        for broken in ("", "bands taken for broad echo", "pictures without echo"):
            seen = modes.copy()
            if broken:
                seen[np.isin(seen, (2, 3)) if "bands" in broken else slice(None)] = 0 if "bands" in broken else 4
            shift = compare_mixes(find_mix(seen, times, 5), reference)
            assert shift is not None
            alarm = shift.psi > max(0.25, shift.by_chance)
            alarms += alarm and not broken
            found += alarm and "bands" in broken
            blank += alarm and "pictures" in broken
    assert alarms == 0
    assert found > 45
    assert blank == 60
