"""Contingency tables with known answers, and random ones."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

# Rows observed (tornado, none): hits 28, misses 23; false alarms 72, correct negatives 2680. Finley (1884).
FINLEY = np.array([[28, 23], [72, 2680]])

# Invented; SY, VX, LT, DM, NO.
FIVE = np.array([[30, 4, 6, 0, 8], [5, 12, 2, 0, 1], [4, 1, 25, 2, 3], [0, 0, 2, 7, 1], [6, 2, 3, 1, 25]])


def tables(smallest: int = 2, largest: int = 6, most: int = 50) -> st.SearchStrategy[np.ndarray]:
    """Square tables of counts, many of them zero."""
    return st.integers(smallest, largest).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, most)))


def frames_of(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed and predicted modes that make a table."""
    rows, columns = np.indices(table.shape)
    return np.repeat(rows.ravel(), table.ravel()), np.repeat(columns.ravel(), table.ravel())
