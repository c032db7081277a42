"""Seasons as pages ask for them: counted as the settings say."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from serving.sidecar.services import Services
from serving.sidecar.statistics import Counted, Labels, Options
from serving.sidecar.store.seasons import Series

MODEL: Final[Labels] = "model"


def count_winter(parts: Services, connection: Connection, of: Series, labels: Labels = MODEL) -> Counted:
    """Counts a season in the zone of the settings.

    Raises:
        BadRequest: Not one frame of it has a time.
    """
    gap = timedelta(minutes=parts.settings.longest_gap_minutes)
    return parts.statistics.of(connection, of, Options(parts.settings.zone, gap, labels))
