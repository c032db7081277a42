"""The threshold below which a frame is not accepted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ACCEPTED_SHARE = 0.95


def rejection_threshold(table: NDArray[np.floating]) -> float:
    """Finds the largest probability that 95 % of the validation frames reach.

    Args:
        table: Calibrated probabilities, shape (N, K).
    """
    winners = np.sort(table.max(axis=1))
    reached = float(winners[int((1 - ACCEPTED_SHARE) * len(winners))])
    # Rounded down: rounded up, it could be out of reach of them all.
    return math.floor(reached * 1e4) / 1e4
