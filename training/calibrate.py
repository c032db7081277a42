"""Calibration of a trained network on frames it was not trained on: temperature, threshold, and what they achieve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from radar.verification.probabilities import fit_temperature, softmax
from radar.verification.reliability import calibration_errors

ACCEPTED_SHARE = 0.95

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibration found.

    Attributes:
        temperature: By which logits are divided.
        threshold: A frame whose largest probability is below this is not accepted.
        accept: Share of the known weather that the threshold was to keep, each event counting the same.
        ece_before: Expected calibration error of the plain softmax, in bins of equal width, 0 to 1, perfect 0.
        ece_after: The same with the temperature; it was fitted to these very frames.
        ece_unseen: The same with temperatures that were fitted to other events; NaN of fewer than two.
    """

    temperature: float
    threshold: float
    accept: float
    ece_before: float
    ece_after: float
    ece_unseen: float


def calibrate(
    logits: NDArray[np.floating], classes: NDArray[np.int64], events: NDArray[Any], *, accept: float = ACCEPTED_SHARE
) -> Calibrated:
    """Finds temperature and threshold.

    Args:
        logits: Of validation frames, shape (N, K).
        classes: Index of the observed mode of each, shape (N,).
        events: The event of each, shape (N,).
        accept: Share of the known weather that is to be accepted, 0 to 1; each event counts the same.

    Raises:
        VerificationError: The shapes do not fit, logits are not finite, or there is no frame.
    """
    temperature = fit_temperature(logits, classes)
    table = softmax(logits, temperature)
    return Calibrated(
        temperature=temperature,
        threshold=rejection_threshold(table, events, accept=accept),
        accept=accept,
        ece_before=_error(softmax(logits), classes),
        ece_after=_error(table, classes),
        ece_unseen=_unseen_error(logits, classes, events),
    )


def rejection_threshold(
    table: NDArray[np.floating], events: NDArray[Any], *, accept: float = ACCEPTED_SHARE
) -> float:
    """Finds the largest probability that a stated share of the known weather reaches.

    Each event weighs the same, however many frames it has: a convergence band that stood for a night would otherwise
    decide alone.

    Args:
        table: Calibrated probabilities, shape (N, K).
        events: The event of each frame, shape (N,).
        accept: The share, 0 to 1.
    """
    winners = table.max(axis=1)
    _, of_event, frames = np.unique(events, return_inverse=True, return_counts=True)
    weights = 1.0 / (frames[of_event] * len(frames))
    order = np.argsort(winners)
    # Rejected are frames below the threshold; their weights may add up to 1 - accept, give or take rounding.
    rejected = np.cumsum(weights[order]) - weights[order]
    last = int(np.flatnonzero(rejected <= 1 - accept + 1e-9)[-1])
    # Rounded down: rounded up, it could be out of reach of them all.
    return math.floor(float(winners[order[last]]) * 1e4) / 1e4


def accepted_share(table: NDArray[np.floating], events: NDArray[Any], threshold: float) -> float:
    """Gives the share of accepted frames, each event weighing the same."""
    _, of_event, frames = np.unique(events, return_inverse=True, return_counts=True)
    accepted = np.bincount(of_event, table.max(axis=1) >= threshold) / frames
    return float(accepted.mean())


def _unseen_error(logits: NDArray[np.floating], classes: NDArray[np.int64], events: NDArray[Any]) -> float:
    folds = min(_FOLDS, len(np.unique(events)))
    if folds < 2:
        return math.nan
    table = np.empty(logits.shape, np.float64)
    for fitted, unseen in GroupKFold(folds).split(classes, groups=events):
        table[unseen] = softmax(logits[unseen], fit_temperature(logits[fitted], classes[fitted]))
    return _error(table, classes)


def _error(table: NDArray[np.floating], classes: NDArray[np.int64]) -> float:
    return calibration_errors(table, classes)[0].value
