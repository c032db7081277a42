"""The tables of a report, as cells: text and HTML set the same ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radar.verification import caveats
from radar.verification.catalog import OF_MODES, OF_PROBABILITIES, OVERALL
from radar.verification.comparison import Comparison
from radar.verification.estimates import Estimate
from radar.verification.event_level import EventScores
from radar.verification.modes import critical_success_index
from radar.verification.overall import accuracy, heidke_skill_score
from radar.verification.references import climatology
from radar.verification.report import Calibration, Report

WITH_INTERVAL = ("pod", "far", "csi")
WITHOUT_INTERVAL = ("bias", "ets", "hss", "pss", "f1", "pofd")
_PLAIN = ("bias", "ETS", "HSS", "PSS", "F1", "POFD")

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: title, rows of cells with the header first, and a note below."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""


def tables(report: Report) -> list[Table]:
    """Gives the tables of a report, in order."""
    found = [_contingency(report), _modes(report), _overall(report)]
    if report.by_event is not None:
        found.append(_events(report.by_event, report.codes))
    if report.months:
        found.append(_months(report))
    if report.calibration is not None:
        found.append(_calibration(report, report.calibration))
    return found


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Gives the tables of a comparison, in order."""
    level = f"{comparison.reports[0].level:.0%} interval"
    rows = [
        (
            score.title,
            *(number(report.overall[score.name].value) for report in comparison.reports),
            _signed(comparison.overall[score.name]),
            "lower" if score.perfect == 0 else "higher",
        )
        for score in (*OVERALL, *OF_PROBABILITIES)
        if score.name in comparison.overall
    ]
    modes = [(code, *(_signed(scores[name]) for name in WITH_INTERVAL)) for code, scores in comparison.modes.items()]
    first, second = comparison.names
    return [
        Table(
            f"Overall, with the {level} of the paired difference by event",
            (("", "1st", "2nd", "1st - 2nd", "better is"), *rows),
            f"1st: {first}; 2nd: {second}.",
        ),
        Table(f"By mode: 1st - 2nd, {level}", (("", "POD", "FAR", "CSI"), *modes)),
    ]


def names_of_scores() -> Table:
    """Lists what the two fields call each score."""
    rows = {
        score.title: (score.title, score.machine or "-", score.also or "-", score.span, f"{score.perfect:g}")
        for score in (*OF_MODES, *OVERALL, *OF_PROBABILITIES)
    }
    header = ("", "machine learning", "meteorology, also", "range", "perfect")
    return Table("Names of the scores", (header, *rows.values()))


