"""Activations: which channels tell modes apart, and that the maps are those of the layer."""

import numpy as np
import pytest
from scipy import stats

from tests.training.look.known import LT, SY, VX
from training.look import activations, layering


def test_separation_is_what_an_analysis_of_variance_finds():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 60)
    values = (rng.normal(size=(60, 4)) + classes[:, np.newaxis] * [0, 0.5, 2, 9]).astype(np.float32)
    f = np.array([stats.f_oneway(*(column[classes == k] for k in range(3))).statistic for column in values.T])
    expected = f * 2 / (f * 2 + 60 - 3)
    np.testing.assert_allclose(activations.separation(values, classes), expected, rtol=1e-5)


def test_a_channel_that_never_changes_tells_nothing_apart():
    values = np.full((8, 2), 0.1, np.float32)
    values[:, 1] = [0, 0, 0, 0, 1, 1, 1, 1]
    assert activations.separation(values, np.arange(8) // 4).tolist() == [0.0, 1.0]


def test_each_mode_is_shown_by_the_frame_that_is_surest_of_it():
    table = np.array([[0.5, 0.5, 0], [0.9, 0.1, 0], [0, 1, 0], [0.2, 0.8, 0]])
    assert activations.exemplars(table, np.array([0, 0, 0, 1])) == {0: 1, 1: 3}


def test_means_by_mode_are_missing_where_there_is_no_frame():
    found = activations.by_mode(np.array([[1.0], [3.0], [5.0]], np.float32), np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(found, [[2.0], [np.nan], [5.0]])


def test_channels_of_known_evidence_respond_to_their_colour(known_subject, frames, tmp_path):
    flat = layering.flatten(known_subject.network.features)
    maps = activations.feature_maps(flat, ["colors"], frames.images)["colors"]
    means = activations.responses(flat, ["colors"], frames.images)["colors"]
    np.testing.assert_allclose(means, maps.mean(axis=(1, 2)), rtol=1e-5, atol=1e-7)
    of_mode = activations.by_mode(means, frames.classes, 3)
    assert of_mode[SY, 0] > 0
    assert of_mode[VX, 1] > 0
    assert not of_mode[LT].any()
    part = activations.look(known_subject, frames, tmp_path, seed=0, layers=["colors"])
    numbers = np.load(tmp_path / "activations.npz")
    np.testing.assert_array_equal(numbers["colors.response"], means)
    rows = {row[0]: row[1:] for row in part.tables[0].rows}
    assert rows["colors"][:3] == ("32 x 32", "2", "0")
    assert rows["colors"][3] in ("0 (SY), 1 (VX)", "1 (VX), 0 (SY)")


@pytest.mark.filterwarnings("error")
def test_a_silent_channel_is_counted(known_subject, frames, tmp_path):
    network = known_subject.network
    kernel, bias = network.features.get_layer("around").get_weights()
    try:
        network.features.get_layer("around").set_weights([kernel, np.array([-9.0, 0.0])])
        part = activations.look(known_subject, frames, tmp_path, seed=0, layers=["around"])
    finally:
        network.features.get_layer("around").set_weights([kernel, bias])
    assert part.finding.startswith("1 of 2 channels are silent")
