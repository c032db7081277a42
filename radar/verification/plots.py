"""Plots of a report that people in the field expect; needs matplotlib, which `pip install 'snowmode[report]'` brings.

Colours are apart for colour-blind readers; in grey print the markers tell the modes. Nothing is told by colour alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from radar.modes import colors_for
from radar.verification.modes import (
    critical_success_index,
    false_alarm_ratio,
    frequency_bias,
    probability_of_detection,
)
from radar.verification.report import Report

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "h")
CREDIT = {"color": "0.4", "fontsize": 7.5}
SYNTHETIC_NOTE = "Synthetic frames: no statement about real snow."
_GREY = "0.45"


@contextmanager
def style() -> Iterator[None]:
    """Sets what all figures share, as a context."""
    settings: dict[str, Any] = {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 150,
        "svg.fonttype": "none",  # text stays text: searchable, and in the reader's font
        "svg.hashsalt": "snowmode",  # the same figure, the same file
        "text.parse_math": False,  # a file may be called a$b$.csv
        "axes.axisbelow": True,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]  # keys: a literal of some 300
        # A title may be Japanese: a page shows it in the reader's font, and a box in a PNG is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def confusion(
    counts: NDArray[np.integer], codes: tuple[str, ...], *, title: str, note: str = "", of: str = "observed"
) -> Figure:
    """Draws a contingency table: counts, and shares of each row or column as shades.

    Args:
        counts: Rows observed, columns predicted, shape (K, K).
        codes: Codes of the modes.
        title: Which frames were scored.
        note: For the foot of the figure.
        of: ``observed``: shares of each row, on the diagonal the POD; ``predicted``: of each column, the success
            ratio.
    """
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    whole = rows if of == "observed" else columns
    shares = np.divide(counts, whole, out=np.zeros(counts.shape), where=whole > 0)
    with style():
        figure = Figure(figsize=(5.2, 4.8), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.ndindex(*counts.shape):
            color = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, f"{counts[i, j]:,}\n{shares[i, j]:.0%}", ha="center", va="center", color=color)
        axes.set_xticks(range(len(counts)), [f"{c}\nn={n:,}" for c, n in zip(codes, columns[0], strict=True)])
        axes.set_yticks(range(len(counts)), [f"{c}\nn={n:,}" for c, n in zip(codes, rows[:, 0], strict=True)])
        axes.set(xlabel="predicted", ylabel="observed")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        frames = int(counts.sum())
        accuracy = np.trace(counts) / max(frames, 1)
        _title(figure, "Confusion matrix", title, note)
        axes.set_title(
            f"{frames:,} frames, accuracy {accuracy:.3f}; per cent of the {of} mode", loc="left", fontsize=8.5
        )
    return figure


def performance(report: Report) -> Figure:
    """Draws the performance diagram: POD against success ratio, with CSI and bias. The perfect mode is top right.

    Source: Roebber (2009), Visualizing multiple measures of forecast quality, Wea. Forecasting 24, 601-608.
    """
    with style():
        figure = Figure(figsize=(6.1, 5.2), layout="constrained")
        axes = figure.subplots()
        side = np.linspace(0.005, 1, 300)
        ratio, pod = np.meshgrid(side, side)
        csi = 1 / (1 / ratio + 1 / pod - 1)
        levels = np.arange(0.1, 0.95, 0.1)
        axes.contour(ratio, pod, csi, levels=levels, colors="0.8", linewidths=0.7)
        for level in levels:
            axes.text(
                0.985,
                1 / (1 / level + 1 - 1 / 0.985),
                f"{level:.1f}",
                fontsize=6.5,
                color=_GREY,
                ha="right",
                va="bottom",
            )
        for bias in (0.25, 0.5, 1, 2, 4):
            axes.plot([0, min(1, 1 / bias)], [0, min(1, bias)], color="0.75", lw=0.7, ls=(0, (4, 3)))
            at = (1.005, bias) if bias < 1 else (1 / bias, 1.008)
            where = {"ha": "left", "va": "center"} if bias < 1 else {"ha": "center", "va": "bottom"}
            axes.text(*at, f"bias {bias:g}", fontsize=6.5, color=_GREY, **where)  # type: ignore[arg-type]
        for (code, scores), color, marker in zip(
            report.modes.items(), colors_for(report.codes).values(), MARKERS * 9, strict=False
        ):
            x, y = 1 - scores["far"].value, scores["pod"].value
            if not np.isfinite((x, y)).all():
                continue
            bars = _bars(scores["far"], flipped=True), _bars(scores["pod"])
            axes.errorbar(x, y, xerr=bars[0], yerr=bars[1], color=color, lw=1, capsize=2, zorder=3)
            axes.plot(x, y, marker, color=color, ms=8, mec="black", mew=0.6, zorder=4, label=code)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        handles, labels = axes.get_legend_handles_labels()
        if handles:  # outside: every place inside may be that of a mode
            figure.legend(handles, labels, loc="outside right upper", frameon=False)
        axes.set(xlabel="success ratio = 1 - FAR (precision)", ylabel="POD (recall)")
        bars_text = f"Bars: {report.level:.0%} intervals of {report.events:,} events. " if report.events else ""
        _title(figure, "Performance diagram", report.title, f"{bars_text}Curves: CSI. {_synthetic(report)}")
    return figure


def reliability(report: Report) -> Figure | None:
    """Draws the reliability diagram of each mode, with its frames below; None without probabilities.

    Below the no-skill line, half-way between perfect and climatology, a bin makes the Brier score worse.
    Source: Wilks (2019), section 9.4.4.
    """
    if report.calibration is None:
        return None
    number = len(report.codes)
    with style():
        figure = Figure(figsize=(2.15 * number + 0.5, 3.5), layout="constrained")
        grid = figure.subplots(2, number, sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1))
        pairs = zip(report.codes, report.calibration.curves, report.calibration.bars, strict=True)
        for (above, below), (code, curve, bars), color in zip(
            grid.T, pairs, colors_for(report.codes).values(), strict=True
        ):
            above.plot([0, 1], [0, 1], color=_GREY, lw=0.8)
            above.axhline(curve.climatology, color="0.7", lw=0.8, ls=":")
            above.plot([0, 1], [curve.climatology / 2, (1 + curve.climatology) / 2], color="0.7", lw=0.8, ls="--")
            low, high = (np.maximum(0, side) for side in (curve.observed - bars[0], bars[1] - curve.observed))
            if np.isfinite(low).any():
                above.errorbar(
                    curve.forecast, curve.observed, (low, high), color=color, lw=0.8, capsize=1.5, fmt="none"
                )
            above.plot(curve.forecast, curve.observed, "o-", color=color, ms=4, lw=1.2, mec="black", mew=0.4)
            above.set(title=code, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1))
            below.stairs(curve.histogram, np.linspace(0, 1, len(curve.histogram) + 1), fill=True, color=color)
            below.set_yscale("log")
            below.yaxis.set_major_formatter("{x:,.0f}")  # the usual one writes mathematics, as does the minor one
            below.yaxis.set_minor_formatter(NullFormatter())
            below.set_ylim(bottom=0.7)
            below.set_xlabel("probability")
        grid[0, 0].set_ylabel("share observed")
        grid[1, 0].set_ylabel("frames")
        note = (
            f"Line: perfect. Dotted: climatology. Dashed: no skill. Points: bins of equal count. {_synthetic(report)}"
        )
        _title(figure, "Reliability", report.title, note)
    return figure


def by_month(report: Report) -> Figure | None:
    """Draws POD, FAR, CSI and bias of each mode by month, with frames and events; None without times."""
    if not report.months:
        return None
    names = [month.name for month in report.months]
    tables = np.stack([month.table for month in report.months])
    panels: tuple[tuple[str, Callable[..., NDArray[np.float64]]], ...] = (
        ("POD", probability_of_detection),
        ("FAR", false_alarm_ratio),
        ("CSI", critical_success_index),
        ("bias", frequency_bias),
    )
    with style():
        figure = Figure(figsize=(max(7.0, 0.55 * len(names) + 3), 5.6), layout="constrained")
        grid = figure.subplots(3, 2, sharex=True, height_ratios=(3, 3, 2))
        for axes, (name, function) in zip(grid[:2].flat, panels, strict=True):
            _lines(axes, function(tables), colors_for(report.codes))
            axes.set_ylabel(name)
            if name != "bias":
                axes.set_ylim(-0.03, 1.03)
            else:
                axes.axhline(1, color="0.7", lw=0.8, ls=":")
                axes.set_ylim(bottom=0)
        observed = tables.sum(axis=2)
        counts, events = grid[2]
        below = np.zeros(len(names))
        for color, values in zip(colors_for(report.codes).values(), observed.T, strict=True):
            counts.bar(range(len(names)), values, 0.7, bottom=below, color=color, edgecolor="white", lw=0.3)
            below += values
        counts.set_ylabel("observed frames")
        events.bar(range(len(names)), [month.events for month in report.months], 0.7, color="0.6")
        events.set_ylabel("events")
        for axes in grid[2]:
            axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
        _title(figure, "By month", report.title, f"Months of few events say little. {_synthetic(report)}")
    return figure


FIGURES: Mapping[str, Callable[[Report], Figure | None]] = {
    "confusion": lambda report: confusion(report.table, report.codes, title=report.title, note=_synthetic(report)),
    "performance": performance,
    "reliability": reliability,
    "by_month": by_month,
}
"""Every figure of a report by name."""


def _lines(axes: Axes, values: NDArray[np.float64], colors: Mapping[str, str]) -> None:
    for (code, color), column, marker in zip(colors.items(), values.T, MARKERS * 9, strict=False):
        axes.plot(column, marker=marker, color=color, lw=1.1, ms=5, mec="black", mew=0.4, label=code)


def _bars(estimate: Any, *, flipped: bool = False) -> list[list[float]] | None:
    if not estimate.known:
        return None
    sides = [[max(0.0, estimate.value - estimate.low)], [max(0.0, estimate.high - estimate.value)]]
    return sides[::-1] if flipped else sides


def _title(figure: Figure, name: str, title: str, note: str) -> None:
    figure.suptitle(f"{name}\n{title}", x=0.01, ha="left", fontweight="bold", fontsize=10)
    if note:
        figure.supxlabel(note, x=0.01, ha="left", **CREDIT)


def _synthetic(report: Report) -> str:
    return SYNTHETIC_NOTE if report.synthetic else ""
