"""Reliability curves and the expected calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar.errors import VerificationError
from radar.verification.probabilities import softmax
from radar.verification.reliability import curve, expected_calibration_error

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=80)
FEW_VALUES = st.lists(st.sampled_from([0.0, 0.1, 0.1 + 1e-9, 0.5, 0.9, 1.0]), min_size=1, max_size=80)


def calibrated(seed, frames, modes=5, spread=1.5):
    """Logits, and modes observed with the probabilities they stand for."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, modes)) * spread
    cumulative = softmax(logits).cumsum(axis=1)
    return logits, (cumulative < rng.random((frames, 1))).sum(axis=1).clip(max=modes - 1)


# Curves.


@pytest.mark.parametrize(("frames", "bins"), [(1000, 10), (1003, 10), (7, 10), (10, 10), (100, 3)])
def test_bins_have_nearly_equal_counts(frames, bins):
    p = np.random.default_rng(0).permutation(np.linspace(0, 1, frames))
    found = curve(p, p > 0.5, bins=bins)
    assert len(found.frames) == min(bins, frames)
    assert found.frames.sum() == frames
    assert np.ptp(found.frames) <= 1


@given(PROBABILITIES | FEW_VALUES, st.integers(1, 12), st.randoms(use_true_random=False))
def test_a_curve_is_made_of_all_frames_and_splits_no_value(p, bins, random):
    happened = [random.random() < value for value in p]
    found = curve(p, happened, bins=bins)
    of = np.searchsorted(found.edges, p, side="right")
    assert len(found.frames) == len(found.edges) + 1 <= bins
    assert (np.diff(found.edges) > 0).all()
    np.testing.assert_array_equal(found.frames, np.bincount(of, minlength=len(found.frames)))
    assert (found.frames > 0).all()
    for b in range(len(found.frames)):
        inside = np.asarray(p)[of == b]
        assert found.forecast[b] == pytest.approx(inside.mean(), abs=1e-12)
        assert found.observed[b] == pytest.approx(np.asarray(happened)[of == b].mean())
    for value in set(p):
        assert len(set(of[np.asarray(p) == value])) == 1
    assert found.climatology == pytest.approx(np.mean(happened))
    assert found.histogram.sum() == len(p)
    assert (np.diff(found.forecast) > 0).all()


def test_a_heap_of_equal_probabilities_stays_in_one_bin():
    found = curve([0.0] * 90 + [0.5] * 5 + [1.0] * 5, [False] * 92 + [True] * 8)
    assert found.frames.tolist() == [90, 10] or found.frames.tolist() == [90, 5, 5]
    assert found.observed[0] == 0


def test_a_curve_of_one_value_is_a_point():
    found = curve([0.3, 0.3, 0.3, 0.3], [True, False, False, False])
    assert (found.forecast.tolist(), found.observed.tolist(), found.frames.tolist()) == (
        [pytest.approx(0.3)],
        [0.25],
        [4],
    )


def test_there_is_a_curve_of_no_frames():
    found = curve([], [])
    assert len(found.frames) == len(found.forecast) == len(found.edges) == 0
    assert np.isnan(found.climatology)


def test_a_calibrated_forecast_lies_on_the_diagonal():
    logits, observed = calibrated(1, 100_000)
    for k in range(5):
        found = curve(softmax(logits)[:, k], observed == k)
        spread = np.sqrt(found.forecast * (1 - found.forecast) / found.frames)
        assert (np.abs(found.observed - found.forecast) < 4 * spread + 1e-9).all()


def test_an_overconfident_forecast_is_flatter_than_the_diagonal():
    logits, observed = calibrated(1, 100_000)
    found = curve(softmax(logits, 0.4)[:, 0], observed == 0)
    assert found.observed[0] > 100 * found.forecast[0]
    assert found.observed[-1] < found.forecast[-1] - 0.05


# Expected calibration error.


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [5, 15])
def test_the_error_in_bins_of_equal_width_is_that_of_its_definition(seed, bins):
    logits, observed = calibrated(seed, 700)
    p = softmax(logits, 0.6)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == observed
    expected = 0.0
    for b in range(bins):
        inside = (b / bins <= confidence) & ((confidence < (b + 1) / bins) | (b == bins - 1))
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(p, observed, bins=bins).value == pytest.approx(expected)


def test_the_error_in_bins_of_equal_count_is_that_of_its_definition():
    logits, observed = calibrated(5, 1500)
    p = softmax(logits, 0.6)
    order = np.argsort(p.max(axis=1))
    confidence, right = p.max(axis=1)[order], (p.argmax(axis=1) == observed)[order]
    expected = sum(abs((right[part] - confidence[part]).sum()) for part in np.split(np.arange(1500), 15)) / 1500
    assert expected_calibration_error(p, observed, adaptive=True).value == pytest.approx(expected)


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_error_of_a_calibrated_forecast_is_about_its_bias(adaptive):
    found = []
    for seed in range(100):
        logits, observed = calibrated(seed, 500)
        found.append(expected_calibration_error(softmax(logits), observed, adaptive=adaptive))
    values, bias = np.array([e.value for e in found]), np.mean([e.bias for e in found])
    assert bias > 0.02
    # The mean of a hundred is known to about 2 %.
    assert values.mean() == pytest.approx(bias, rel=0.1)


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_error_of_a_calibrated_forecast_vanishes_with_more_frames(adaptive):
    few, many = (
        expected_calibration_error(softmax(logits), observed, adaptive=adaptive)
        for logits, observed in (calibrated(1, 500), calibrated(1, 50_000))
    )
    assert many.bias == pytest.approx(few.bias / 10, rel=0.2)
    assert many.value < few.bias / 4


@pytest.mark.parametrize("adaptive", [False, True])
def test_an_overconfident_forecast_has_a_larger_error(adaptive):
    logits, observed = calibrated(3, 5000)
    errors = [
        expected_calibration_error(softmax(logits, temperature), observed, adaptive=adaptive)
        for temperature in (1.0, 0.7, 0.4)
    ]
    assert errors[0].value < 2 * errors[0].bias
    assert errors[0].value < errors[1].value / 2
    assert errors[1].value < errors[2].value
    assert errors[2].value > 10 * errors[2].bias


def test_certain_forecasts_have_the_error_of_their_mistakes():
    p = np.eye(5)[[0, 1, 2, 3]]
    assert expected_calibration_error(p, [0, 1, 2, 3]).value == 0
    found = expected_calibration_error(p, [0, 1, 2, 4], adaptive=True)
    assert (found.value, found.bias) == (0.25, 0)


def test_the_error_of_no_frames_is_unknown():
    found = expected_calibration_error(np.empty((0, 5)), [])
    assert np.isnan(found.value)
    assert np.isnan(found.bias)


def test_an_error_is_of_probabilities():
    with pytest.raises(VerificationError, match="add up to 1"):
        expected_calibration_error([[0.9, 0.9]], [0])
