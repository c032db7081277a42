"""Figures: drawn for any sample without a warning, and with what a reader must know on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from radar.modes import colors_for
from radar.verification import plots
from radar.verification.plots import FIGURES, MARKERS, confusion, performance, reliability
from radar.verification.report import Report, verify
from radar.verification.report_html import write_figures
from tests.radar.verification.samples import DEGENERATE, SECOND_WINTER, many_events, sample_of

TWELVE = ("SY", "VX", "LT", "DM", "NO", *(f"M{n}" for n in range(7)))


@pytest.fixture(scope="module")
def report() -> Report:
    return verify(sample_of(second_winter=SECOND_WINTER), title="hse20152016, model 7")


@pytest.fixture(scope="module")
def twelve() -> Report:
    return verify(replace(many_events(tuple("ABCDEFGHIJKL"), rounds=3), codes=TWELVE), title="twelve modes")


def texts(figure: Figure) -> list[str]:
    with plots.style():
        figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def points(axes: Axes) -> dict[str, tuple[float, float]]:
    """Marked points by the code they are labelled with."""
    return {
        str(line.get_label()): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axes.lines
        if not str(line.get_label()).startswith("_")
    }


@pytest.mark.parametrize("name", DEGENERATE)
def test_figures_of_any_sample_are_drawn_without_a_warning(name: str, tmp_path: Path) -> None:
    report = verify(DEGENERATE[name], title=name, synthetic=True)
    written = write_figures(report, tmp_path)
    known = {"confusion", "performance"}
    known |= set() if report.calibration is None else {"reliability"}
    known |= {"by_month"} if report.months else set()
    assert {path.stem for path in written} == known
    for path in written:
        picture = cv2.imread(str(path))
        assert min(picture.shape[:2]) > 300
        assert len(np.unique(picture)) > 10


@pytest.mark.parametrize("title", ["cost $\\frac$ x", "冬の降雪", "<b>&amp;</b>", "x" * 300, "_%{}\\n"])
def test_a_title_may_be_anything(title: str, report: Report) -> None:
    shown = texts(confusion(report.table, report.codes, title=title, note=title))
    assert any(title in text for text in shown)
    assert title in shown


def test_every_figure_says_that_frames_are_synthetic_if_they_are(report: Report) -> None:
    for name, draw in FIGURES.items():
        assert any(plots.SYNTHETIC_NOTE in text for text in texts(draw(replace(report, synthetic=True)))), name
        assert not any("ynthetic" in text for text in texts(draw(report))), name
        assert any("hse20152016, model 7" in text for text in texts(draw(report))), name


def test_a_confusion_matrix_shows_counts_and_shares_of_the_observed_mode() -> None:
    figure = confusion(np.array([[1500, 500], [0, 0]]), ("A", "B"), title="t", note="mind")
    (axes,) = figure.axes
    cells = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "1,500\n75%", (0, 1): "500\n25%", (1, 0): "0\n0%", (1, 1): "0\n0%"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A\nn=2,000", "B\nn=0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A\nn=1,500", "B\nn=500"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("observed", "predicted")
    shown = texts(figure)
    assert "2,000 frames, accuracy 0.750; per cent of the observed mode" in shown
    assert "mind" in shown


def test_a_confusion_matrix_of_what_was_predicted_shows_shares_of_columns() -> None:
    figure = confusion(np.array([[30, 10], [10, 0]]), ("A", "B"), title="t", of="predicted")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["30\n75%", "10\n100%", "10\n25%", "0\n0%"]
    assert "50 frames, accuracy 0.600; per cent of the predicted mode" in texts(figure)


def test_the_numbers_of_a_confusion_matrix_can_be_read_on_their_shade() -> None:
    (axes,) = confusion(np.array([[9, 1], [4, 6]]), ("A", "B"), title="t").axes
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    assert colors == {"9\n90%": "white", "1\n10%": "black", "4\n40%": "black", "6\n60%": "white"}


def test_the_performance_diagram_has_success_ratio_to_the_right_and_pod_upwards(report: Report) -> None:
    figure = performance(report)
    axes = figure.axes[0]
    found = points(axes)
    assert found["A"] == pytest.approx((12 / 16, 12 / 15))
    assert found["B"] == pytest.approx((7 / 10, 7 / 12))
    assert found["C"] == pytest.approx((5 / 7, 5 / 6))
    for bars, (code, scores) in zip(
        (c for c in axes.containers if isinstance(c, ErrorbarContainer)), report.modes.items(), strict=True
    ):
        horizontal, vertical = (collection.get_segments()[0] for collection in bars[2])
        far, pod = scores["far"], scores["pod"]
        assert horizontal[:, 0] == pytest.approx([1 - far.high, 1 - far.low]), code
        assert vertical[:, 1] == pytest.approx([pod.low, pod.high]), code
    shown = texts(figure)
    assert any("95% intervals of 9 events" in text for text in shown)
    assert {"A", "B", "C", "bias 0.5", "bias 1", "bias 2"} <= set(shown)


def test_no_mode_lies_below_the_legend_of_the_performance_diagram(twelve: Report) -> None:
    figure = performance(twelve)
    texts(figure)
    (legend,) = figure.legends
    inside = figure.axes[0].get_window_extent()
    assert legend.get_window_extent().x0 > inside.x1


def test_a_mode_without_scores_is_left_out_of_the_performance_diagram() -> None:
    figure = performance(verify(DEGENERATE["never predicted"], title="t"))
    assert set(points(figure.axes[0])) == {"A", "B"}
    assert not performance(verify(DEGENERATE["one frame, wrong"], title="t")).legends


def test_a_reliability_diagram_shows_the_curve_of_each_mode_above_its_frames(report: Report) -> None:
    figure = reliability(report)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["A", "B", "C", "", "", ""]
    for k, curve in enumerate(report.calibration.curves):
        line = next(line for line in figure.axes[k].lines if line.get_marker() == "o")
        assert np.array_equal(line.get_xdata(), curve.forecast)
        assert np.array_equal(line.get_ydata(), curve.observed)
        (stairs,) = figure.axes[3 + k].patches
        assert np.array_equal(stairs.get_data().values, curve.histogram)
    shown = texts(figure)
    assert any(text.startswith("Line: perfect. Dotted: climatology. Dashed: no skill.") for text in shown)
    assert not any("$" in text for text in shown), "numbers, not the source of a formula"


def test_months_are_drawn_with_their_scores_frames_and_events(report: Report) -> None:
    figure = FIGURES["by_month"](report)
    by_label = {axes.get_ylabel(): axes for axes in figure.axes}
    assert set(by_label) == {"POD", "FAR", "CSI", "bias", "observed frames", "events"}
    lines = {line.get_label(): line.get_ydata() for line in by_label["POD"].lines}
    for k, code in enumerate(report.codes):
        for month, pod in zip(report.months, lines[code], strict=True):
            observed = month.table[k].sum()
            assert pod == pytest.approx(month.table[k, k] / observed if observed else np.nan, nan_ok=True)
    (events,) = (c for c in by_label["events"].containers if isinstance(c, BarContainer))
    assert [bar.get_height() for bar in events] == [5, 1, 3]
    stacked = [[bar.get_height() for bar in bars] for bars in by_label["observed frames"].containers]
    assert stacked == [[month.table[k].sum() for month in report.months] for k in range(3)]
    assert [label.get_text() for label in by_label["events"].get_xticklabels()] == ["2015-11", "2015-12", "2016-12"]


def test_twelve_modes_can_be_told_apart(twelve: Report) -> None:
    colors = colors_for(TWELVE)
    figure = performance(twelve)
    lines = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in lines] == list(TWELVE)
    looks = {(line.get_marker(), to_hex(line.get_color()).upper()) for line in lines}
    assert len(looks) == 12
    assert [to_hex(line.get_color()).upper() for line in lines] == [color.upper() for color in colors.values()]
    assert len(set(colors.values())) == 11, "as many as there are: five of their own, six further ones"
    lines = [line for line in FIGURES["by_month"](twelve).axes[0].lines if line.get_label() in TWELVE]
    assert len({(line.get_marker(), line.get_color()) for line in lines}) == 12
    assert len(set(MARKERS)) == len(MARKERS)


def test_figures_of_twelve_modes_are_drawn_without_a_warning(twelve: Report, tmp_path: Path) -> None:
    assert len(write_figures(twelve, tmp_path)) == 4


def test_the_same_report_gives_the_same_figures(report: Report, tmp_path: Path) -> None:
    files = write_figures(report, tmp_path)
    once = [path.read_bytes() for path in files]
    write_figures(verify(sample_of(second_winter=SECOND_WINTER), title=report.title), tmp_path)
    assert once == [path.read_bytes() for path in files]
