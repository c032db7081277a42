"""Scores of probabilities, frame by frame, and the one temperature that mends most over-confidence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.errors import VerificationError
from radar.verification.table import Floats, check_index

SMALLEST = 1e-7
"""Probabilities are taken for at least this: result files have six decimals, and the logarithm of 0 is no score."""

COLDEST, HOTTEST = 0.05, 20.0
"""Between these the temperature is sought."""

_STEPS = 60
_CLOSE = 1e-4  # of one step of Newton's to the next: the error is about the square of it
_A_FEW = 10_000
_BLOCK = 8192  # frames: what is computed of them stays in the processor's cache


def brier_scores(probabilities: ArrayLike, observed: ArrayLike) -> Floats:
    """Brier score of each frame: the sum over modes of (p_k - o_k) squared, o_k = 1 for the observed mode, else 0.

    Range 0 to 2, perfect 0; a uniform forecast of K modes scores 1 - 1/K. The score of a sample is the mean. The
    half-scaled variant of two-class textbooks is half of this. Source: Brier (1950), Mon. Wea. Rev. 78, 1-3.

    Args:
        probabilities: Shape (N, K).
        observed: Index of the observed mode, shape (N,).

    Returns:
        Shape (N,).

    Raises:
        VerificationError: The shapes do not fit, or the numbers are no probabilities.
    """
    table, rows = check_probabilities(probabilities, observed)
    of_observed = table[np.arange(len(rows)), rows]
    result: Floats = np.einsum("nk,nk->n", table, table) - 2 * of_observed + 1
    return result


def log_losses(probabilities: ArrayLike, observed: ArrayLike) -> Floats:
    """Log loss of each frame: -ln p of the observed mode, p not below `SMALLEST`.

    Range 0 to 16.1 (infinity without the limit), perfect 0; a uniform forecast of K modes scores ln K. The score of a
    sample is the mean. Also: ignorance score (there in bits), cross-entropy.
    Source: Good (1952), J. Roy. Stat. Soc. B 14, 107-114.

    Args:
        probabilities: Shape (N, K).
        observed: Index of the observed mode, shape (N,).

    Returns:
        Shape (N,), in nats.

    Raises:
        VerificationError: The shapes do not fit, or the numbers are no probabilities.
    """
    table, rows = check_probabilities(probabilities, observed)
    return -np.log(np.maximum(table[np.arange(len(rows)), rows], SMALLEST))


def fit_temperature(logits: ArrayLike, observed: ArrayLike) -> float:
    """Finds the temperature T between 0.05 and 20 that minimises the log loss of softmax(logits / T).

    The most probable mode does not change. Above 1 the logits are over-confident. ln p of calibrated probabilities
    may be given as logits: they differ from them by a constant of each frame, which the softmax does not see.
    Source: Guo et al. (2017), On calibration of modern neural networks.

    Args:
        logits: Shape (N, K), of frames the network was not trained on.
        observed: Index of the observed mode, shape (N,).

    Raises:
        VerificationError: The shapes do not fit, or there is no frame.
    """
    scores, rows = _check_shapes(logits, observed)
    if not len(rows):
        raise VerificationError("Expected frames to fit a temperature to, received none")
    if not np.isfinite(scores).all():
        raise VerificationError(
            "Expected finite logits, received infinity or NaN; of probabilities, take the logarithm of no less than "
            f"{SMALLEST}"
        )
    by_mode = np.ascontiguousarray(scores.T)
    by_mode -= by_mode.max(axis=0)
    of_observed = by_mode[rows, np.arange(len(rows))]
    if by_mode.any() and not of_observed.any():
        return COLDEST  # every frame is right: Newton's steps would crawl towards infinite coldness
    inverse = 1.0
    # A few of the frames tell almost where to look, so that all of them need two or three rounds only.
    for stride in sorted({1, max(1, len(rows) // _A_FEW)}, reverse=True):
        inverse = _coldness(by_mode[:, ::stride], float(of_observed[::stride].mean()), inverse)
    return 1 / inverse


def _coldness(by_mode: Floats, of_observed: float, inverse: float) -> float:
    """Finds 1/T, from a first guess, in logits (K, N) of which the largest of each frame is 0."""
    coldest, hottest = 1 / COLDEST, 1 / HOTTEST
    low, high = hottest, coldest
    for _ in range(_STEPS):
        # Derivatives of the mean log loss by 1/T; the loss is convex in it.
        mean, curvature = _moments(by_mode, inverse)
        slope = mean - of_observed
        if slope == 0:
            break
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        # Newton's step, or half-way where it would leave what is left of the range.
        step = min(max(inverse - slope / curvature, hottest), coldest) if curvature > 0 else math.nan
        following = step if low <= step <= high else math.sqrt(low * high)
        close = abs(following / inverse - 1) < _CLOSE
        inverse = following
        if close:
            break
    return inverse


def _moments(by_mode: Floats, inverse: float) -> tuple[float, float]:
    """Gives mean and variance of the logits (K, N) under their own softmax, averaged over frames."""
    sums = np.zeros(2)
    for begin in range(0, by_mode.shape[1], _BLOCK):
        part = by_mode[:, begin : begin + _BLOCK]
        weights = np.exp(inverse * part)
        weights /= weights.sum(axis=0)
        weights *= part
        first = weights.sum(axis=0)
        weights *= part
        sums += first.sum(), weights.sum() - first @ first
    mean, variance = sums / by_mode.shape[1]
    return float(mean), float(variance)


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Gives probabilities: softmax of logits / temperature along the last axis."""
    scores = np.asarray(logits, np.float64) / temperature
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return result


def check_probabilities(probabilities: ArrayLike, observed: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    """Gives probabilities (N, K) and observed modes (N,) as arrays.

    Raises:
        VerificationError: The shapes do not fit, or the numbers are no probabilities.
    """
    table, rows = _check_shapes(probabilities, observed)
    if table.size and not (table.min() >= 0 and _add_up(table @ np.ones(table.shape[1])).all()):
        with np.errstate(invalid="ignore"):  # infinities of both signs
            first = int(((table >= 0).all(axis=1) & _add_up(table.sum(axis=1))).argmin())
        raise VerificationError(
            f"Expected probabilities from 0 to 1 that add up to 1; received {table[first].tolist()} for frame {first}"
        )
    return table, rows


def _add_up(sums: Floats) -> NDArray[np.bool_]:
    # Result files round to six decimals; a model in half precision is coarser still.
    return (sums > 0.995) & (sums < 1.005)


def _check_shapes(table: ArrayLike, observed: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    values, rows = np.asarray(table, np.float64), np.asarray(observed)
    if values.ndim != 2 or rows.shape != values.shape[:1]:
        raise VerificationError(
            f"Expected one number for each of N frames and K modes, and N observed modes; received {values.shape} "
            f"and {rows.shape}"
        )
    return values, check_index("observed", rows, values.shape[1])
