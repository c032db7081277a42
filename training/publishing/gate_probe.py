"""Sends malformed input to every signature of a SavedModel; run by the release gate in a process of its own.

`python -m training.publishing.gate_probe FOLDER` prints, as JSON, what each case was answered with: the name of an
error, or OK.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.protocol import contract


def malformed(dtype: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Makes inputs that are wrong in one way each.

    Args:
        dtype: The right one.
        shape: The right one of one frame, without the batch dimension; empty for a list of numbers.
    """
    other = np.float32 if dtype != np.float32 else np.uint8
    yield "wrong dtype", np.zeros((2, *shape), other)
    yield "scalar", np.zeros((), dtype)
    yield "rank + 1", np.zeros((2, *shape, 1), dtype)
    if not shape:
        return
    height, width, channels = shape
    yield "rank 1", np.zeros((4,), dtype)
    yield "no batch dimension", np.zeros(shape, dtype)
    yield "half the size", np.zeros((2, height // 2, width // 2, channels), dtype)
    yield "one pixel", np.zeros((1, 1, 1, channels), dtype)
    yield "one channel", np.zeros((2, height, width, 1), dtype)
    yield "channels first", np.zeros((2, channels, height, width), dtype)


def main() -> None:
    """Runs the probe."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from training.publishing.session import SessionModel

    model = SessionModel(Path(sys.argv[1]))
    answers = {}
    for signature in contract.OUTPUTS:
        for alias, info in model.inputs(signature).items():
            shape = tuple(dim.size for dim in info.tensor_shape.dim)[1:]
            for case, array in malformed(tf.as_dtype(info.dtype).as_numpy_dtype, shape):
                try:
                    model.run(signature, {alias: array})
                    answer = "OK"
                except (tf.errors.OpError, TypeError, ValueError) as error:
                    answer = type(error).__name__
                answers[f"{signature}, {case}"] = answer
    print(json.dumps(answers))  # noqa: T201


if __name__ == "__main__":
    main()
