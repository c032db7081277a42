"""What `client watch` says of the frames it records."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from client.display.names import plain
from client.results.rows import Row

LINES = 5
"""Frames recorded at once that have a line each."""

_log = logging.getLogger(__name__)


def tell(rows: Sequence[Row]) -> None:
    """Logs frames that were recorded at once: a line each if they are few, and the bad ones by name."""
    good = [row for row in rows if not row.error]
    bad = [row for row in rows if row.error]
    if len(good) > LINES:
        _log.info("recorded %d frames: %s ... %s", len(good), _called(good[0]), _called(good[-1]))
    else:
        for row in good:
            sure = "" if row.accepted else "  not accepted"
            _log.info("%s  %s  %.2f%s", _called(row), row.label, max(row.probabilities), sure)
    for row in bad[:LINES]:
        _log.warning("%s %s", plain(row.file), plain(row.error))
    if len(bad) > LINES:
        _log.warning("%d frames more are bad; the result files name them", len(bad) - LINES)


def _called(row: Row) -> str:
    return row.time_utc or plain(row.file)
