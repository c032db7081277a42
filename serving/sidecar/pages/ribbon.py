"""The ribbon's cells for `ribbon.js`: which frame is where, its mode and how sure the model was."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import numpy as np

from radar.ribbon import FAILED, MISSING, OUTSIDE, grid_of, places
from radar.seasons import find_zone
from serving.sidecar.statistics import Counted

NO_CONFIDENCE = 255
UNSURE, REVIEWED = 1, 2


def cells_of(counted: Counted) -> dict[str, Any]:
    """Lays out a season: a row a day, a cell a frame.

    Args:
        counted: At least one frame.

    Returns:
        Ready for JSON. ``days`` are dates of the zone, ``cells`` the cells of each. Four tables of D x cells, row by
        row, as base64: ``modes`` int8, index into the codes or one of ``failed``, ``missing``, ``outside``;
        ``ids`` uint32, little-endian, of the frames, or 0; ``confidence`` uint8, the largest probability in percent,
        or 255; ``marks`` uint8, the sum of 1 where the model was not sure enough and 2 where people reviewed it.

    Raises:
        SeasonError: Its times cannot be laid out, see `radar.ribbon.grid_of`.
    """
    statistics = counted.statistics
    series, zone = statistics.series, find_zone(statistics.zone)
    days, modes = grid_of(series, statistics.cadence, zone=zone)
    rows, columns = places(series.times, round(statistics.cadence.total_seconds()), zone)
    here = rows - days[0].astype(np.int64), columns
    ids = np.zeros(modes.shape, "<u4")
    confidence = np.full(modes.shape, NO_CONFIDENCE, np.uint8)
    marks = np.zeros(modes.shape, np.uint8)
    classified = series.modes >= 0
    peak = series.probabilities[classified].max(axis=1)
    known = np.full(len(series.times), NO_CONFIDENCE, np.uint8)
    known[classified] = np.round(peak * 100).astype(np.uint8)
    ids[here] = counted.frame_ids
    confidence[here] = known
    marks[here] = UNSURE * (classified & ~series.accepted) + REVIEWED * (counted.reviewed >= 0)
    return {
        "cadence_minutes": statistics.cadence / timedelta(minutes=1),
        "days": days.astype(str).tolist(),
        "cells": modes.shape[1],
        "failed": FAILED,
        "missing": MISSING,
        "outside": OUTSIDE,
        "modes": _text(modes),
        "ids": _text(ids),
        "confidence": _text(confidence),
        "marks": _text(marks),
    }


def _text(table: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(table.tobytes()).decode("ascii")
