from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.training.look.conftest import known_look, subject_of
from training.data.labelled import LabelledFrames
from training.look import compare
from training.look.errors import LookError
from training.look.explainer import enlarge


def sure(modes, k=3):
    return np.eye(k)[np.asarray(modes)]


def test_agreement_is_the_share_of_same_answers_and_kappa_what_is_beyond_chance():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, (2, 200))
    second[:120] = first[:120]
    found = compare.compare(np.stack([sure(first), sure(second)]), [None, None], modes=3)
    assert found.agreement[0, 1] == found.agreement[1, 0] == (first == second).mean()
    assert found.kappa[0, 1] == pytest.approx(cohen_kappa_score(first, second))
    assert found.kappa[0, 0] == found.agreement[1, 1] == 1
    assert np.isnan(found.likeness).all()


def test_maps_are_compared_where_the_answers_are_the_same_at_any_size():
    rng = np.random.default_rng(1)
    answers = np.stack([sure([0, 1, 2]), sure([0, 1, 0])])
    coarse = rng.random((3, 2, 2))
    fine = enlarge(coarse, (8, 8))
    found = compare.compare(answers, [coarse, fine], modes=3)
    assert found.counts.tolist() == [[3, 2], [2, 3]]
    assert found.likeness[0, 1] == pytest.approx(1)
    assert found.likeness[0, 0] == pytest.approx(1)
    opposed = compare.compare(answers, [fine, -fine], modes=3)
    assert opposed.likeness[0, 1] == pytest.approx(-1)


def test_the_most_disputed_are_those_of_sure_and_different_answers():
    one = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    other = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    order = compare.most_disputed(np.stack([one, other]), 3)
    assert order[0] == 1
    assert compare.most_disputed(np.stack([one, other]), 1).tolist() == [1]


def test_networks_of_two_sizes_see_the_same_frames(trained, looked_at, tmp_path):
    with pytest.raises(LookError, match="two or more networks to compare, received 1"):
        compare.look([trained], looked_at, tmp_path, seed=0)
    same_modes = subject_of(_five_modes(), size=64, modes=5, name="other")
    part = compare.look([trained, same_modes], looked_at, tmp_path, seed=0)
    numbers = np.load(tmp_path / "compare.npz")
    assert numbers["probabilities"].shape == (2, len(looked_at.labels), 5)
    assert numbers["network"].tolist() == ["trained", "other"]
    np.testing.assert_allclose(numbers["probabilities"][0], trained.probabilities(looked_at.images), atol=1e-6)
    right = (numbers["probabilities"][0].argmax(axis=1) == looked_at.classes).mean()
    assert part.tables[0].rows[1][5] == f"{right:.1%}"
    assert [row[4] for row in part.tables[0].rows[1:]] == ["32 x 32", "64 x 64"]
    for picture in part.pictures:
        assert (tmp_path / picture.file).stat().st_size > 10_000


def test_networks_of_other_modes_are_refused_before_any_work(known_subject, tmp_path):
    five = subject_of(_five_modes(), size=64, modes=5, name="five")
    with pytest.raises(LookError, match="known knows SY, VX, LT, five SY, VX, LT, DM, NO"):
        compare.look([known_subject, five], known_look(4), tmp_path, seed=0)
    assert not list(tmp_path.iterdir())


def test_a_frame_that_one_network_cannot_use_is_named(trained, looked_at, tmp_path):
    # The first network has seen the frames already; since then one of them went.
    labels = [*looked_at.labels]
    labels[3] = replace(labels[3], path=Path("gone/pr2hse00000.png"))
    frames = LabelledFrames(labels, looked_at.images, looked_at.classes)
    five = subject_of(_five_modes(), size=64, modes=5, name="five")
    with pytest.raises(LookError, match=r"five cannot use a frame .* gone/pr2hse00000\.png cannot be read"):
        compare.look([trained, five], frames, tmp_path, seed=0)


def _five_modes():
    import keras

    from training import architectures

    keras.utils.set_random_seed(9)
    return architectures.build("convbn", height=64, width=64, modes=5)
