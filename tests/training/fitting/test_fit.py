"""Fitting: the same settings give the same weights."""

import itertools
import json

import keras
import numpy as np
import pytest

from tests.training.conftest import toy_network
from training import architectures
from training.errors import TrainingError
from training.fitting.fit import fit, predict_logits
from training.fitting.schedule import Rate, stages
from training.recipe import load_recipe

UNDER = (255, 255, 255)


def recipe(*overrides):
    return load_recipe(
        "radar", ["input.height=16", "input.width=16", "fit.epochs=2", "fit.batch_size=16", *overrides]
    )


@pytest.fixture(scope="module")
def frames():
    """Frames whose mode is their brightness, so that there is something to learn."""
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 5
    images = np.clip(classes[:, None, None, None] * 50 + rng.integers(0, 30, (60, 16, 16, 3)), 0, 255)
    return images.astype(np.uint8), classes.astype(np.int64)


def trained(frames, log, chosen, *, seed, report=lambda *_: None):
    network = toy_network(seed)
    held_out = frames[0][:20], frames[1][:20]
    log.unlink(missing_ok=True)
    best, loss, *_ = fit(network, chosen, frames, held_out, no_echo=UNDER, seed=seed, log=log, report=report)
    losses = [json.loads(line)["val_loss"] for line in log.read_text().splitlines()]
    assert losses[best - 1] == min(losses) == pytest.approx(loss, abs=1e-6)
    return network


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(frames, tmp_path):
    once, again, other = (
        trained(frames, tmp_path / "metrics.jsonl", recipe(), seed=seed).model.get_weights() for seed in (1, 1, 2)
    )
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(once, other, strict=True))


