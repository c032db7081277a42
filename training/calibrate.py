"""Calibration: one temperature, and the threshold below which a frame is not accepted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

ACCEPTED_SHARE = 0.95


def fit_temperature(logits: NDArray[np.floating], classes: NDArray[np.int64]) -> float:
    """Finds the temperature T that minimises the log loss of softmax(logits / T).

    The argmax does not change. Source: Guo et al. 2017, On calibration of modern neural networks.

    Args:
        logits: Shape (N, K), of frames the network was not trained on.
        classes: Their classes, shape (N,).

    Returns:
        T, between 0.05 and 20.
    """

    def loss(log_temperature: float) -> float:
        return log_loss(logits / np.exp(log_temperature), classes)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def log_loss(logits: NDArray[np.floating], classes: NDArray[np.int64]) -> float:
    """Mean of -ln p of the observed class; 0 is perfect."""
    chosen = np.take_along_axis(log_softmax(logits, axis=1), classes[:, np.newaxis], axis=1)
    return float(-chosen.mean())


def probabilities(logits: NDArray[np.floating], temperature: float) -> NDArray[np.floating]:
    """softmax(logits / temperature), shape (N, K)."""
    result: NDArray[np.floating] = softmax(logits / temperature, axis=1)
    return result


def rejection_threshold(table: NDArray[np.floating]) -> float:
    """Finds the largest probability that 95 % of the validation frames reach.

    Args:
        table: Calibrated probabilities, shape (N, K).
    """
    winners = np.sort(table.max(axis=1))
    reached = float(winners[int((1 - ACCEPTED_SHARE) * len(winners))])
    # Rounded down: rounded up, it could be out of reach of them all.
    return math.floor(reached * 1e4) / 1e4
