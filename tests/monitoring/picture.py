"""Draws dashboards as they would look, for people without a Grafana at hand.

Close enough to see what is missing, crowded or of the wrong unit; not how Grafana draws it.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from tests.monitoring.files import DASHBOARDS

if TYPE_CHECKING:
    from tests.monitoring.live import Prometheus

COLORS = {"green": "#3a9b46", "orange": "#e8891c", "red": "#d63b3b", "blue": "#3b78c4"}


def draw(prometheus: Prometheus, seconds: float, out: Path) -> list[Path]:
    """Draws every dashboard over the last while.

    Returns:
        The pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for dashboard in DASHBOARDS:
        board = json.loads(dashboard.read_text())
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
        figure = plt.figure(figsize=(20, 0.42 * rows), dpi=70)
        figure.suptitle(board["title"], x=0.01, y=1 - 0.1 / rows, ha="left", weight="bold")
        for panel in board["panels"]:
            _draw(figure, panel, rows, prometheus, seconds)
        picture = out / f"{dashboard.stem}.png"
        figure.savefig(picture)
        plt.close(figure)
        pictures.append(picture)
    return pictures


def _draw(figure: Figure, panel: dict[str, Any], rows: int, prometheus: Prometheus, seconds: float) -> None:
    at = panel["gridPos"]
    x, width = at["x"] / 24, at["w"] / 24
    top, height = 1 - (at["y"] + 1) / (rows + 1), at["h"] / (rows + 1)
    if panel["type"] == "row":
        figure.text(x + 0.005, top - 0.8 * height, panel["title"], weight="bold", color="#555")
        return
    axes = figure.add_axes((x + 0.035 * width + 0.01, top - 0.80 * height, 0.88 * width - 0.012, 0.64 * height))
    axes.set_title(panel["title"], loc="left", fontsize=9, weight="bold")
    axes.tick_params(labelsize=7)
    {"stat": _stat, "bargauge": _bars, "heatmap": _heat, "state-timeline": _states}.get(panel["type"], _lines)(
        axes, panel, prometheus, seconds
    )


def _expression(target: dict[str, Any]) -> str:
    return str(target["expr"]).replace("$__rate_interval", "20s").replace("[1h]", "[2m]")


def _legend(target: dict[str, Any], labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), target["legendFormat"])


def _color(panel: dict[str, Any], name: str) -> str | None:
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            return str(override["properties"][0]["value"]["fixedColor"])
    return None


def _text(value: float, unit: str) -> str:
    """Writes a value with its unit, roughly as Grafana does."""
    if math.isnan(value):
        return "no data"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "bytes":
        power = min(int(math.log(max(value, 1), 1024)), 4)
        return f"{value / 1024**power:.3g} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"
    if unit in ("s", "µs", "d"):
        second = value * {"s": 1, "µs": 1e-6, "d": 86400}[unit]
        for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(second) >= size:
                return f"{second / size:.3g} {name}"
        return "0 s"
    return f"{value:.3g}" + (f" {unit}" if unit not in ("short", "none") else "")


def _series(
    panel: dict[str, Any], prometheus: Prometheus, seconds: float
) -> list[tuple[str, list[Any], list[float]]]:
    found = []
    for target in panel["targets"]:
        for one in prometheus.query_range(_expression(target), seconds, max(seconds / 200, 2)):
            times = [datetime.fromtimestamp(moment, UTC) for moment, _ in one["values"]]
            found.append((_legend(target, one["metric"]), times, [float(value) for _, value in one["values"]]))
    return found


def _stat(axes: Any, panel: dict[str, Any], prometheus: Prometheus, _: float) -> None:
    values = prometheus.query(_expression(panel["targets"][0]))
    value = float(values[0]["value"][1]) if values else math.nan
    color = "#999999"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if not math.isnan(value) and (step["value"] is None or value >= step["value"]):
            color = COLORS.get(step["color"], step["color"])
    axes.set_facecolor(color)
    axes.set_xticks([])
    axes.set_yticks([])
    text = _text(value, panel["fieldConfig"]["defaults"]["unit"])
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=18, color="white", transform=axes.transAxes)


def _bars(axes: Any, panel: dict[str, Any], prometheus: Prometheus, _: float) -> None:
    target = panel["targets"][0]
    found = [
        (_legend(target, one["metric"]), float(one["value"][1])) for one in prometheus.query(_expression(target))
    ]
    found.sort(reverse=True)
    names = [name for name, _ in found]
    axes.barh(names, [value for _, value in found], color=[_color(panel, name) or "#3b78c4" for name in names])
    axes.set_xlim(0, 1)


def _heat(axes: Any, panel: dict[str, Any], prometheus: Prometheus, seconds: float) -> None:
    series = prometheus.query_range(_expression(panel["targets"][0]), seconds, max(seconds / 100, 2))
    series = sorted(
        (one for one in series if one["metric"]["le"] != "+Inf"), key=lambda one: float(one["metric"]["le"])
    )
    columns = sorted({moment for one in series for moment, _ in one["values"]})
    table = [[0.0] * len(columns) for _ in series]
    for row, one in enumerate(series):
        for moment, value in one["values"]:
            table[row][columns.index(moment)] = float(value)
    within = [[a - b for a, b in zip(row, below, strict=True)] for row, below in zip(table[1:], table, strict=False)]
    axes.imshow(within, aspect="auto", origin="lower", cmap="Blues")
    ticks = range(0, len(within), 5)
    axes.set_yticks(ticks, [_text(float(series[n + 1]["metric"]["le"]), "µs") for n in ticks])
    axes.set_xticks([])


def _states(axes: Any, panel: dict[str, Any], prometheus: Prometheus, seconds: float) -> None:
    found = _series(panel, prometheus, seconds)
    for row, (_, times, values) in enumerate(found):
        colors = [COLORS["green"] if value >= 1 else COLORS["red"] for value in values]
        axes.scatter(times, [row] * len(times), c=colors, marker="s", s=30)
    axes.set_yticks(range(len(found)), [name for name, _, _ in found])
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))


def _lines(axes: Any, panel: dict[str, Any], prometheus: Prometheus, seconds: float) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    found = _series(panel, prometheus, seconds)
    if defaults["custom"]["stacking"]["mode"] != "none" and found:
        times = sorted({moment for _, moments, _ in found for moment in moments})
        table = [
            [dict(zip(moments, values, strict=True)).get(moment, 0) for moment in times]
            for _, moments, values in found
        ]
        if defaults["custom"]["stacking"]["mode"] == "percent":
            sums = [sum(column) or 1 for column in zip(*table, strict=True)]
            table = [[100 * value / total for value, total in zip(row, sums, strict=True)] for row in table]
        colors = [_color(panel, name) or f"C{n}" for n, (name, _, _) in enumerate(found)]
        axes.stackplot(times, table, labels=[name for name, _, _ in found], colors=colors)
    else:
        for name, times, values in found:
            last = _text(values[-1], defaults["unit"])
            axes.plot(times, values, linewidth=1, label=f"{name}  {last}", color=_color(panel, name))
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is not None and defaults["custom"]["thresholdsStyle"]["mode"] != "off":
            axes.axhline(step["value"], color=COLORS["red"], linestyle="--", linewidth=0.8)
    if "min" in defaults:
        axes.set_ylim(bottom=0)
    if "max" in defaults:
        axes.set_ylim(top=defaults["max"] * 1.05)
    axes.yaxis.set_major_formatter(lambda value, _: _text(value, defaults["unit"]))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))
    if found:
        axes.legend(fontsize=6, loc="upper left", framealpha=0.6, ncols=2)
    else:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes)
