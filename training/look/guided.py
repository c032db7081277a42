"""Guided backpropagation: a copy of a network whose ReLUs let through what speaks for a mode only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from training.look.errors import Undefined

_NO_RELU = frozenset(
    {"Relu6", "Elu", "Selu", "LeakyRelu", "Sigmoid", "Tanh", "Erf", "Erfc", "Softplus", "Softsign", "Softmax"}
)
"""Operations of a graph that are activations, and no ReLU."""


@tf.custom_gradient  # type: ignore[untyped-decorator]
def guided_relu(x: Any) -> Any:
    """ReLU whose gradient is ``dy * 1[dy > 0] * 1[x > 0]`` (Springenberg et al. 2014, arXiv 1412.6806)."""
    return tf.nn.relu(x), lambda dy: dy * tf.cast(dy > 0, dy.dtype) * tf.cast(x > 0, dy.dtype)


def guided_copy(model: Any) -> Any:
    """Copies a model, nested models included, with every ReLU replaced by `guided_relu`.

    The original stays as it is: an activation changed in place would go unnoticed by functions that are traced
    already.

    Args:
        model: Functional, images to logits.

    Returns:
        A model of the same weights (copies of them) and the same outputs.

    Raises:
        Undefined: It has activations other than ReLU, for which the rule has no meaning, or none at all.
    """
    others = Counter(name for layer in _leaves(model) if (name := _activation(layer)) not in ("", "relu"))
    if others:
        raise Undefined(
            "guided backpropagation is a rule for ReLUs; the network has "
            + ", ".join(f"{count} {name}" for name, count in others.items())
        )
    replaced: list[str] = []

    def clone(layer: Any) -> Any:
        if isinstance(layer, layers.ReLU):
            replaced.append(layer.name)
            return layers.Activation(guided_relu, name=layer.name)
        copy = layer.__class__.from_config(layer.get_config())
        if _activation(layer) == "relu":
            copy.activation = guided_relu
            replaced.append(layer.name)
        return copy

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())
    # What a layer of our own does inside its call is seen in the graph alone.
    operations = _operations(model)
    if strange := sorted(_NO_RELU & operations.keys()):
        raise Undefined(f"guided backpropagation is a rule for ReLUs; the network computes {', '.join(strange)}")
    if operations["Relu"] != len(replaced):
        raise Undefined(
            f"guided backpropagation would reach {len(replaced)} of the {operations['Relu']} ReLUs of the network"
        )
    if not replaced:
        raise Undefined("guided backpropagation is a rule for ReLUs; the network has none")
    return copy


def _leaves(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _activation(layer: Any) -> str:
    """Gives the name of a layer's activation, ``relu`` for a plain ReLU, empty for none."""
    if isinstance(layer, layers.ReLU):
        plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
        return "relu" if plain else "bounded or leaky ReLU"
    if isinstance(layer, layers.LeakyReLU | layers.PReLU | layers.ELU | layers.Softmax):
        return type(layer).__name__
    found = getattr(layer, "activation", None)
    name = getattr(found, "__name__", str(found)) if found is not None else ""
    return "" if name == "linear" else name


def _operations(model: Any) -> Counter[str]:
    """Counts the operations of a model's graph by type."""
    shape = [1, *model.input.shape[1:]]
    call = tf.function(lambda x: model(x, training=False))
    definition = call.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return Counter(node.op for node in nodes)
