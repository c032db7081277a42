"""The input pipeline: what an epoch looks like follows from seed and epoch, and from nothing else."""

import numpy as np
import pytest

from training.fitting.augment import draw_changes, small_changes
from training.fitting.pipeline import Share, batches, class_weights, steps_per_epoch
from training.recipe import load_recipe

UNDER = (255, 255, 255)
COUNT = 23


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 3), np.uint8)


def recipe(*overrides):
    return load_recipe("radar", ["input.height=16", "input.width=16", *overrides])


def batched(images, epochs, *overrides, classes=None, modes=COUNT, share=None, seed=1):
    """Batches as arrays; unless told otherwise each frame is a class of its own, so that it can be told apart."""
    known = np.arange(len(images)) if classes is None else classes
    made = batches(
        images, known, recipe(*overrides), modes=modes, no_echo=UNDER, seed=seed, epochs=epochs, share=share
    )
    return [tuple(part.numpy() for part in batch) for batch in made]


def by_frame(parts):
    """The pictures by number of their frame."""
    return {
        int(target.argmax()): picture
        for pictures, targets, *_ in parts
        for picture, target in zip(pictures, targets, strict=True)
    }


def test_every_epoch_sees_every_frame_once_in_another_order_and_changed_anew(images):
    epochs = [batched(images, range(n, n + 1), "fit.batch_size=5") for n in range(3)]
    orders = [[int(target.argmax()) for _, targets in parts for target in targets] for parts in epochs]
    assert [sorted(order) for order in orders] == [list(range(COUNT))] * 3
    assert orders[0] != orders[1] != orders[2] != orders[0]
    first, second = by_frame(epochs[0]), by_frame(epochs[1])
    assert all((first[n] != second[n]).any() for n in range(COUNT))
    assert [len(pictures) for pictures, _ in epochs[0]] == [5, 5, 5, 5, 3]


def test_epochs_that_are_taken_up_again_are_those_of_a_run_that_was_not_disturbed(images):
    together = batched(images, range(4), "fit.batch_size=5", "augment.mixup=0.2")
    again = batched(images, range(2, 4), "fit.batch_size=5", "augment.mixup=0.2")
    assert len(together) == 20
    for a, b in zip(together[10:], again, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_pictures_of_an_epoch_do_not_depend_on_the_size_of_batches(images):
    small, large = (by_frame(batched(images, range(1), f"fit.batch_size={size}")) for size in (4, 23))
    for n in range(COUNT):
        np.testing.assert_allclose(small[n], large[n], atol=1e-3)


def test_the_same_seed_makes_the_same_batches_and_another_others(images):
    once, again, other = (batched(images, range(1), "fit.batch_size=23", seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(once[0], again[0])
    assert (once[0] != other[0]).any()


def test_a_frame_is_changed_by_its_own_draw(images):
    found = by_frame(batched(images, range(3, 4), "fit.batch_size=6"))
    expected = small_changes(images, draw_changes(COUNT, 3, 1), recipe().augment, UNDER).numpy()
    for n in range(COUNT):
        np.testing.assert_allclose(found[n], expected[n], atol=1e-3)


def test_without_augmentation_the_pixels_are_those_of_the_frames(images):
    for n, picture in by_frame(batched(images, range(1), "augment.kind=none")).items():
        assert picture.dtype == np.float32
        np.testing.assert_array_equal(picture, images[n])


# Several devices.


@pytest.mark.parametrize(("workers", "each"), [(1, 2), (2, 1), (2, 2)])
def test_the_parts_of_all_devices_make_the_batches_of_one(images, workers, each):
    replicas = workers * each
    whole = batched(images, range(2), "fit.batch_size=8")
    parts = [
        batched(images, range(2), "fit.batch_size=8", share=Share(replicas, worker * each, each))
        for worker in range(workers)
    ]
    steps = steps_per_epoch(COUNT, 8, Share(replicas))
    assert steps == 2
    assert steps_per_epoch(COUNT, 8, Share()) == 3
    assert all(len(mine) == 2 * steps * each for mine in parts)
    for step in range(2 * steps):
        # An epoch of one device has three batches, the last of them short; several devices leave that out.
        expected = whole[step // steps * 3 + step % steps]
        mine = [parts[worker][step * each + n] for worker in range(workers) for n in range(each)]
        for k in range(2):
            np.testing.assert_allclose(np.concatenate([part[k] for part in mine]), expected[k], atol=1e-3)


# Targets and weights.


def test_labels_are_smoothed_by_the_share_that_the_recipe_says(images):
    classes = np.arange(COUNT) % 4
    ((_, targets),) = batched(
        images, range(1), "fit.batch_size=23", "fit.label_smoothing=0.2", classes=classes, modes=4
    )
    assert set(np.unique(targets.round(6))) == {np.float32(0.05), np.float32(0.85)}
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_balanced_weights_make_every_mode_weigh_the_same(images):
    classes = np.repeat([0, 1, 3], [15, 6, 2])
    weights = class_weights(classes, 4)
    assert weights[2] == 0, "a mode without frames weighs nothing"
    totals = np.bincount(classes, weights[classes], minlength=4)
    np.testing.assert_allclose(totals[[0, 1, 3]], COUNT / 3, rtol=1e-6)
    assert weights[classes].mean() == pytest.approx(1)
    overrides = ("fit.batch_size=23", "fit.class_weights=balanced")
    ((_, targets, given),) = batched(images, range(1), *overrides, classes=classes, modes=4)
    np.testing.assert_allclose(given, weights[targets.argmax(axis=1)])


def test_mixed_frames_are_mixed_with_their_labels_and_weights(images):
    overrides = ("fit.batch_size=23", "augment.kind=none", "augment.mixup=0.4")
    ((pictures, targets),) = batched(images, range(1), *overrides)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert (targets.max(axis=1) >= 0.5).all()
    assert (targets.max(axis=1) < 0.999).any()
    for picture, target in zip(pictures, targets, strict=True):
        expected = np.tensordot(target, images.astype(np.float32), axes=1)
        np.testing.assert_allclose(picture, expected, atol=1e-2)
