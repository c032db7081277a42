"""Ascent: that it climbs, to where it is known to lead, and stays within what pixels can be."""

import numpy as np

from tests.training.look.known import SY, VX
from training.look import ascent, layering


def test_a_mode_asks_for_the_colour_that_is_its_evidence(known_subject, frames):
    starts = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    climb = ascent.of_modes(known_subject.network.model, starts, 2, steps=40, seed=1)
    assert climb.pictures.min() >= 0
    assert climb.pictures.max() <= 255
    assert (climb.end > climb.start).all()
    colors = climb.pictures.reshape(2, 2, -1, 3).mean(axis=2)
    # SY is red less green, VX blue less red; from both starts.
    assert (colors[:, SY, 0] > colors[:, SY, 1] + 50).all()
    assert (colors[:, VX, 2] > colors[:, VX, 0] + 50).all()
    strongest = known_subject.logits(frames.images).max(axis=0)[:2]
    assert (climb.end.reshape(2, 2) > strongest).all()


def test_filters_climb_together_as_they_would_alone(known_subject, frames):
    flat = layering.flatten(known_subject.network.features)
    starts = ascent.starting_points(frames.images, seed=1)
    both = ascent.of_filters(flat, "around", starts, np.array([0, 1]), steps=12, seed=3)
    alone = ascent.of_filters(flat, "around", starts, np.array([1]), steps=12, seed=3)
    np.testing.assert_allclose(both.pictures[[1, 3]], alone.pictures, atol=0.05)
    np.testing.assert_allclose(both.end[[1, 3]], alone.end, rtol=1e-3)
    other = ascent.of_filters(flat, "around", starts, np.array([1]), steps=12, seed=4)
    assert not np.allclose(other.pictures, alone.pictures, atol=1)


def test_a_silent_filter_keeps_its_start(known_subject):
    flat = layering.flatten(known_subject.network.features)
    white = np.full((1, 32, 32, 3), 255, np.float32)
    climb = ascent.of_filters(flat, "colors", white, np.array([0]), steps=4, seed=1)
    np.testing.assert_array_equal(climb.pictures, white)
    assert climb.end == climb.start == 0


def test_starts_are_pixels_of_the_frames_shuffled_and_their_mean(frames):
    noise, mean = ascent.starting_points(frames.images, seed=1)
    colors = {tuple(color) for color in frames.images.reshape(-1, 3).tolist()}
    assert {tuple(color) for color in noise.reshape(-1, 3).astype(int).tolist()} <= colors
    np.testing.assert_allclose(mean, frames.images.mean(axis=0), rtol=1e-5)
    assert not np.array_equal(noise, ascent.starting_points(frames.images, seed=2)[0])


def test_the_filters_that_differ_most_between_frames_climb():
    values = np.zeros((4, 5), np.float32)
    values[:, 3], values[:, 1] = [0, 9, 0, 9], [0, 1, 0, 1]
    assert ascent.strongest_filters(values, most=2).tolist() == [1, 3]


def test_the_page_tells_what_was_reached(known_subject, frames, tmp_path):
    part = ascent.look(known_subject, frames, tmp_path, seed=0, layers=["around"], steps=12)
    rows = {row[0]: row for row in part.tables[0].rows}
    assert rows["around"][1] == "4"
    numbers = np.load(tmp_path / "ascent.npz")
    assert numbers["around.pictures"].shape == (4, 32, 32, 3)
    assert {picture.file for picture in part.pictures} == {"modes.png", "around.png"}
    assert all((tmp_path / picture.file).stat().st_size > 1000 for picture in part.pictures)
