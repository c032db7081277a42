"""Fitting: the same settings give the same weights."""

import json

import keras
import numpy as np
import pytest

from tests.training.conftest import toy_network
from training import architectures
from training.fit import fit, predict_logits
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
