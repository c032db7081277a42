"""Drift and comparison as what JSON knows; None where a number does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import isfinite
from typing import Any

from radar.drift import Calibration, Confidence
from radar.event_statistics import QUANTILES
from radar.season_statistics import SeasonStatistics
from radar.seasons import format_utc
from radar.winters import Winter
from serving.protocol.contract import ModelCard

_MEDIAN = QUANTILES.index(0.5)
_OF_CARD = ("accuracy", "mean_confidence", "accepted_share", "ece")
FEW_FRAMES = 100


def drift_dict(
    season: SeasonStatistics, confidence: Confidence, calibration: Calibration, card: ModelCard | None
) -> dict[str, Any]:
    """Writes what `radar.drift` found beside what the card says of the validation frames."""
    expected = of_card(card)
    notes = ["Reviewed frames are mostly doubtful ones: their accuracy is not that of the winter."]
    if card is None:
        notes.append("The card of this version is not known: nothing can be compared with its validation frames.")
    elif card.synthetic:
        notes.append("The model learned from synthetic frames: this shows the machinery, not how good it is on snow.")
    return {
        "season": season.name,
        "version": season.versions[0],
        "card": expected,
        "months": [
            {
                "key": key,
                "frames": int(confidence.frames[m]),
                "mean_confidence": number(confidence.confidence[m]),
                "accepted_share": number(confidence.accepted[m]),
                "mean_entropy": number(confidence.entropy[m]),
                "few": bool(confidence.frames[m] < FEW_FRAMES),
            }
            for m, key in enumerate(confidence.months)
        ],
        "reviewed": _reviewed(calibration),
        "notes": notes,
    }


def of_card(card: ModelCard | None) -> dict[str, float | None]:
    """Gives what a card says of its validation frames, whatever split they came from."""
    metrics = {} if card is None else card.metrics
    return {
        name: next((value for key, value in metrics.items() if _is_of(key, name) and value is not None), None)
        for name in _OF_CARD
    }


def comparison_dict(winters: Sequence[Winter]) -> dict[str, Any]:
    """Writes winters side by side."""
    return {"winters": [_winter(winter) for winter in winters]}


def number(value: Any) -> float | None:
    """Gives a number of six digits after the point, or None if there is none."""
    return round(float(value), 6) if isfinite(value) else None


def _is_of(key: str, name: str) -> bool:
    return key.startswith("validation_by_") and key.endswith(f"_{name}") and "climatology" not in key


def _reviewed(found: Calibration) -> dict[str, Any]:
    accuracy = found.accuracy
    return {
        "frames": found.frames,
        "events": found.events,
        "accuracy": None if accuracy is None else number(accuracy.value),
        "accuracy_low": None if accuracy is None else number(accuracy.low),
        "accuracy_high": None if accuracy is None else number(accuracy.high),
        "mean_confidence": number(found.confidence),
        "ece": None if found.error is None else number(found.error.value),
        "ece_bias": None if found.error is None else number(found.error.bias),
        "bins": [
            {
                "low": number(found.edges[b]),
                "high": number(found.edges[b + 1]),
                "frames": int(found.in_bin[b]),
                "mean_confidence": number(found.said[b]),
                "accuracy": number(found.right[b]),
            }
            for b in range(len(found.in_bin))
        ],
    }


def _winter(winter: Winter) -> dict[str, Any]:
    season = winter.season
    total, (first, last) = season.total, season.span
    return {
        "name": season.name,
        "version": season.versions[0],
        "first": format_utc(first),
        "last": format_utc(last),
        "cadence_minutes": season.cadence / timedelta(minutes=1),
        "classified": int(total.classified[0]),
        "missing": len(season.missing),
        "synthetic": season.synthetic,
        "modes": [
            {
                "code": code,
                "frames": int(total.counts[0, k]),
                "share": number(winter.shares.value[k]),
                "share_low": number(winter.shares.low[k]),
                "share_high": number(winter.shares.high[k]),
                "events": season.durations[k].events,
                "events_per_day": number(winter.per_day[k]),
                "hours": number(season.durations[k].total),
                "median_hours": number(season.durations[k].quantiles[_MEDIAN]),
                "longest_hours": number(season.durations[k].longest),
            }
            for k, code in enumerate(season.codes)
        ],
        "months": [
            {
                "key": key,
                "classified": int(season.month.classified[m]),
                "shares": {code: number(season.month.shares[m, k]) for k, code in enumerate(season.codes)},
            }
            for m, key in enumerate(season.month.keys)
        ],
    }
