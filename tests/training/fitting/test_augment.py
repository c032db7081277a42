"""Changes made to training frames."""

import cv2
import numpy as np
import pytest
from PIL import Image

from radar.palette import COLORS
from training.fitting.augment import (
    DRAWS,
    ROTATIONS,
    draw_changes,
    draw_mixing,
    intensify,
    nakai_copies,
    small_changes,
)
from training.recipe import AugmentTable

UNDER = (10, 200, 90)
STILL = np.full((1, DRAWS), 0.5, np.float32)  # no turn and no shift; a rectangle only where `erase` is above 0.5


def picture(seed=0, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def change(images, draw, **table):
    return small_changes(images, np.asarray(draw, np.float32), AugmentTable(kind="small", **table), UNDER).numpy()


# The original's copies.


def test_each_frame_becomes_24_copies_of_its_class():
    images = np.stack([picture(0), picture(1)])
    copies, classes = nakai_copies(images, np.array([3, 1]), UNDER)
    assert copies.shape == (48, 16, 16, 3)
    assert copies.dtype == np.uint8
    assert classes.tolist() == [3] * 24 + [1] * 24
    assert len(ROTATIONS) == 12


def test_the_copies_hold_the_frame_itself_and_its_mirror_picture():
    images = np.stack([picture(0), picture(1)])
    copies = nakai_copies(images, np.array([0, 1]), UNDER)[0].reshape(2, 2, 12, 16, 16, 3)
    unturned = ROTATIONS.index(0)
    np.testing.assert_array_equal(copies[:, 0, unturned], images)
    np.testing.assert_array_equal(copies[:, 1, unturned], images[:, :, ::-1])


def test_copies_are_turned_by_the_angles_of_the_list():
    smooth = cv2.GaussianBlur(picture(2, 33), (0, 0), 2)
    copies = nakai_copies(smooth[np.newaxis], np.array([0]), UNDER)[0].reshape(2, 12, 33, 33, 3)
    for side, base in zip(copies, (smooth, smooth[:, ::-1]), strict=True):
        for angle, copy in zip(ROTATIONS, side, strict=True):
            turned = [
                np.asarray(Image.fromarray(base).rotate(sign * angle, Image.Resampling.BILINEAR, fillcolor=UNDER))
                for sign in (1, -1)
            ]
            inside = (slice(8, -8), slice(8, -8))
            right, wrong = (np.abs(copy[inside].astype(int) - other[inside]).mean() for other in turned)
            assert right < 1
            assert angle == 0 or wrong > 3 * right
            assert angle == 0 or tuple(copy[0, 0]) == UNDER


# Small changes, drawn anew each epoch.


def test_changes_of_nothing_leave_the_picture_as_it_is():
    images = np.stack([picture(n) for n in range(5)])
    changed = change(images, draw_changes(5, 0, 1))
    assert changed.dtype == np.float32
    np.testing.assert_array_equal(changed, images)


@pytest.mark.parametrize(("across", "down"), [(4, 0), (-4, 0), (0, 4), (0, -4), (4, -4)])
def test_a_shift_moves_by_whole_pixels_and_fills_with_no_echo(across, down):
    image = picture()
    draw = STILL.copy()
    # The draw goes from 0 to 1, for -25 % to +25 % of 16 pixels, and says where a pixel's value is taken from.
    draw[0, 1] = 0.5 + across / 8
    draw[0, 2] = 0.5 + down / 8
    moved = change(image[np.newaxis], draw, shift=0.25)[0]
    expected = np.empty((16, 16, 3))
    expected[:] = UNDER
    for row in range(16):
        for column in range(16):
            if 0 <= row + down < 16 and 0 <= column + across < 16:
                expected[row, column] = image[row + down, column + across]
    np.testing.assert_allclose(moved, expected, atol=1e-3)


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_a_rotation_is_about_the_centre_and_by_the_angle(side):
    smooth = cv2.GaussianBlur(picture(3, 33), (0, 0), 2)
    draw = STILL.copy()
    draw[0, 0] = side
    turned = change(smooth[np.newaxis], draw, rotation_degrees=30)[0]
    np.testing.assert_allclose(turned[16, 16], smooth[16, 16], atol=0.1)
    angle = 30 if side == 1 else -30
    inside = (slice(8, -8), slice(8, -8))
    right, wrong = (
        np.abs(turned - np.asarray(Image.fromarray(smooth).rotate(a, Image.Resampling.BILINEAR)))[inside].mean()
        for a in (angle, -angle)
    )
    assert right < 1
    assert wrong > 3 * right


def test_a_share_of_the_frames_loses_one_rectangle():
    images = np.zeros((400, 16, 16, 3), np.uint8)
    draw = draw_changes(400, 0, 1)
    draw[:, :3] = 0.5
    erased = (change(images, draw, erase=0.25) == UNDER).all(axis=3)
    hit = erased.any(axis=(1, 2))
    np.testing.assert_array_equal(hit, draw[:, 3] < 0.25)
    for mask in erased[hit]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        np.testing.assert_array_equal(mask, rows[:, np.newaxis] & columns)  # a rectangle, and one only
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2
        assert 1 <= rows.sum() <= 6
        assert 1 <= columns.sum() <= 6


def test_every_frame_is_changed_by_its_own_draw():
    images = np.repeat(picture()[np.newaxis], 6, axis=0)
    draw = draw_changes(6, 0, 1)
    together = change(images, draw, rotation_degrees=20, shift=0.2, erase=0.5)
    alone = [change(images[n : n + 1], draw[n : n + 1], rotation_degrees=20, shift=0.2, erase=0.5) for n in range(6)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-3)
    assert len({changed.tobytes() for changed in together}) == 6


def test_draws_depend_on_seed_epoch_and_frame_alone():
    draw = draw_changes(50, epoch=3, seed=1)
    assert draw.shape == (50, DRAWS)
    assert draw.dtype == np.float32
    assert (draw >= 0).all()
    assert (draw < 1).all()
    np.testing.assert_array_equal(draw, draw_changes(50, epoch=3, seed=1))
    np.testing.assert_array_equal(draw[:20], draw_changes(20, epoch=3, seed=1))
    for other in (draw_changes(50, epoch=4, seed=1), draw_changes(50, epoch=3, seed=2)):
        assert (other != draw).any(axis=1).all()


# Rates of rain.


def test_echo_moves_along_the_palette_and_no_echo_stays():
    image = COLORS[np.arange(9)][np.newaxis, :, np.newaxis].repeat(2, axis=0)  # all colours, twice
    up, down = intensify(image, np.array([8.0, -8.0], np.float32)).numpy()
    np.testing.assert_array_equal(up[0], image[0, 0])
    np.testing.assert_array_equal(down[0], image[0, 0])

    def place(colour):
        """Where on the way through the palette a colour lies, in classes."""
        best = (np.inf, 0.0)
        for k in range(8):
            a, b = COLORS[k].astype(float), COLORS[k + 1].astype(float)
            along = float(np.clip(((colour - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1))
            best = min(best, (float(np.linalg.norm(a + along * (b - a) - colour)), k + along))
        assert best[0] < 12, "still a colour of the palette"
        return best[1]

    for k in range(2, 8):
        assert place(up[k, 0]) > k + 0.3
        assert place(down[k, 0]) < k - 0.3
    assert place(up[8, 0]) == pytest.approx(8, abs=0.1), "there is nothing heavier"


def test_no_change_of_intensity_changes_nothing():
    images = np.stack([picture(n) for n in range(3)])
    np.testing.assert_allclose(intensify(images, np.zeros(3, np.float32)), images, atol=1e-3)


def test_each_frame_is_intensified_by_its_own_decibels():
    images = COLORS[np.random.default_rng(0).integers(0, 9, (3, 8, 8))]
    decibels = np.array([-3, 0, 3], np.float32)
    together = intensify(images, decibels).numpy()
    for n in range(3):
        np.testing.assert_array_equal(together[n], intensify(images[n : n + 1], decibels[n : n + 1]).numpy()[0])
    draw = np.repeat(STILL, 3, axis=0)
    draw[:, 8] = [0, 0.5, 1]
    np.testing.assert_allclose(change(images, draw, intensity_db=3), together, atol=1e-3)


# Mixing.


def test_the_larger_part_of_a_mixed_frame_is_its_own():
    partners, amounts = draw_mixing(500, 2, 1, 0.2)
    assert sorted(partners.tolist()) == list(range(500))
    assert amounts.min() >= 0.5
    assert 0.8 < amounts.mean() < 1
    for n, (a, b) in enumerate(zip(draw_mixing(500, 2, 1, 0.2), draw_mixing(500, 3, 1, 0.2), strict=True)):
        np.testing.assert_array_equal(a, (partners, amounts)[n])
        assert (a != b).any()