def number(value: float, digits: int = 3) -> str:
    """Writes a score; a dash where it is undefined."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def with_interval(estimate: Estimate, digits: int = 2) -> str:
    """Writes a score and its interval."""
    if not estimate.known:
        return number(estimate.value, digits)
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def _contingency(report: Report) -> Table:
    header = ("observed", *report.codes, "frames", "events")
    rows = [
        (code, *(f"{n:,}" for n in row), f"{sum(row):,}", f"{events:,}" if report.events else "-")
        for code, row, events in zip(report.codes, report.table.tolist(), report.events_of_mode.tolist(), strict=True)
    ]
    events = f"{report.events:,}" if report.events else "-"
    total = ("predicted", *(f"{n:,}" for n in report.table.sum(axis=0).tolist()), f"{report.frames:,}", events)
    return Table("Contingency table (rows observed, columns predicted)", (header, *rows, total))


def _modes(report: Report) -> Table:
    forecasts = {name: csi for name, csi in report.reference_csi.items() if name != "climatology"}
    header = ("", "POD = recall", "FAR = 1 - precision", "CSI", *(f"CSI {name}" for name in forecasts), *_PLAIN)
    rows = [
        (
            code,
            *(with_interval(scores[name]) for name in WITH_INTERVAL),
            *(number(float(csi[k]), 2) for csi in forecasts.values()),
            *(number(scores[name].value, 2) for name in WITHOUT_INTERVAL),
        )
        for k, (code, scores) in enumerate(report.modes.items())
    ]
    interval = f" ({report.level:.0%} intervals of {report.events:,} events)" if report.events else ""
    note = "No interval where fewer than two events tell of a score." if report.events else ""
    return Table(f"By mode{interval}", (header, *rows), note)


def _overall(report: Report) -> Table:
    forecasts = list(report.references)
    header = ("", "model", *forecasts, *(["accepted frames"] if report.accepted else []))
    rows = []
    for score in (*OVERALL, *OF_PROBABILITIES):
        if score.name not in report.overall:
            continue
        row = [score.title, with_interval(report.overall[score.name], 3)]
        row += [number(report.references[forecast].get(score.name, math.nan)) for forecast in forecasts]
        if report.accepted:
            row.append(with_interval(report.accepted.overall.get(score.name, Estimate(math.nan)), 3))
        rows.append(tuple(row))
    accepted = f"{report.accepted.share:.1%} of the frames are accepted. " if report.accepted else ""
    return Table("Overall, beside reference forecasts", (header, *rows), accepted + caveats.PERSISTENCE)


def _events(scores: EventScores, codes: Sequence[str]) -> Table:
    hits, misses, alarms = scores.counts()
    pod, far = scores.probability_of_detection(), scores.false_alarm_ratio()
    header = ("", "observed", "hits", "misses", "false alarms", "POD", "FAR", "pieces", "onset error", "end error")
    rows = []
    for k, code in enumerate(codes):
        found = [hit for hit in scores.hits if hit.observed.mode == k]
        rows.append(
            (
                code,
                *(f"{n:,}" for n in (hits[k] + misses[k], hits[k], misses[k], alarms[k])),
                number(float(pod[k]), 2),
                number(float(far[k]), 2),
                number(float(np.mean([hit.pieces for hit in found])), 1) if found else "-",
                _minutes([hit.onset_error for hit in found]),
                _minutes([hit.end_error for hit in found]),
            )
        )
    note = (
        f"A hit overlaps the observed event, give or take {scores.tolerance.total_seconds() / 60:g} minutes. Errors: "
        "median and middle half, in minutes; + is late."
    )
    return Table("Events", (header, *rows), note)


def _months(report: Report) -> Table:
    header = ("", "frames", "events", "accuracy", "climatology", "HSS", *(f"CSI {code}" for code in report.codes))
    rows = [
        (
            month.name,
            f"{int(month.table.sum()):,}",
            f"{month.events:,}" if report.events else "-",
            number(float(accuracy(month.table))),
            number(float(accuracy(climatology(month.table)))),
            number(float(heidke_skill_score(month.table))),
            *(number(float(value), 2) for value in critical_success_index(month.table)),
        )
        for month in report.months
    ]
    return Table("By month", (header, *rows))


def _calibration(report: Report, calibration: Calibration) -> Table:
    share = report.table.sum(axis=0) / max(report.frames, 1)
    means = [
        (code, f"{p:.3f}", f"{q:.3f}")
        for code, p, q in zip(report.codes, calibration.mean_probability.tolist(), share.tolist(), strict=True)
    ]
    ece, adaptive = calibration.ece, calibration.ece_adaptive
    note = (
        f"Expected calibration error {ece.value:.3f} in bins of equal width, {adaptive.value:.3f} in bins of equal "
        f"count. A perfectly calibrated model would show {ece.bias:.3f} and {adaptive.bias:.3f} on as many "
        "independent frames, and more where frames are of few events. The temperature that fits these frames best is "
        f"{calibration.temperature:.2f} (1: calibrated; above: over-confident). Where mean probability and share "
        "differ, counts of the mode are biased."
    )
    return Table("Calibration", (("", "mean probability", "share of predictions"), *means), note)


def _minutes(errors: list[float]) -> str:
    if not errors:
        return "-"
    low, middle, high = np.percentile(errors, (25, 50, 75))
    return f"{middle:+.0f} ({low:+.0f} to {high:+.0f})"


def _signed(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "-"
    text = f"{estimate.value:+.3f}"
    return f"{text} ({estimate.low:+.3f} to {estimate.high:+.3f})" if estimate.known else text
