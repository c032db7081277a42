"""Schedules: what learns in which epochs, at which rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from training.architectures import Network
from training.recipe import BACKBONES, Recipe

FLOOR = 0.02
"""Share of the rate that is left at the end of a cosine schedule."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Some epochs in which the same weights learn.

    Attributes:
        epochs: Their numbers, from 0.
        rate: Learning rate.
        backbone: What learns of the backbone: ``all``, ``last`` or ``none``.
    """

    epochs: range
    rate: float
    backbone: str = "all"


def stages(recipe: Recipe) -> list[Stage]:
    """Cuts the epochs of a recipe into stages: one, or with a backbone that is frozen at first, two."""
    fit, transfer = recipe.fit, recipe.transfer
    if recipe.architecture not in BACKBONES:
        return [Stage(range(fit.epochs), fit.learning_rate)]
    frozen = fit.epochs if transfer.unfreeze == "none" else transfer.freeze_epochs
    parts = [
        Stage(range(frozen), fit.learning_rate, "none"),
        Stage(range(frozen, fit.epochs), transfer.learning_rate, transfer.unfreeze),
    ]
    return [stage for stage in parts if len(stage.epochs)]


def freeze(network: Network, stage: Stage) -> None:
    """Lets learn what the stage says. Normalisation by batches stays as it was learned elsewhere."""
    if network.backbone is None:
        return
    for layer in network.backbone.layers:
        chosen = stage.backbone == "all" or (stage.backbone == "last" and layer.name.startswith(network.last_stage))
        layer.trainable = chosen and not isinstance(layer, keras.layers.BatchNormalization)


@keras.saving.register_keras_serializable(package="snowmode")
class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises from 0 in the first steps, then stays, or falls along half a cosine to `FLOOR` of its height.

    Args:
        peak: Learning rate after the rise.
        steps: Steps in all.
        warmup: Steps of the rise.
        cosine: Whether it falls.
    """

    def __init__(self, peak: float, steps: int, *, warmup: int = 0, cosine: bool = False) -> None:
        super().__init__()
        self.peak, self.steps, self.warmup, self.cosine = peak, steps, warmup, cosine

    def __call__(self, step: Any) -> Any:
        """Gives the rate of a step, counted from 0."""
        now = ops.cast(step, "float32")
        rise = ops.minimum(1.0, (now + 1.0) / float(self.warmup)) if self.warmup else 1.0
        if not self.cosine:
            return self.peak * rise
        share = ops.clip((now - float(self.warmup)) / float(max(1, self.steps - self.warmup)), 0.0, 1.0)
        return self.peak * rise * (FLOOR + (1 - FLOOR) * 0.5 * (1.0 + ops.cos(math.pi * share)))

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup, "cosine": self.cosine}


def optimizer(recipe: Recipe, stage: Stage, steps: int) -> Any:
    """Makes the optimizer of a stage.

    Args:
        recipe: How.
        stage: Which epochs.
        steps: Steps of an epoch.
    """
    fit = recipe.fit
    rate = Rate(
        stage.rate,
        len(stage.epochs) * steps,
        # Only the first stage begins with weights that know nothing.
        warmup=round(fit.warmup_epochs * steps) if stage.epochs.start == 0 else 0,
        cosine=fit.schedule == "cosine",
    )
    average = {"use_ema": True, "ema_momentum": fit.ema} if fit.ema else {}
    if fit.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=fit.weight_decay, **average)
    return keras.optimizers.Adam(rate, **average)