def test_every_epoch_is_logged_and_reported_and_the_loss_falls(frames, tmp_path):
    told = []
    chosen = recipe("fit.epochs=6", "augment.kind=none", "fit.patience=0", "fit.learning_rate=0.01")
    trained(frames, tmp_path / "m.jsonl", chosen, seed=1, report=lambda *report: told.append(report))
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [(epoch, epochs) for epoch, epochs, _ in told] == [(n, 6) for n in range(1, 7)]
    for line, (_, _, metrics) in zip(lines, told, strict=True):
        assert {name: line[name] for name in metrics} == metrics
        assert set(metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_run_without_progress_stops_early_and_takes_its_best_weights_back(frames, tmp_path):
    # So small a rate changes no loss for the better or worse by much; patience ends the run.
    images, _ = frames
    shuffled = images, np.random.default_rng(1).integers(0, 5, len(images))
    chosen = recipe("fit.epochs=40", "fit.patience=1", "fit.learning_rate=0.3", "augment.kind=none")
    network = trained(shuffled, tmp_path / "m.jsonl", chosen, seed=1)
    losses = [json.loads(line)["val_loss"] for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert len(losses) < 40
    logits = predict_logits(network, shuffled[0][:20])
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    loss = -np.log(chances[np.arange(20), shuffled[1][:20]] + 1e-30).mean()
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_logits_of_many_frames_are_those_of_each(frames):
    keras.utils.set_random_seed(1)
    network = architectures.build("radar", height=16, width=16, modes=5)
    images = np.concatenate([frames[0]] * 5)
    logits = predict_logits(network, images)
    assert logits.shape == (300, 5)
    np.testing.assert_allclose(logits[240:], logits[:60], atol=1e-5)
    np.testing.assert_allclose(logits[:3], network.model(images[:3].astype(np.float32)).numpy(), atol=1e-5)


# Stages, rates, averages.


def test_a_backbone_is_frozen_first_and_then_its_last_stage_learns_along(frames, tmp_path):
    chosen = load_recipe(
        "vgg16",
        [
            "input.height=32",
            "input.width=32",
            "fit.epochs=2",
            "fit.batch_size=20",
            "transfer.freeze_epochs=1",
            "transfer.learning_rate=0.001",
            "augment.kind=none",
        ],
    )
    images = np.repeat(np.repeat(frames[0][:20], 2, axis=1), 2, axis=2)
    keras.utils.set_random_seed(1)
    network = architectures.build("vgg16", height=32, width=32, modes=5)
    states = [{weight.path: weight.numpy().copy() for weight in network.model.weights}]

    def keep(*_):
        states.append({weight.path: weight.numpy().copy() for weight in network.model.weights})

    side = images, frames[1][:20]
    fit(network, chosen, side, side, no_echo=UNDER, seed=1, log=None, report=keep)
    changed = [
        {path for path in after if (after[path] != before[path]).any()}
        for before, after in itertools.pairwise(states)
    ]
    assert changed[0]
    assert not [path for path in changed[0] if "block" in path], "only the head learns in the first epoch"
    learned = {path.split("/")[-2] for path in changed[1] if "block" in path}
    assert learned == {"block5_conv1", "block5_conv2", "block5_conv3"}


def test_the_rate_rises_then_falls_along_a_cosine():
    rate = Rate(0.1, 100, warmup=10, cosine=True)
    values = [float(rate(step)) for step in range(101)]
    np.testing.assert_allclose(values[:10], 0.01 * np.arange(1, 11), rtol=1e-5)
    assert values[10] == pytest.approx(0.1, rel=1e-4)
    assert values[55] == pytest.approx(0.1 * (0.02 + 0.98 / 2), rel=1e-4)
    assert values[100] == pytest.approx(0.002, rel=1e-4)
    assert all(a > b for a, b in itertools.pairwise(values[10:]))
    expected = keras.optimizers.schedules.CosineDecay(0.1, 100, alpha=0.02)
    plain = Rate(0.1, 100, cosine=True)
    for step in (0, 17, 50, 99):
        assert float(plain(step)) == pytest.approx(float(expected(step)), rel=1e-5)
    assert [float(Rate(0.1, 100)(step)) for step in (0, 99)] == pytest.approx([0.1, 0.1])


def test_a_moving_average_is_what_is_kept(frames, tmp_path):
    # Two steps an epoch at momentum 0.5, one epoch: the average is of three known points.
    overrides = ["fit.epochs=1", "fit.batch_size=30", "augment.kind=none", "fit.patience=0", "fit.learning_rate=0.01"]
    points = []
    network = toy_network(1)
    kernel = next(weight for weight in network.model.trainable_weights)
    points.append(kernel.numpy())

    def look(*_):
        points.append(kernel.numpy())

    chosen = recipe(*overrides, "fit.ema=0.5")
    fit(network, chosen, frames, frames, no_echo=UNDER, seed=1, log=None, tick=look)
    average = points[1]  # it begins with the first step
    for point in points[2:]:
        average = 0.5 * average + 0.5 * point
    np.testing.assert_allclose(kernel.numpy(), average, atol=1e-6)
    assert np.abs(kernel.numpy() - points[-1]).max() > 1e-4


def test_early_stopping_waits_for_the_last_stage():
    chosen = load_recipe("vgg16", ["fit.epochs=9", "transfer.freeze_epochs=4"])
    assert [(stage.epochs, stage.backbone) for stage in stages(chosen)] == [(range(4), "none"), (range(4, 9), "last")]
    frozen = load_recipe("vgg16", ["fit.epochs=9", "transfer.unfreeze=none"])
    assert [(stage.epochs, stage.backbone) for stage in stages(frozen)] == [(range(9), "none")]
    assert [stage.epochs for stage in stages(recipe())] == [range(2)]


# Checkpoints that are none.


@pytest.mark.parametrize("damage", ["cut", "text", "of another network"])
def test_a_checkpoint_that_cannot_be_used_is_named(frames, tmp_path, damage):
    folder = tmp_path / "checkpoints"
    side = frames[0][:20], frames[1][:20]
    how = {"no_echo": UNDER, "seed": 1, "log": None, "checkpoints": folder}
    fit(toy_network(1), recipe("fit.epochs=1"), side, side, **how)
    last = folder / "last.npz"
    if damage == "cut":
        last.write_bytes(last.read_bytes()[:200])
    elif damage == "text":
        last.write_text("no checkpoint")
    else:
        other = architectures.build("convbn", height=16, width=16, modes=5)
        with pytest.raises(TrainingError, match=r"of another network: it has 4 arrays, .*; give another --name"):
            fit(other, recipe(), side, side, **how)
        return
    with pytest.raises(TrainingError, match=r"last\.npz: expected a checkpoint of `training run`, received one that"):
        fit(toy_network(1), recipe(), side, side, **how)
