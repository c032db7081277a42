"""The report as JSON: every number of it, `null` where a score is undefined."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from radar import durable
from radar.seasons import format_utc
from radar.verification.catalog import OF_MODES, OF_PROBABILITIES, OVERALL
from radar.verification.comparison import Comparison
from radar.verification.estimates import Estimate
from radar.verification.event_level import EventScores
from radar.verification.report import SPLITS, Calibration, Report

FORMAT = "snowmode verification 1"


def as_dict(report: Report | Comparison) -> dict[str, Any]:
    """Gives a report or a comparison as what JSON can hold; undefined scores are None."""
    return _report(report) if isinstance(report, Report) else _comparison(report)


def write_json(report: Report | Comparison, path: Path) -> None:
    """Writes a report, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    durable.write_text(path, json.dumps(as_dict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _report(report: Report) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "title": report.title,
        "sentence": report.sentence,
        "caveats": list(report.caveats),
        "codes": list(report.codes),
        "split": report.split,
        "split_meaning": SPLITS[report.split],
        "synthetic": report.synthetic,
        "frames": report.frames,
        "events": report.events,
        "seasons": report.seasons,
        "events_of_mode": dict(zip(report.codes, report.events_of_mode.tolist(), strict=True)),
        "interval": {
            "level": report.level,
            "resampled": "whole events" if report.events else None,
            "method": "BCa bootstrap, widened for few events",
            "replicates": report.replicates,
            "seed": report.seed,
        },
        "table": {"rows": "observed", "columns": "predicted", "counts": report.table.tolist()},
        "overall": _estimates(report.overall),
        "modes": {code: _estimates(scores) for code, scores in report.modes.items()},
        "references": {
            name: _nulls(scores) | {"csi": dict(zip(report.codes, _list(report.reference_csi[name]), strict=True))}
            for name, scores in report.references.items()
        },
        "accepted": None
        if report.accepted is None
        else {"share": report.accepted.share, "overall": _estimates(report.accepted.overall)},
        "calibration": None if report.calibration is None else _calibration(report.calibration, report.codes),
        "months": [
            {"month": month.name, "events": month.events, "counts": month.table.tolist()} for month in report.months
        ],
        "by_event": None if report.by_event is None else _by_event(report.by_event, report.codes),
        "names_of_scores": {
            score.name: {"range": score.span, "perfect": score.perfect, "machine_learning": score.machine}
            | {"meteorology": score.also}
            for score in (*OF_MODES, *OVERALL, *OF_PROBABILITIES)
        },
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "sentence": comparison.sentence,
        "caveats": list(comparison.caveats),
        "models": list(comparison.names),
        "difference": {
            "meaning": f"{comparison.names[0]} minus {comparison.names[1]}, on the same resampled events",
            "overall": _estimates(comparison.overall),
            "modes": {code: _estimates(scores) for code, scores in comparison.modes.items()},
        },
        "reports": [_report(report) for report in comparison.reports],
    }


def _estimates(scores: dict[str, Estimate]) -> dict[str, Any]:
    return {
        name: _nulls({"value": e.value, "low": e.low, "high": e.high, "dropped": e.dropped})
        for name, e in scores.items()
    }


def _calibration(calibration: Calibration, codes: tuple[str, ...]) -> dict[str, Any]:
    curves = {
        code: {
            "forecast": curve.forecast.tolist(),
            "observed": curve.observed.tolist(),
            "low": _list(bars[0]),
            "high": _list(bars[1]),
            "frames": curve.frames.tolist(),
            "climatology": curve.climatology,
            "histogram": curve.histogram.tolist(),
        }
        for code, curve, bars in zip(codes, calibration.curves, calibration.bars, strict=True)
    }
    errors = {"equal_width": calibration.ece, "equal_count": calibration.ece_adaptive}
    return {
        "expected_calibration_error": {
            name: {"value": error.value, "bias_of_this_many_independent_frames": error.bias}
            for name, error in errors.items()
        },
        "fitting_temperature": calibration.temperature,
        "mean_probability": dict(zip(codes, calibration.mean_probability.tolist(), strict=True)),
        "mean_confidence": calibration.mean_confidence,
        "curves": curves,
    }


def _by_event(scores: EventScores, codes: tuple[str, ...]) -> dict[str, Any]:
    hits, misses, alarms = scores.counts()
    pod, far = scores.probability_of_detection(), scores.false_alarm_ratio()
    csi = scores.critical_success_index()
    return {
        "tolerance_minutes": scores.tolerance.total_seconds() / 60,
        "modes": {
            code: _nulls({"hits": int(hits[k]), "misses": int(misses[k]), "false_alarms": int(alarms[k])})
            | _nulls({"pod": float(pod[k]), "far": float(far[k]), "csi": float(csi[k])})
            for k, code in enumerate(codes)
        },
        "hits": [
            {
                "mode": codes[hit.observed.mode],
                "start": format_utc(hit.observed.start),
                "end": format_utc(hit.observed.end),
                "onset_error_minutes": hit.onset_error,
                "end_error_minutes": hit.end_error,
                "pieces": hit.pieces,
            }
            for hit in scores.hits
        ],
        **{
            name: [
                {"mode": codes[event.mode], "start": format_utc(event.start), "end": format_utc(event.end)}
                for event in events
            ]
            for name, events in (("misses", scores.misses), ("false_alarms", scores.false_alarms))
        },
    }


def _nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}


def _list(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
