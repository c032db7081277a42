import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from training.look.statistics import mean_by_event, pearson, spearman


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_correlations_agree_with_scipy_and_numpy_with_ties(seed, levels):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, levels, (2, 5, 4, 3)).astype(float)
    ranked, plain = spearman(a, b), pearson(a, b)
    for n in range(5):
        if np.ptp(a[n]) and np.ptp(b[n]):
            assert ranked[n] == pytest.approx(spearmanr(a[n], b[n], axis=None).statistic, abs=1e-12)
            assert plain[n] == pytest.approx(np.corrcoef(a[n].ravel(), b[n].ravel())[0, 1], abs=1e-12)
        else:
            assert np.isnan(ranked[n])


def test_an_empty_map_has_no_correlation():
    maps = np.stack([np.zeros((3, 3)), np.full((3, 3), 0.1)])
    assert np.isnan(spearman(maps, np.arange(18.0).reshape(2, 3, 3))).all()


def test_ranks_do_not_care_for_scale():
    a = np.random.default_rng(1).random((3, 4, 4))
    np.testing.assert_allclose(spearman(a, np.exp(5 * a)), 1)
    np.testing.assert_allclose(spearman(a, -a), -1)


def test_maps_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"Received: \(2, 3, 3\) and \(2, 4, 4\)"):
        spearman(np.zeros((2, 3, 3)), np.zeros((2, 4, 4)))


def test_the_interval_counts_events_not_frames():
    rng = np.random.default_rng(3)
    of_event = rng.normal(0, 1, 10)
    copied = np.repeat(of_event, 50)
    events = np.repeat(np.arange(10).astype(str), 50).tolist()
    interval = mean_by_event(copied, events, seed=1)
    assert interval.mean == pytest.approx(of_event.mean())
    assert interval.frames == 500
    # Some 2 x 1.96 standard errors of ten values, not of five hundred.
    assert interval.high - interval.low == pytest.approx(3.92 * of_event.std() / np.sqrt(10), rel=0.25)


def test_missing_values_are_left_out():
    values = np.array([1.0, np.nan, 3.0])
    assert mean_by_event(values, ["a", "a", "b"], seed=0)[0] == 2
    assert mean_by_event(values, ["a", "a", "b"], seed=0).frames == 2
    assert np.isnan(mean_by_event(np.array([np.nan]), ["a"], seed=0).mean)


def test_one_event_gives_no_interval():
    interval = mean_by_event(np.array([1.0, 2.0]), ["a", "a"], seed=0)
    assert interval.mean == 1.5
    assert np.isnan(interval.low)
