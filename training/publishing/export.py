"""Export: from a trained network to a SavedModel that keeps the model contract (`serving.protocol.contract`).

The first operation of every signature asserts its input's shape. Without it a wrong shape does not give an error but
ends the whole process of TensorFlow Serving.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serving.protocol import contract, wire
from serving.protocol.contract import ModelCard
from training.architectures import Network

Signatures = dict[str, Callable[[Any], dict[str, Any]]]


def signatures(network: Network, card: ModelCard) -> Signatures:
    """Makes the four signatures as functions of one tensor; the gate compares the export with them.

    Args:
        network: Trained.
        card: Gives temperature and size; `describe` answers with it.
    """
    shape = [None, card.input.height, card.input.width, 3]
    text = card.model_dump_json()

    def pixels(images: Any) -> Any:
        return tf.cast(tf.ensure_shape(images, shape), tf.float32)

    def answers(logits: Any) -> dict[str, Any]:
        return {
            contract.PROBABILITIES: tf.nn.softmax(logits / card.temperature, axis=-1),
            contract.LOGITS: logits,
        }

    def classify(images: Any) -> dict[str, Any]:
        return answers(network.head(network.features(pixels(images), training=False), training=False))

    def explain(images: Any) -> dict[str, Any]:
        activations = network.features(pixels(images), training=False)
        # The gradient is of the logit, not of the probability, and of one mode after the other. Without
        # watch_accessed_variables=False the export carries gradients of every weight.
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(activations)
            logits = network.head(activations, training=False)
            columns = tf.unstack(logits, num=len(card.modes), axis=1)
        gradcam, hirescam = [], []
        for column in columns:
            gradient = tape.gradient(column, activations)
            weights = tf.reduce_mean(gradient, axis=(1, 2))
            gradcam.append(tf.nn.relu(tf.einsum("nhwc,nc->nhw", activations, weights)))
            hirescam.append(tf.nn.relu(tf.reduce_sum(gradient * activations, axis=-1)))
        maps = {contract.GRADCAM: tf.stack(gradcam, axis=1), contract.HIRESCAM: tf.stack(hirescam, axis=1)}
        return {**answers(logits), **maps}

    def embed(images: Any) -> dict[str, Any]:
        activations = network.features(pixels(images), training=False)
        return {contract.FEATURES: network.embed(activations, training=False)}

    def describe(query: Any) -> dict[str, Any]:
        # A row for each row of the query: with batching on, every output must keep the first dimension.
        return {contract.MODEL_CARD: tf.fill(tf.shape(tf.ensure_shape(query, [None])), text)}

    return {
        contract.CLASSIFY: classify,
        contract.EXPLAIN: explain,
        contract.EMBED: embed,
        contract.DESCRIBE: describe,
    }


def input_spec(signature: str, card: ModelCard) -> Any:
    """Gives the input of a signature: name, dtype and shape."""
    if signature == contract.DESCRIBE:
        return tf.TensorSpec([None], tf.int32, name=contract.QUERY)
    return tf.TensorSpec([None, card.input.height, card.input.width, 3], tf.uint8, name=contract.IMAGES)


def write(folder: Path, network: Network, card: ModelCard) -> None:
    """Writes the SavedModel with card and warm-up records.

    Args:
        folder: Must not exist.
        network: Trained.
        card: What the model will say of itself.
    """
    # A plain tf.Module around a Keras 3 model loads in Python and fails in TensorFlow Serving (missing variables).
    archive = keras.export.ExportArchive()
    archive.track(network.model)
    for name, function in signatures(network, card).items():
        archive.add_endpoint(name, function, input_signature=[input_spec(name, card)])
    archive.write_out(str(folder), verbose=False)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / contract.CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_warmup(extra / contract.WARMUP_FILE, card)


def write_warmup(file: Path, card: ModelCard) -> None:
    """Writes one warm-up request for each signature and batch size; a server runs them before it says it is ready."""
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature in contract.OUTPUTS:
            for size in contract.WARMUP_BATCH_SIZES:
                writer.write(_warmup_record(signature, size, card).SerializeToString())


def _warmup_record(signature: str, size: int, card: ModelCard) -> Any:
    request = wire.PredictRequest(model_spec=wire.ModelSpec(name=card.model, signature_name=signature))
    spec = input_spec(signature, card)
    tensor = request.inputs[spec.name]
    tensor.dtype = wire.DataType.DT_UINT8 if spec.dtype == tf.uint8 else wire.DataType.DT_INT32
    for dimension in (size, *spec.shape[1:]):
        tensor.tensor_shape.dim.add(size=dimension)
    tensor.int_val.append(0)  # one value stands for all: a record of some bytes instead of megabytes
    return wire.PredictionLog(predict_log=wire.PredictLog(request=request))
