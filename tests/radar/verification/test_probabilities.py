"""Brier score, log loss, and the temperature that mends over-confidence."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from radar.errors import VerificationError
from radar.verification import probabilities
from radar.verification.probabilities import COLDEST, HOTTEST, brier_scores, fit_temperature, log_losses, softmax


def forecasts(seed, frames=400, modes=5, spread=2.0):
    """Probabilities, and modes observed with these probabilities: a calibrated forecast."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, modes)) * spread
    cumulative = softmax(logits).cumsum(axis=1)
    return logits, (cumulative < rng.random((frames, 1))).sum(axis=1).clip(max=modes - 1)


def loss(logits, observed, temperature):
    return log_losses(softmax(logits, temperature), observed).mean()


# Scores.


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed):
    logits, observed = forecasts(seed)
    p = softmax(logits)
    expected = metrics.log_loss(observed, p, labels=range(5))
    assert log_losses(p, observed).mean() == pytest.approx(expected)
    expected = metrics.brier_score_loss(observed, p, labels=range(5), scale_by_half=False)
    assert brier_scores(p, observed).mean() == pytest.approx(expected)


def test_scores_with_known_answers():
    certain, uniform = [[0.0, 1.0, 0.0]], [[1 / 3] * 3]
    assert brier_scores(certain, [1]) == [0]
    assert brier_scores(certain, [0]) == [2]
    assert brier_scores(uniform, [2]) == pytest.approx([2 / 3])
    assert brier_scores([[0.7, 0.2, 0.1]], [0]) == pytest.approx([0.09 + 0.04 + 0.01])
    assert log_losses(certain, [1]) == [0]
    assert log_losses(uniform, [2]) == pytest.approx([np.log(3)])
    assert log_losses(certain, [0]) == pytest.approx([-np.log(1e-7)])


def test_scores_are_of_each_frame():
    logits, observed = forecasts(0, frames=50)
    p = softmax(logits)
    for score in (brier_scores, log_losses):
        assert score(p, observed).tolist() == [score(p[n : n + 1], observed[n : n + 1])[0] for n in range(50)]
        assert score(np.empty((0, 5)), []).shape == (0,)


@pytest.mark.parametrize(
    ("table", "observed", "message"),
    [
        ([[0.5, 0.5], [0.9, 0.2]], [0, 1], "that add up to 1; received [0.9, 0.2] for frame 1"),
        ([[0.5, 0.5], [1.1, -0.1]], [0, 1], "from 0 to 1 that add up to 1; received [1.1, -0.1] for frame 1"),
        ([[0.5, 0.5], [np.nan, 1.0]], [0, 1], "received [nan, 1.0] for frame 1"),
        ([[np.inf, 0.0]], [0], "received [inf, 0.0] for frame 0"),
        ([[-np.inf, np.inf]], [0], "received [-inf, inf] for frame 0"),
        ([0.5, 0.5], [0], "received (2,) and (1,)"),
        ([[0.5, 0.5]], [0, 1], "received (1, 2) and (2,)"),
        ([[0.5, 0.5]], [2], "Expected each observed index as an integer from 0 to 1; received int64 from 2 to 2"),
        ([[0.5, 0.5]], [-1], "received int64 from -1 to -1"),
        ([[0.5, 0.5]], [1.0], "received float64"),
    ],
)
def test_what_are_no_probabilities_is_refused(table, observed, message):
    for score in (brier_scores, log_losses):
        with pytest.raises(VerificationError, match=re.escape(message)):
            score(table, observed)


def test_rounded_probabilities_pass():
    """Result files have six decimals, half precision about three."""
    p = softmax(forecasts(1)[0])
    for rounded in (p.round(6), p.round(3), p.astype(np.float16)):
        assert brier_scores(rounded, np.zeros(len(p), np.int64)).shape == (len(p),)


# Softmax.


def test_softmax_of_huge_logits_is_finite():
    np.testing.assert_array_equal(softmax([[1e308, 0.0], [-1e308, 0.0]]), [[1, 0], [0, 1]])
    np.testing.assert_allclose(softmax([0.0, np.log(3)]), [0.25, 0.75])
    np.testing.assert_allclose(softmax([0.0, np.log(9)], 2.0), [0.25, 0.75])


@given(st.floats(0.05, 20), st.integers(0, 100))
def test_the_most_probable_mode_does_not_change_with_the_temperature(temperature, seed):
    logits, _ = forecasts(seed, frames=30)
    np.testing.assert_array_equal(softmax(logits, temperature).argmax(axis=1), logits.argmax(axis=1))


# Temperature.


