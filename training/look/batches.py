"""Compiled functions over many frames: one shape for all batches, so that nothing is traced twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 32


def in_batches(
    function: Callable[..., Any],
    *arrays: NDArray[Any],
    size: int | None = None,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> list[NDArray[Any]]:
    """Runs a function of batches over arrays of any length.

    The last batch is filled up with copies of its last row, whose results are dropped: a compiled function sees one
    shape only.

    Args:
        function: Takes a batch of each array; gives a tensor, or several, each with the batch first.
        arrays: Of one length N >= 1.
        size: Rows a batch, exactly; without, `SIZE`, or N where that is less.
        tick: Called with the rows done and N.

    Returns:
        The results, joined; one array for each tensor.
    """
    count = len(arrays[0])
    size = min(SIZE, count) if size is None else size
    parts: list[list[NDArray[Any]]] = []
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)
        result = function(*(np.asarray(array[index]) for array in arrays))
        tensors: Sequence[Any] = result if isinstance(result, tuple | list) else (result,)
        kept = min(size, count - start)
        parts.append([np.asarray(tensor)[:kept] for tensor in tensors])
        tick(min(start + size, count), count)
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
