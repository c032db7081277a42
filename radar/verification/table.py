"""Contingency tables: which mode was observed, which was predicted.

**Rows are observed, columns predicted**, everywhere in this project. Tables are plain arrays and add up: the table of
two winters is the sum of their tables. Every function takes any number of tables at once, shape ``(..., K, K)``,
which is what makes resampling cheap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radar.errors import VerificationError

Floats = NDArray[np.float64]


class Binary(NamedTuple):
    """One mode against the rest, in the words and letters of verification; each of shape ``(..., K)``."""

    hits: Floats
    false_alarms: Floats
    misses: Floats
    correct_negatives: Floats

    @property
    def frames(self) -> Floats:
        """All of them, n."""
        return self.hits + self.false_alarms + self.misses + self.correct_negatives


def count(observed: ArrayLike, predicted: ArrayLike, modes: int) -> NDArray[np.int64]:
    """Counts pairs of modes.

    Args:
        observed: Index of the observed mode of each frame, shape (N,).
        predicted: Index of the predicted mode of each frame, shape (N,).
        modes: K.

    Returns:
        Frames by observed mode (row) and predicted mode (column), shape (K, K).

    Raises:
        VerificationError: The shapes differ, or an index is no mode.
    """
    table: NDArray[np.int64] = count_by_group(observed, predicted, modes, np.zeros(np.shape(observed), int), 1)[0]
    return table


def count_by_group(
    observed: ArrayLike, predicted: ArrayLike, modes: int, group: ArrayLike, groups: int
) -> NDArray[np.int64]:
    """Counts pairs of modes within each group, such as an event or a month.

    Args:
        observed: Index of the observed mode of each frame, shape (N,).
        predicted: Index of the predicted mode of each frame, shape (N,).
        modes: K.
        group: Index of each frame's group, shape (N,).
        groups: M.

    Returns:
        One table a group, shape (M, K, K).

    Raises:
        VerificationError: The shapes differ, or an index is out of range.
    """
    rows, columns, of = (np.asarray(values) for values in (observed, predicted, group))
    if not rows.shape == columns.shape == of.shape or rows.ndim != 1:
        raise VerificationError(
            "Expected one observed and one predicted mode and one group for each frame; received the shapes "
            f"{rows.shape}, {columns.shape} and {of.shape}"
        )
    rows, columns = check_index("observed", rows, modes), check_index("predicted", columns, modes)
    flat = (check_index("group", of, groups) * modes + rows) * modes + columns
    return np.bincount(flat, minlength=groups * modes * modes).reshape(groups, modes, modes)


def check_index(name: str, values: ArrayLike, limit: int) -> NDArray[np.int64]:
    """Gives indices as an array.

    Args:
        name: What they are of, for the message.
        values: Of any shape.
        limit: All lie below.

    Raises:
        VerificationError: They are no integers from 0 to below the limit.
    """
    index = np.asarray(values)
    whole = np.issubdtype(index.dtype, np.integer)
    if index.size and not (whole and 0 <= index.min() <= index.max() < limit):
        span = f" from {index.min()} to {index.max()}" if whole else ""
        raise VerificationError(
            f"Expected each {name} index as an integer from 0 to {limit - 1}; received {index.dtype}{span}"
        )
    # An empty list is of floating-point numbers, and so would be the sum of uint64 and int64.
    return index.astype(np.int64, copy=False)


def binary(table: ArrayLike) -> Binary:
    """Sees a table as K tables of one mode against the rest.

    Args:
        table: Shape ``(..., K, K)``; rows observed.

    Raises:
        VerificationError: It is not square.
    """
    counts = as_table(table)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    observed, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    frames = observed.sum(axis=-1, keepdims=True)
    return Binary(hits, predicted - hits, observed - hits, frames - observed - predicted + hits)


def as_table(table: ArrayLike) -> Floats:
    """Gives tables as floating-point numbers.

    Raises:
        VerificationError: They are not square.
    """
    counts = np.asarray(table, np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise VerificationError(f"Expected tables of shape (..., K, K), received {counts.shape}")
    return counts


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Divides; NaN where the denominator is zero: a score without cases is unknown, not bad."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    result: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return result