@pytest.mark.parametrize("frames", [200, 30_000])
@pytest.mark.parametrize("sharpening", [0.4, 1.0, 3.0])
def test_the_temperature_minimises_the_log_loss(frames, sharpening):
    """Also where a part of the frames is looked at first, which gives another answer than all of them."""
    logits, observed = forecasts(7, frames)
    logits = logits * sharpening
    found = fit_temperature(logits, observed)
    oracle = minimize_scalar(
        lambda log: loss(logits, observed, np.exp(log)),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    # The minimum is flat: its place is known to about the root of the rounding of the loss.
    assert found == pytest.approx(np.exp(oracle.x), rel=1e-5)
    assert loss(logits, observed, found) <= oracle.fun * (1 + 1e-12)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 6.0])
def test_a_known_temperature_is_recovered(temperature):
    logits, observed = forecasts(3, 100_000)
    found = fit_temperature(logits * temperature, observed)
    # A hundred thousand frames tell it to about half a per cent.
    assert found == pytest.approx(temperature, rel=0.02)


def test_the_temperature_is_that_of_scikit_learn():
    class Fixed(ClassifierMixin, BaseEstimator):
        """A network that was trained long ago: its logits are its features."""

        def fit(self, features, y):
            self.classes_ = np.arange(5)
            return self

        def decision_function(self, features):
            return features

        def predict(self, features):
            return features.argmax(axis=1)

    logits, observed = forecasts(11, 3000)
    logits = logits * 2
    frozen = FrozenEstimator(Fixed().fit(logits, observed))
    oracle = CalibratedClassifierCV(frozen, method="temperature").fit(logits, observed)
    np.testing.assert_allclose(
        softmax(logits, fit_temperature(logits, observed)), oracle.predict_proba(logits), atol=2e-4
    )


def test_logarithms_of_probabilities_do_as_logits():
    logits, observed = forecasts(5)
    from_logits = fit_temperature(3 * logits, observed)
    assert fit_temperature(np.log(softmax(3 * logits)), observed) == pytest.approx(from_logits, rel=1e-6)
    assert fit_temperature(3 * logits + np.arange(400)[:, np.newaxis], observed) == pytest.approx(
        from_logits, rel=1e-6
    )


def test_the_temperature_stays_within_its_limits():
    logits, observed = forecasts(2)
    best, worst = logits.argmax(axis=1), logits.argmin(axis=1)
    assert fit_temperature(logits, best) == COLDEST
    assert fit_temperature(logits * 1e4, best) == COLDEST
    assert fit_temperature(logits, worst) == HOTTEST
    assert fit_temperature(logits * 1e4, worst) == HOTTEST
    assert fit_temperature(logits * 100, observed) == HOTTEST
    assert fit_temperature(logits / 100, observed) == pytest.approx(COLDEST)


def test_the_temperature_of_logits_that_say_nothing_is_one():
    assert fit_temperature(np.zeros((4, 3)), [0, 1, 2, 0]) == 1


@given(st.integers(0, 10**6), st.floats(-2, 2), st.floats(-0.5, 4), st.sampled_from([1, 2, 5, 40, 300]))
def test_no_temperature_is_better(seed, magnitude, skill, frames):
    """Whatever the logits: nearly all right, nearly all wrong, tiny, huge."""
    rng = np.random.default_rng(seed)
    observed = rng.integers(0, 4, frames)
    logits = rng.normal(size=(frames, 4))
    logits[np.arange(frames), observed] += skill
    logits *= 10**magnitude
    found = fit_temperature(logits, observed)
    assert COLDEST <= found <= HOTTEST * (1 + 1e-12)

    def unclipped(temperature):
        z = logits / temperature
        z = z - z.max(axis=1, keepdims=True)
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(frames), observed])

    for other in (*np.geomspace(COLDEST, HOTTEST, 25), found * 1.01, found / 1.01):
        if COLDEST <= other <= HOTTEST:
            assert unclipped(found) <= unclipped(other) + 1e-12


def test_a_few_frames_first_are_only_a_beginning(monkeypatch):
    logits, observed = forecasts(9, 20_000)
    expected = fit_temperature(logits, observed)
    for few in (10, 1000, 10**9):
        monkeypatch.setattr(probabilities, "_A_FEW", few)
        assert fit_temperature(logits, observed) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_are_finite(bad):
    with pytest.raises(VerificationError, match=r"Expected finite logits.* logarithm of no less than 1e-07"):
        fit_temperature([[0.0, bad], [1.0, 0.0]], [0, 1])


def test_a_temperature_needs_frames():
    with pytest.raises(VerificationError, match="Expected frames to fit a temperature to, received none"):
        fit_temperature(np.empty((0, 5)), [])
