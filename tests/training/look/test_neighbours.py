import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from training.look.neighbours import leakage, nearest


def clusters(*, of_events, frames=8, noise=0.02, seed=0):
    """Makes 12 events of 3 modes; each event has a place of its own, or each mode has."""
    rng = np.random.default_rng(seed)
    modes, events, features = [], [], []
    places = rng.normal(0, 1, (3, 20))
    for event in range(12):
        mode = event % 3
        place = rng.normal(0, 1, 20) if of_events else places[mode]
        features.append(place + noise * rng.normal(0, 1, (frames, 20)))
        modes += [mode] * frames
        events += [f"hse/{event}"] * frames
    return np.concatenate(features), np.array(modes), np.array(events)


def test_clusters_that_are_events_are_told_as_leakage():
    found = leakage(*clusters(of_events=True))
    assert found.same_event == 1
    assert found.any_event == 1
    assert found.other_events < 0.7
    assert found.chance_same_event == pytest.approx(7 / 95)


def test_clusters_that_are_modes_are_none():
    found = leakage(*clusters(of_events=False))
    assert found.same_event < 0.5
    assert found.any_event == found.other_events == 1
    assert found.same_event + found.same_mode + found.other == pytest.approx(1)


def test_votes_and_neighbours_agree_with_scikit_learn():
    rng = np.random.default_rng(5)
    features, modes = rng.normal(0, 1, (60, 6)), rng.integers(0, 2, 60)
    alone = np.array([str(n) for n in range(60)])
    # With an event a frame, "other events" is leave-one-out; with two modes and 5 voters there is no tie.
    right = [
        KNeighborsClassifier(5, metric="cosine")
        .fit(np.delete(features, n, 0), np.delete(modes, n))
        .predict(features[n : n + 1])[0]
        == modes[n]
        for n in range(60)
    ]
    assert leakage(features, modes, alone).other_events == pytest.approx(np.mean(right))
    index, apart = nearest(features[:7], features[7:], 4)
    theirs = NearestNeighbors(n_neighbors=4, metric="cosine").fit(features[7:]).kneighbors(features[:7])
    np.testing.assert_array_equal(index, theirs[1])
    np.testing.assert_allclose(apart, theirs[0], atol=1e-12)


def test_a_frame_without_features_is_no_division_by_zero():
    features = np.zeros((4, 3))
    features[1:] = np.eye(3)
    found = leakage(features, np.array([0, 0, 1, 1]), np.array(list("abcd")))
    assert 0 <= found.other_events <= 1


def test_one_event_has_no_other():
    with pytest.raises(ValueError, match="2 or more events"):
        leakage(np.eye(3), np.zeros(3, int), np.array(["a"] * 3))
