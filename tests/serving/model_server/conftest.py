"""Tiny models, and servers of them."""

import contextlib
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.serving.model_server.toy_server import Server


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A SavedModel with one signature for each thing that can be asked of a model."""
    import tensorflow as tf

    path = tmp_path_factory.mktemp("toy") / "saved"
    spec = tf.TensorSpec

    class Toy(tf.Module):
        def __init__(self):
            super().__init__()
            weights = np.random.default_rng(1).normal(size=(8 * 8 * 3, 4))
            self.weights = tf.Variable(weights, dtype=tf.float32)

        def _logits(self, images):
            return tf.reshape(tf.cast(images, tf.float32), [-1, 192]) @ self.weights / 255.0

        @tf.function(input_signature=[spec([None, 8, 8, 3], tf.uint8, name="images")])
        def classify(self, images):
            logits = self._logits(tf.ensure_shape(images, [None, 8, 8, 3]))
            return {"probabilities": tf.nn.softmax(logits), "logits": logits}

        @tf.function(input_signature=[spec([None, 8, 8, 3], tf.uint8, name="images")])
        def unguarded(self, images):  # aborts TensorFlow when the rank is wrong
            return {"logits": self._logits(images), "batch": tf.shape(images)[0]}

        @tf.function(input_signature=[spec([None], tf.int32, name="query")])
        def describe(self, query):
            return {"model_card": tf.repeat(tf.constant([b'{"a": 1}\0']), tf.size(query))}

        @tf.function(input_signature=[spec([None], tf.string, name="a"), spec([None], tf.string, name="b")])
        def join(self, a, b):
            return {"joined": a + b, "first": (a + b)[0]}

        @tf.function(input_signature=[spec([None], tf.int32, name="number")])
        def fail(self, number):
            check = tf.debugging.assert_less(number, 0, message="雪" + "x" * 3000)
            with tf.control_dependencies([check]):
                return {"number": tf.identity(number)}

        @tf.function(input_signature=[spec([], tf.string, name="folder")])
        def wait(self, folder):
            """Says that it runs by a file `started`, and goes on until there is a file `release`."""
            started = tf.io.write_file(folder + "/started", "")
            with tf.control_dependencies([started]):
                looks = tf.while_loop(
                    lambda _: tf.equal(tf.size(tf.io.matching_files(folder + "/release")), 0),
                    lambda count: [count + 1],
                    [tf.constant(0)],
                )
            return {"released": looks[0] >= 0}

    module = Toy()
    signatures = {"serving_default": module.classify}
    for name in ("unguarded", "describe", "join", "fail", "wait"):
        signatures[name] = getattr(module, name)
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="session")
def publish(toy):
    """Copies the toy to a version folder as a publisher should: under another name, then renamed."""

    def copy(base_path: Path, version, warmup=()):
        base_path.mkdir(parents=True, exist_ok=True)
        part = base_path / f".{version}.part"
        shutil.copytree(toy, part)
        if warmup:
            write_warmup(part, warmup)
        return part.rename(base_path / str(version))

    return copy


def write_warmup(folder, records):
    import tensorflow as tf

    extra = folder / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with contextlib.ExitStack() as stack:

        def start(base_path, *flags, **kwargs):
            server = Server(folder, base_path, *flags, **kwargs)
            stack.callback(server.end, signal.SIGKILL)
            return server

        yield start


@pytest.fixture(scope="session")
def server(servers, publish, tmp_path_factory):
    """One server for all tests that leave it as it was."""
    base_path = tmp_path_factory.mktemp("models") / "toy"
    publish(base_path, 202611211745)
    return servers(base_path)
