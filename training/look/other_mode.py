"""The random-class test: a map that stays the same for another mode does not speak of the mode.

Sixt et al. (2020), When explanations lie, arXiv 1912.09818. Two modes must not have the same map, nor one the
negative of the other. Heat maps of the softmax probability fail it: as far as two modes share the probability, the
map of the runner-up is the negative of the winner's. They are measured beside the others as the known bad case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.look.statistics import pearson

ALIKE = 0.9
"""Maps whose correlation is at least so far from 0 are one map to the eye."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the maps of two modes are.

    Attributes:
        correlation: Of winner and runner-up of each frame, before maps are rectified, shape (N,), -1 to 1; NaN where
            a map is constant.
        alike: Share of the frames whose maps are one map, or one the negative of the other, 0 to 1; NaN without any.
    """

    correlation: NDArray[np.float64]
    alike: float


def likeness(winner: NDArray[np.floating], runner_up: NDArray[np.floating]) -> Likeness:
    """Compares maps of two modes.

    Args:
        winner: Of the most probable mode, shape (N, h, w) or (N, H, W, 3), not rectified.
        runner_up: Of the second, same shape.
    """
    found = pearson(winner, runner_up)
    known = found[~np.isnan(found)]
    return Likeness(found, float((np.abs(known) >= ALIKE).mean()) if len(known) else np.nan)


def first_two(table: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gives the most and the second most probable mode of each frame, shape (N,) each."""
    ranked = np.argsort(-table, axis=1, kind="stable")
    return ranked[:, 0].astype(np.int64), ranked[:, 1].astype(np.int64)
