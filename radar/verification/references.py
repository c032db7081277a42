"""Reference forecasts: what can be had without looking at a picture. Every score stands beside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.verification.table import Floats, count


def climatology(table: ArrayLike) -> Floats:
    """Always the most frequent mode.

    Args:
        table: Of the classified frames, shape (K, K); only its rows, what was observed, count.

    Returns:
        The table of this forecast, shape (K, K).
    """
    observed = np.asarray(table, np.float64).sum(axis=1)
    result = np.zeros((len(observed), len(observed)))
    result[:, observed.argmax()] = observed
    return result


def climatology_of_probabilities(table: ArrayLike) -> dict[str, float]:
    """Brier score and log loss of forecasting each mode with the share it was observed with.

    1 - sum of o_k squared, and the entropy - sum of o_k ln o_k. Source: Wilks (2019), section 9.4.

    Args:
        table: Of the classified frames, shape (K, K); only its rows count.
    """
    observed = np.asarray(table, np.float64).sum(axis=1)
    share = observed[observed > 0] / max(float(observed.sum()), 1.0)
    return {"brier": float(1 - share @ share), "log_loss": float(-share @ np.log(share))}


def random_draw(table: ArrayLike) -> Floats:
    """A draw at random, each mode as often as it was observed: the expected table, in fractions of frames."""
    observed = np.asarray(table, np.float64).sum(axis=1)
    result: Floats = np.outer(observed, observed) / max(float(observed.sum()), 1.0)
    return result


def persistence(observed: ArrayLike, series: ArrayLike, modes: int) -> NDArray[np.int64]:
    """The mode observed in the frame before.

    At 5 to 10 minutes between frames this is brutal, and for a classification no opponent: it knows the label of the
    frame before. It measures how alike neighbouring frames are.

    Args:
        observed: Index of the observed mode of each frame, in order of time within a series, shape (N,).
        series: Index of each frame's season, shape (N,); the first frame of a season has no frame before it.
        modes: K.

    Returns:
        The table of this forecast, shape (K, K).
    """
    rows, of = np.asarray(observed), np.asarray(series)
    follows = np.concatenate([[False], of[1:] == of[:-1]]) if len(of) else np.empty(0, bool)
    return count(rows[follows], np.roll(rows, 1)[follows], modes)
