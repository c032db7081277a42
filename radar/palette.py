"""The palette in which JMA draws rain rate.

Limits and colours: JMA colour guide of July 2020, the same in the service's own PNG tiles. Classes are
half open, ``[low, high)`` in mm/h; every limit is a bin edge of the 1 km composite's level table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_LIMITS = np.array([0.1, 1.0, 5.0, 10.0, 20.0, 30.0, 50.0, 80.0])
"""Lower limits of palette classes 1 to 8, mm/h. Below the first there is no echo (class 0)."""

NO_ECHO = (255, 255, 255)
"""RGB under transparent pixels: JMA draws missing and no echo alike, white with alpha 0."""

COLORS = np.array(
    [
        NO_ECHO,
        (242, 242, 255),
        (160, 210, 255),
        (33, 140, 255),
        (0, 65, 255),
        (250, 245, 0),
        (255, 153, 0),
        (255, 40, 0),
        (180, 0, 104),
    ],
    dtype=np.uint8,
)
"""RGB of palette classes 0 to 8, shape (9, 3)."""


def rate_to_class(rate: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Gives the palette class of a rain rate.

    Args:
        rate: Rain rate in mm/h, any shape; NaN (missing) becomes class 0, like no echo, because the
            palette has no colour of its own for it.

    Returns:
        Class 0 to 8, uint8, same shape.
    """
    classes: NDArray[np.uint8] = np.digitize(np.nan_to_num(rate, nan=0.0), RATE_LIMITS).astype(np.uint8)
    return classes
