import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.look.known import known_frames, known_network
from training.look import deletion, ranking

WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def known():
    """Frames of known evidence, their modes and places, and the probabilities of the network that sees it."""
    network = known_network()
    images, classes, places = known_frames(24)

    def score(pixels):
        logits = network.model(pixels.astype(np.float32), training=False).numpy()
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponents / exponents.sum(axis=1, keepdims=True)

    return score, images, classes, places


def brightness(images):
    """A score with a closed form: the share of white, and of what is not."""
    white = images.astype(float).mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - white, white], axis=1)


def test_curves_of_a_known_score_have_their_closed_form():
    # Two of four pixels are black; the score is the share of black pixels.
    images = np.full((1, 2, 2, 3), 255, np.uint8)
    images[0, 0] = 0
    relevance = np.array([[[4.0, 3.0], [2.0, 1.0]]])
    empty = np.full_like(images, 255)
    found = deletion.curves(
        brightness, images, np.array([0]), relevance, empty, seed=0, shares=(0, 0.25, 0.5, 0.75, 1)
    )
    np.testing.assert_allclose(found.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.deletion, [[0.5, 0.25, 0, 0, 0]])
    np.testing.assert_allclose(found.insertion, [[0, 0.25, 0.5, 0.5, 0.5]])
    deleted, inserted = found.areas
    assert deleted[0] == pytest.approx(0.25 * (0.375 + 0.125))  # trapezoids
    assert inserted[0] == pytest.approx(0.25 * (0.125 + 0.375 + 0.5 + 0.5))


def test_shares_are_those_of_the_pixels_there_are():
    images = np.zeros((1, 3, 3, 3), np.uint8)
    found = deletion.curves(
        brightness, images, np.array([0]), np.arange(9.0).reshape(1, 3, 3), images, seed=0, shares=(0, 0.01, 0.3, 1)
    )
    # One per cent of nine pixels is none of them: that point falls together with the first.
    np.testing.assert_allclose(found.shares, [0, 3 / 9, 1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_both_ends_are_the_frame_and_the_baseline_whatever_the_ranking(seed):
    rng = np.random.default_rng(seed)
    images, baseline = rng.integers(0, 256, (2, 3, 5, 4, 3)).astype(np.uint8)
    relevance = rng.integers(0, 3, (3, 5, 4)).astype(float)
    found = deletion.curves(brightness, images, np.array([0, 1, 0]), relevance, baseline, seed=seed)
    of_frame = brightness(images)[np.arange(3), [0, 1, 0]]
    of_baseline = brightness(baseline)[np.arange(3), [0, 1, 0]]
    np.testing.assert_allclose(found.deletion[:, 0], of_frame)
    np.testing.assert_allclose(found.deletion[:, -1], of_baseline)
    np.testing.assert_allclose(found.insertion[:, 0], of_baseline)
    np.testing.assert_allclose(found.insertion[:, -1], of_frame)


def test_known_evidence_is_found_and_a_random_ranking_does_not_find_it(known):
    score, images, classes, places = known
    curves = deletion.all_curves(score, images, classes, {"truth": places.astype(float)}, WHITE, seed=1)
    assert set(curves) == {"no echo", "blurred"}
    for of in curves.values():
        assert set(of) == {"truth", deletion.INTENSITY, deletion.RANDOM}
        gain = {name: (one.areas[1] - one.areas[0]).mean() for name, one in of.items()}
        assert gain["truth"] > gain[deletion.RANDOM] + 0.2
        assert gain["truth"] > gain[deletion.INTENSITY] + 0.1  # grey is further from white than red and blue
    deleted, inserted = curves["no echo"]["truth"].areas
    assert deleted.mean() < 0.25
    assert inserted.mean() > 0.9
    # A random ranking is as good at deletion as at insertion.
    deleted, inserted = curves["no echo"][deletion.RANDOM].areas
    assert abs((inserted - deleted).mean()) < 0.15


def test_the_most_relevant_come_first_and_ties_fall_at_random():
    relevance = np.zeros((1, 20, 20))
    relevance[0, 7, 3] = 2
    relevance[0, 1, 1] = 1
    found = ranking.order(relevance, seed=0)[0]
    assert found[:2].tolist() == [7 * 20 + 3, 21]
    assert sorted(found.tolist()) == list(range(400))
    # By position the first half of the ties would be the upper half of the picture: mean row 5 instead of 10.
    assert (found[2:200] // 20).mean() == pytest.approx(9.5, abs=1.5)
    assert (ranking.order(relevance, seed=1)[0] != found).any()


def test_intensity_is_the_distance_from_no_echo():
    images = np.full((1, 1, 3, 3), 255, np.uint8)
    images[0, 0, 1] = (255, 0, 255)
    images[0, 0, 2] = 0
    np.testing.assert_allclose(ranking.by_intensity(images, WHITE)[0, 0], [0, 255, 255 * np.sqrt(3)])


def test_baselines_are_no_echo_and_a_blurred_frame():
    images, _, _ = known_frames(2)
    found = deletion.baselines(images, (250, 251, 252))
    assert (found["no echo"] == (250, 251, 252)).all()
    assert found["blurred"].shape == images.shape
    np.testing.assert_allclose(found["blurred"].mean(), images.mean(), rtol=0.03)
    assert found["blurred"].std() < 0.5 * images.std()


def test_what_does_not_fit_is_refused():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"Expected relevance of shape \(2, 4, 4\)"):
        deletion.curves(brightness, images, np.zeros(2, int), np.zeros((2, 5, 5)), images, seed=0)
    with pytest.raises(ValueError, match="ascending shares from 0 to 1"):
        deletion.curves(brightness, images, np.zeros(2, int), np.zeros((2, 4, 4)), images, seed=0, shares=(0, 0.5))
