"""What `model.fit` needs to run on several workers.

Keras 3 leaves `MultiWorkerMirroredStrategy` unsupported (keras-team/keras#20585): building the metrics and averaging
what a step returns both fail on values that lie on other workers. Both are replaced here; all else is Keras's own.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from training.fitting.devices import Devices


def prepare(model: Any, devices: Devices, example: tuple[Any, ...]) -> None:
    """Prepares a compiled model for `fit` on several workers; does nothing for one.

    Args:
        model: Made and compiled in the scope of `devices`.
        devices: What it will be trained on.
        example: A batch, for its shapes.
    """
    if devices.workers == 1:
        return
    strategy = devices.strategy
    with strategy.scope():
        model._symbolic_build(data_batch=example)
    model._maybe_symbolic_build = lambda *_, **__: None

    def step(iterator: Any) -> dict[str, Any]:
        found = strategy.run(model.train_step, args=(next(iterator),))
        return {name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None) for name, value in found.items()}

    compiled = tf.function(step, reduce_retracing=True)

    def make_train_function(force: bool = False) -> Any:
        model.train_function = compiled
        return compiled

    model.make_train_function = make_train_function
