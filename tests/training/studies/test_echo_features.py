"""What the baseline measures of a frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score

from radar.palette import COLORS
from training.errors import TrainingError
from training.studies import baseline, echo_features
from training.studies.echo_features import NAMES, levels, measure

SIDE = 64


def of(image):
    return dict(zip(NAMES, measure(image[np.newaxis])[0], strict=True))


def stripes(degrees, *, period=12, level=4):
    """Parallel bands whose direction is turned against the rows, anticlockwise as seen."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.radians(degrees)
    across = rows * np.cos(angle) + columns * np.sin(angle)
    return COLORS[np.where(across % period < period / 2, level, 0)]


def rings():
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return COLORS[np.where(np.hypot(rows, columns) % 12 < 6, 4, 0)]


@given(arrays(np.uint8, (16, 16), elements=st.integers(0, 8)))
def test_palette_classes_are_found_again_and_measured_as_areas(classes):
    assert (levels(COLORS[classes]) == classes).all()
    found = of(COLORS[classes])
    for level in range(1, 9):
        assert found[f"area of class {level} and above"] == pytest.approx((classes >= level).mean())
    assert np.isfinite(list(found.values())).all()


@given(arrays(np.uint8, st.tuples(st.just(1), st.integers(8, 24), st.integers(8, 24), st.just(3))))
def test_any_picture_has_finite_measures(images):
    assert np.isfinite(measure(images)).all()


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 135])
def test_bands_have_their_orientation_and_rings_have_none(degrees):
    found = of(stripes(degrees))
    angle = np.arctan2(found["orientation sine at 4"], found["orientation cosine at 4"]) / 2
    across = np.degrees(angle) % 180
    assert min(abs(across - (90 - degrees) % 180), 180 - abs(across - (90 - degrees) % 180)) < 3
    assert found["anisotropy at 4"] > 0.9
    circles = of(rings())
    assert circles["anisotropy at 4"] < 0.1
    assert circles["coherence at 4"] > 0.7, "each place of a ring has a direction"
    assert circles["gradient towards the centre at 4"] > 0.7
    assert abs(found["gradient towards the centre at 4"]) < 0.35


def test_place_and_pieces():
    image = COLORS[np.zeros((SIDE, SIDE), int)].copy()
    cv2.circle(image, (48, 16), 6, COLORS[3].tolist(), -1)
    cv2.circle(image, (44, 30), 2, COLORS[3].tolist(), -1)
    found = of(image)
    assert found["column of the centre"] == pytest.approx(0.5, abs=0.06)
    assert found["row of the centre"] == pytest.approx(-0.4, abs=0.12)
    assert found["pieces"] == pytest.approx(np.log(3))
    assert 0.8 < found["share of the largest piece"] < 0.95
    assert found["echo in sector 0,2"] == max(value for name, value in found.items() if "sector" in name)


@pytest.mark.parametrize("kind", baseline.KINDS)
def test_a_baseline_learns_what_direction_tells(kind):
    rng = np.random.default_rng(0)
    angles = np.r_[rng.uniform(-15, 15, 40), rng.uniform(75, 105, 40)]
    images = np.stack([stripes(angle, period=rng.integers(9, 15), level=rng.integers(2, 6)) for angle in angles])
    classes = np.repeat([0, 3], 40)
    features = echo_features.measure(images)
    learn = np.arange(80) % 2 == 0
    model = baseline.train(features[learn], classes[learn], kind=kind, modes=5, seed=0)
    table = model.probabilities(features[~learn])
    assert table.shape == (40, 5)
    assert np.allclose(table.sum(axis=1), 1)
    assert not table[:, [1, 2, 4]].any(), "a mode that was never shown is never given"
    assert accuracy_score(classes[~learn], table.argmax(axis=1)) == 1


def test_frames_of_one_mode_and_an_unknown_kind_are_refused():
    with pytest.raises(TrainingError, match="two modes or more"):
        baseline.train(np.zeros((4, 2)), np.zeros(4, int), kind="logistic", modes=5, seed=0)
    with pytest.raises(TrainingError, match="among logistic, boosting, received 'forest'"):
        baseline.train(np.zeros((4, 2)), np.arange(4), kind="forest", modes=5, seed=0)
