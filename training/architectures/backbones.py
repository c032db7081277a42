"""Backbones of `keras.applications`: weights from a local file, never from the network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from training.errors import TrainingError


def check_file(weights: str) -> None:
    """Raises TrainingError if there is no such file of weights; costs nothing, so it comes before the data."""
    if weights and not Path(weights).is_file():
        raise TrainingError(
            f"transfer.weights: {weights}: expected a file of weights without the top, as keras.applications writes "
            "them; there is none. Nothing is downloaded: fetch it yourself, or set transfer.weights = '' to start "
            "from random weights"
        )


def load_weights(backbone: Any, weights: str) -> None:
    """Loads the weights of a backbone.

    Args:
        backbone: A Keras model.
        weights: HDF5 file of the same model without its top; empty keeps the random ones.

    Raises:
        TrainingError: The file is missing, is none of Keras, or is of another model; the weights may be mixed then.
    """
    check_file(weights)
    if not weights:
        return
    try:
        with warnings.catch_warnings():
            # Keras warns of layers that it found no weights for, and leaves them as they were.
            warnings.simplefilter("error", UserWarning)
            backbone.load_weights(weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserWarning) as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(
            f"transfer.weights: {weights}: expected the weights of {backbone.name} without the top "
            f"({len(backbone.weights)} arrays, {backbone.count_params():,} numbers); "
            f"received a file that does not fit: {reason}"
        ) from error
