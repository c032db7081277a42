"""A small message that tests change."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from radar.jma import HOKUSHINETSU
from tests.radar.jma.messages import CLASS_LEVELS, message, national

TIME = datetime(2016, 1, 24, 3, 40, tzinfo=UTC)


@pytest.fixture(scope="session")
def classes() -> np.ndarray:
    """A picture of palette classes, each of them in it."""
    rows, columns = np.indices((HOKUSHINETSU.rows, HOKUSHINETSU.columns))
    return ((rows // 7 + columns // 11) % 9).astype(np.uint8)


@pytest.fixture(scope="session")
def levels(classes: np.ndarray) -> np.ndarray:
    """National levels: the picture in the default window, missing around it and in one corner of it."""
    picture = CLASS_LEVELS[classes]
    picture[:50, :40] = 0
    return national(picture)


@pytest.fixture(scope="session")
def whole(levels: np.ndarray) -> bytes:
    """A message with these levels."""
    return message(levels, TIME)
