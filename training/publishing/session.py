"""The TF1 `Session` path: loads a SavedModel and runs its signatures the way TensorFlow Serving does."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import config_pb2


class SessionModel:
    """A SavedModel in a TF1 session.

    Args:
        folder: Of the SavedModel.
    """

    def __init__(self, folder: Path) -> None:
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default(), _without_native_messages():
            meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        # A plain dict: the message's own map answers for a signature that is not there with an empty one.
        self._signatures = dict(meta_graph.signature_def)
        self._calls: dict[tuple[str, ...], Any] = {}

    def inputs(self, signature: str) -> dict[str, Any]:
        """Gives dtype and shape of a signature's inputs, as TensorInfo messages."""
        return dict(self._signatures[signature].inputs)

    def run(self, signature: str, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Runs a signature.

        Args:
            signature: Its name.
            inputs: Arrays by name; they are not checked here, which is the point of the bad-input probe.

        Returns:
            Arrays by name; strings as objects of bytes.
        """
        definition = self._signatures[signature]
        key = (signature, *inputs)
        if key not in self._calls:
            feeds = [definition.inputs[name].name for name in inputs]
            fetches = [info.name for info in definition.outputs.values()]
            # Session.run would refuse a wrong shape in Python; a callable hands it to the runtime, as the server
            # does. Making one costs more than running it.
            options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
            self._calls[key] = self._session._make_callable_from_options(options)
        call = self._calls[key]
        return dict(zip(definition.outputs, map(np.asarray, call(*inputs.values())), strict=True))

    def close(self) -> None:
        """Frees the model."""
        self._session.close()


@contextlib.contextmanager
def _without_native_messages() -> Iterator[None]:
    """Keeps two lines of TensorFlow from the terminal that look like warnings and are none.

    They pass by its log level; what really goes wrong here is raised as an exception.
    """
    sys.stderr.flush()
    terminal, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nothing)
