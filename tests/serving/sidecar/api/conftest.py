"""Two recorded winters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from radar.events import as_times
from radar.statistics import ModeSeries
from tests.serving.sidecar.process import CODES, Sidecar, make_records

Records = list[dict[str, Any]]


def series_of(records: Sequence[dict[str, Any]]) -> ModeSeries:
    """The same frames for the functions of the domain, with no database between."""
    table = [
        [one["probabilities"][code] for code in CODES] if "error" not in one else [np.nan] * 5 for one in records
    ]
    p = np.array(table, np.float32).astype(np.float64)
    return ModeSeries(
        CODES,
        as_times([one["time"] for one in records]),
        np.where(np.isnan(p[:, 0]), -1, np.where(np.isnan(p), -1, p).argmax(axis=1)),
        p,
        np.array([one.get("accepted", False) for one in records]),
    )


@pytest.fixture(scope="session")
def winter(sidecar: Sidecar) -> Records:
    """800 frames around the turn of a month in Japan; some failed, some missing."""
    records = make_records(800, season="w2015", start=datetime(2015, 11, 28, tzinfo=UTC), failed=[4, 5, 700], seed=3)
    records = records[:300] + records[310:]
    assert sidecar.record(records).status == 200
    return records


@pytest.fixture(scope="session")
def other_winter(sidecar: Sidecar) -> Records:
    """600 frames of the next year."""
    records = make_records(600, season="w2016", start=datetime(2016, 12, 20, tzinfo=UTC), seed=8)
    assert sidecar.record(records).status == 200
    return records
