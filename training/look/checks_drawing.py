"""Figures of the checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from radar.verification.plots import CREDIT, MARKERS, SYNTHETIC_NOTE, style
from training.data.labelled import LabelledFrames
from training.look.deletion import INTENSITY, RANDOM, Curves
from training.look.explainer import GUIDED, GUIDED_WARNING
from training.look.other_mode import ALIKE, Likeness
from training.look.pointing import widened
from training.look.randomisation import Cascade
from training.look.statistics import mean_by_event
from training.look.verdict import TITLES, UNMOVED, wilson

if TYPE_CHECKING:
    from training.look.checks import Pointed

COLORS = {
    "gradcam": "#D55E00",
    "hirescam": "#E69F00",
    "gradient": "#0072B2",
    "guided": "#CC79A7",
    "guided_gradcam": "#882255",
    "integrated": "#009E73",
    "gradcam_probability": "#777777",
}
"""Of Okabe and Ito, and a wine red."""

_MARKS = dict(zip(COLORS, MARKERS, strict=False))
_SHOWN_SCENES = 6


def curves(found: Mapping[str, Mapping[str, Curves]], frames: int, *, synthetic: bool) -> Figure:
    """Draws mean deletion and insertion curves: a row a baseline."""
    with style():
        figure = Figure(figsize=(9.6, 3.3 * len(found) + 0.6), layout="constrained")
        grid = figure.subplots(len(found), 2, squeeze=False, sharex=True, sharey=True)
        for row, (baseline, of) in zip(grid, found.items(), strict=True):
            for side, axes in enumerate(row):
                for name, one in of.items():
                    values = (one.deletion, one.insertion)[side].mean(axis=0)
                    area = one.areas[side].mean()
                    if name in (RANDOM, INTENSITY):
                        line = {"color": "0.5" if name == RANDOM else "black", "ls": "--" if name == RANDOM else ":"}
                        axes.plot(one.shares, values, lw=1.6, label=f"{name} {area:.2f}", **line)
                    else:
                        axes.plot(
                            one.shares,
                            values,
                            color=COLORS[name],
                            marker=_MARKS[name],
                            ms=3.5,
                            lw=1.2,
                            label=f"{TITLES[name]} {area:.2f}",
                        )
                axes.legend(fontsize=6.5, frameon=False, loc="best", title="area")
                axes.get_legend().get_title().set_fontsize(6.5)
                axes.set_title(f"{('deletion', 'insertion')[side]}, baseline: {baseline}", loc="left", fontsize=9)
            row[0].set_ylabel("probability")
        for axes in grid[-1]:
            axes.set_xlabel("share of the pixels, the most relevant first")
        grid[0, 0].set(xlim=(0, 1), ylim=(0, 1.02))
        _title(figure, f"What happens when pixels go and come, {frames} frames", "", synthetic)
    return figure


def cascade(found: Cascade, frames: LabelledFrames, *, seed: int, synthetic: bool) -> Figure:
    """Draws how maps change while weights become random: curves, and the maps of one frame."""
    events = frames.events().tolist()
    steps = len(found.steps)
    methods = list(found.correlation)
    with style():
        figure = Figure(figsize=(11.6, max(4.2, 0.86 * len(methods) + 1.5)), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.35))[0]
        axes = left.subplots()
        for n, (name, values) in enumerate(found.correlation.items()):
            each = [mean_by_event(row, events, seed=seed) for row in values]
            means = np.array([one.mean for one in each])
            low, high = (np.array([getattr(one, end) for one in each]) for end in ("low", "high"))
            at = np.arange(steps) + 0.05 * (n - len(methods) / 2)
            axes.errorbar(
                at,
                means,
                (np.maximum(0, means - low), np.maximum(0, high - means)),
                color=COLORS[name],
                marker=_MARKS[name],
                ms=4,
                lw=1.2,
                elinewidth=0.6,
                label=TITLES[name],
                ls="--" if name in GUIDED else "-",
            )
        axes.axhline(0, color="0.7", lw=0.8)
        axes.plot([found.halfway - 0.3, found.halfway + 0.3], [UNMOVED] * 2, color="black", lw=1.4)
        axes.text(found.halfway + 0.35, UNMOVED, "limit of the verdict", fontsize=6.5, va="center")
        axes.set_xticks(range(steps), [_step(names) for names in found.steps], rotation=35, ha="right", fontsize=6.5)
        axes.set(ylabel="rank correlation with the trained map", ylim=(-0.5, 1.05))
        axes.legend(fontsize=6.5, frameon=False, ncols=2, loc="lower left")
        grid = right.subplots(len(methods), steps + 1, squeeze=False)
        for row, name in zip(grid, methods, strict=True):
            row[0].imshow(frames.images[found.example])
            row[0].set_ylabel(TITLES[name].replace(" ", "\n", 1), fontsize=6.5)
            for cell, field in zip(row[1:], found.examples[name], strict=True):
                peak = float(np.abs(field).max())
                signed = name == "integrated"
                cell.imshow(
                    field / peak if peak > 0 else field,
                    cmap="PuOr_r" if signed else "magma_r",
                    vmin=-1 if signed else 0,
                    vmax=1,
                )
        for n, cell in enumerate(grid[0, 1:]):
            cell.set_title("trained" if n == 0 else f"step {n}", fontsize=6.5)
        grid[0, 0].set_title("frame", fontsize=6.5)
        for cell in grid.flat:
            cell.set(xticks=[], yticks=[])
            for spine in cell.spines.values():
                spine.set(visible=True, color="0.8")
        note = GUIDED_WARNING if set(GUIDED) & set(methods) else ""
        _title(figure, "Random weights, from the logits down", note, synthetic)
    return figure


def likeness(found: Mapping[str, Likeness], *, synthetic: bool) -> Figure:
    """Draws how alike the maps of two modes are: a strip a method."""
    with style():
        figure = Figure(figsize=(8.2, 0.42 * len(found) + 1.5), layout="constrained")
        axes = figure.subplots()
        rng = np.random.default_rng(0)  # of the jitter alone
        for n, (name, one) in enumerate(found.items()):
            place = len(found) - 1 - n
            known = one.correlation[~np.isnan(one.correlation)]
            axes.scatter(
                known, place + rng.uniform(-0.22, 0.22, len(known)), s=8, color=COLORS[name], alpha=0.6, lw=0
            )
            if len(known):
                axes.plot([np.median(known)] * 2, [place - 0.32, place + 0.32], color="black", lw=1.6)
            share = "-" if np.isnan(one.alike) else f"{one.alike:.0%}"
            axes.text(1.09, place, f"{share} alike", va="center", fontsize=7.5)
        for edge in (-1, 1):
            axes.axvspan(edge * ALIKE, edge * 1.02, color="#D55E00", alpha=0.25, lw=0)
        axes.axvline(0, color="0.8", lw=0.8)
        axes.set_yticks(range(len(found)), [TITLES[name] for name in found][::-1])
        axes.set(xlim=(-1.05, 1.05), xlabel="correlation of the maps of the two most probable modes")
        _title(figure, "Is there a map for each mode?", "Line: median. Shaded: one map for two modes.", synthetic)
    return figure


def pointing(pointed: Pointed, *, synthetic: bool) -> Figure:
    """Draws the share of hits, and some pairs with maps and peaks."""
    methods = list(pointed.relevance)
    count = len(pointed.scenes.images)
    shown = min(_SHOWN_SCENES, count)
    with style():
        figure = Figure(figsize=(10.6, max(3.4, 1.06 * shown + 1.0)), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.9))[0]
        axes = left.subplots()
        shares = [float(pointed.hits[name].hits.mean()) for name in methods]
        ends = np.array([wilson(share, count) for share in shares])
        bars = np.abs(np.array(shares)[:, np.newaxis] - ends).T
        places = np.arange(len(methods))[::-1]
        axes.barh(places, shares, color=[COLORS[name] for name in methods], height=0.65, xerr=bars, ecolor="0.3")
        axes.axvline(pointed.chance, color="black", ls="--", lw=1)
        axes.text(pointed.chance, len(methods) - 0.45, " by chance", fontsize=6.5, va="bottom")
        axes.set_yticks(places, [TITLES[name] for name in methods], fontsize=7.5)
        axes.set(xlim=(0, 1), xlabel=f"share of hits, {count} pairs")
        grid = right.subplots(shown, len(methods) + 2, squeeze=False)
        counts = widened(pointed.scenes.places, pointed.tolerance)
        for n, row in enumerate(grid):
            place = pointed.scenes.places[n]
            row[0].imshow(pointed.scenes.without[n])
            row[1].imshow(pointed.scenes.images[n])
            for cell, name in zip(row[2:], methods, strict=True):
                field = np.maximum(pointed.relevance[name][n], 0)
                cell.imshow(field, cmap=mpl.colormaps["magma_r"])
                cell.contour(place, [0.5], colors="#009E73", linewidths=0.9)
                cell.contour(counts[n], [0.5], colors="#009E73", linewidths=0.4, linestyles=":")
                if np.ptp(field) > 0:
                    y, x = np.unravel_index(int(field.argmax()), field.shape)
                    hit = bool(pointed.hits[name].hits[n])
                    cell.plot(x, y, "x", color="white", ms=6, mew=2.6)
                    cell.plot(x, y, "x", color="#0072B2" if hit else "#D55E00", ms=5.5, mew=1.4)
        for cell, name in zip(grid[0], ["without", "with band", *(TITLES[name] for name in methods)], strict=True):
            cell.set_title(name.replace(" ", "\n", 1), fontsize=6.5)
        for cell in grid.flat:
            cell.set(xticks=[], yticks=[])
            for spine in cell.spines.values():
                spine.set(visible=True, color="0.8")
        note = "Each map on its own scale, below 0 cut off. Cross: peak, blue for a hit, orange for a miss."
        _title(figure, "Does it find the band that changed the answer?", note, synthetic)
    return figure


def _step(names: tuple[str, ...]) -> str:
    if not names:
        return "trained"
    return names[0] if len(names) == 1 else f"down to {names[-1]}"


def _title(figure: Figure, title: str, note: str, synthetic: bool) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10)
    text = f"{note} {SYNTHETIC_NOTE}" if synthetic else note
    if text.strip():
        figure.supxlabel(text.strip(), x=0.01, ha="left", wrap=True, **CREDIT)
