"""Methods: where in each frame the evidence for its mode lies, by six methods side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.heat_map_pictures import overlay
from radar.lettering import BLACK, GREY, Canvas, blank, ink, rgb, width_of, write
from radar.verification.plots import SYNTHETIC_NOTE
from radar.verification.report_tables import Table
from training.data.labelled import LabelledFrames
from training.look.drawing import shade
from training.look.explainer import GUIDED, GUIDED_WARNING, Explainer, Integrated, enlarge, strongest
from training.look.files import save_numbers, save_picture
from training.look.part import Part, Picture
from training.look.subject import Subject

PANELS_A_MODE = 2
"""Panels of each mode on the page; all others lie beside it."""

_TILE, _GAP, _EDGE, _TOP, _FOOT = 176, 8, 12, 62, 62

NAMES = {
    "gradcam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "gradient": "gradient",
    "integrated": "integrated gradients",
    "guided": "guided backpropagation",
    "guided_gradcam": "Guided Grad-CAM",
}
"""In the order of the panel; those that are no evidence last."""

Floats = NDArray[np.float32]


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,  # nothing is drawn here
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Writes a panel for each frame; see `training.look.techniques.run`."""
    explainer = Explainer(subject.network, subject.rule.no_echo)
    probabilities = subject.probabilities(frames.images)
    predicted = probabilities.argmax(axis=1)
    refused = {method: reason for method in NAMES if (reason := explainer.undefined(method))}
    maps, integrated = relevances(explainer, frames.images, predicted, refused, tick=tick)
    pictures = []
    shown = _of_each_mode(predicted, probabilities.max(axis=1))
    for n, label in enumerate(frames.labels):
        file = f"{n:04d}_{label.path.stem}.png"
        panel = draw_panel(
            subject, frames, n, probabilities[n], {name: found[n] for name, found in maps.items()}, refused
        )
        save_picture(panel, out / file)
        k = int(predicted[n])
        caption = f"{label.season}, {label.path.name}: called {subject.codes[k]} ({probabilities[n, k]:.2f})"
        if subject.codes[k] != label.mode:
            caption += f", labelled {label.mode}"
        pictures.append(Picture(file, caption, alt=f"evidence in {label.path.name}", shown=n in shown))
    save_numbers(
        out / "methods.npz",
        files=[str(label.path) for label in frames.labels],
        modes=subject.codes,
        predicted=predicted,
        probabilities=probabilities,
        integrated_difference=integrated.difference,
        integrated_gap=integrated.gap,
        integrated_steps=integrated.steps,
        **{name: found.astype(np.float32) for name, found in maps.items()},
    )
    return Part(
        "methods",
        "Where the evidence lies",
        _finding(maps, integrated, explains=subject.network.explains),
        paragraphs=(
            "Each panel is one frame and the mode it was called. Heat maps (Grad-CAM, HiResCAM) are of the last "
            "activations, enlarged; with a head that averages over the frame the two are equal. Gradients are of the "
            "pixels: which of them would change the logit. Integrated gradients add the gradient up on the way from "
            "a frame without echo: red speaks for the mode, blue against it, and the sum is the difference of the "
            "two logits.",
            "Every tile has a scale of its own; how much evidence there is at all is told by the numbers below it.",
        ),
        warnings=(
            GUIDED_WARNING,
            *(f"{NAMES[method]}: not defined for this network: {reason}" for method, reason in refused.items()),
        ),
        pictures=tuple(pictures),
        tables=(_table(subject, maps, integrated, predicted),),
        numbers="methods.npz",
    )


def relevances(
    explainer: Explainer,
    images: NDArray[np.uint8],
    classes: NDArray[np.integer],
    refused: dict[str, str],
    *,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> tuple[dict[str, Floats], Integrated]:
    """Computes the maps of every method that is defined, of the mode of each frame.

    Args:
        explainer: Of the network.
        images: Shape (N, H, W, 3).
        classes: Shape (N,).
        refused: Methods to leave out.
        tick: Called with frames done and their number.

    Returns:
        By method, heat maps as they are, shape (N, h, w), the others by pixel, shape (N, H, W); and the integrated
        gradients in full.
    """
    rows = np.arange(len(images))
    found: dict[str, Floats] = {}
    if "gradcam" not in refused:
        cams = explainer.cams(images)
        found["gradcam"], found["hirescam"] = cams.gradcam[rows, classes], cams.hirescam[rows, classes]
    found["gradient"] = strongest(explainer.gradient(images, classes))
    integrated = explainer.integrated(images, classes, tick=tick)
    found["integrated"] = integrated.attributions.sum(axis=-1)
    if "guided" not in refused:
        found["guided"] = strongest(explainer.guided(images, classes))
        if "guided_gradcam" not in refused:
            found["guided_gradcam"] = found["guided"] * enlarge(found["gradcam"], images.shape[1:3])
    return found, integrated


def draw_panel(
    subject: Subject,
    frames: LabelledFrames,
    n: int,
    probabilities: NDArray[np.floating],
    maps: dict[str, Floats],
    refused: dict[str, str],
) -> Canvas:
    """Draws one frame and what each method says of it.

    Args:
        subject: The network.
        frames: All frames.
        n: Which of them.
        probabilities: Of it, shape (K,).
        maps: Of it, by method.
        refused: Why a method has none.

    Returns:
        uint8 RGB.
    """
    columns = 1 + len(NAMES)
    canvas = blank(_TOP + _TILE + _FOOT, 2 * _EDGE + columns * (_TILE + _GAP) - _GAP)
    label, mode = frames.labels[n], subject.modes[int(probabilities.argmax())]
    heading = f"{label.season}  {label.path.name}"
    write(canvas, heading, _EDGE, 20, height=11, bold=True)
    said = f"called {mode.code}, p = {probabilities.max():.2f}"
    write(
        canvas,
        said,
        _EDGE + width_of(heading, height=11, bold=True) + 24,
        20,
        height=11,
        color=ink(mode.color),
        bold=True,
    )
    if label.mode != mode.code:
        at = _EDGE + width_of(heading, height=11, bold=True) + 48 + width_of(said, height=11, bold=True)
        write(canvas, f"labelled {label.mode}", at, 20, height=11, color=rgb("#B03A00"), bold=True)
    picture = cv2.resize(frames.images[n], (_TILE, _TILE), interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    _put(canvas, 0, picture, "frame", f"{label.time_utc[:16].replace('T', ' ')} UTC" if label.time_utc else "")
    for column, (name, title) in enumerate(NAMES.items(), start=1):
        if name in maps:
            tile, numbers = _tile(name, maps[name], grey)
            _put(canvas, column, tile, title, numbers, struck=name in GUIDED)
        else:
            tile = np.full((_TILE, _TILE, 3), 243, np.uint8)
            _wrapped(tile, f"not defined: {refused.get(name, '')}")
            _put(canvas, column, tile, title, "", struck=name in GUIDED)
    foot = canvas.shape[0]
    warning = "Guided methods draw edges of the frame, whatever was learned (Adebayo et al. 2018): no evidence."
    if any(name in maps for name in GUIDED):
        write(canvas, warning, canvas.shape[1] - _EDGE, foot - 10, color=rgb("#B03A00"), align="right", bold=True)
    if subject.synthetic:
        write(canvas, SYNTHETIC_NOTE, _EDGE, foot - 10, height=8, color=GREY)
    return canvas


def _put(
    canvas: Canvas, column: int, tile: NDArray[np.uint8], title: str, below: str, *, struck: bool = False
) -> None:
    left = _EDGE + column * (_TILE + _GAP)
    canvas[_TOP : _TOP + _TILE, left : left + _TILE] = tile
    cv2.rectangle(canvas, (left, _TOP), (left + _TILE - 1, _TOP + _TILE - 1), (205, 205, 205), 1)
    color = rgb("#B03A00") if struck else BLACK
    write(canvas, title, left, _TOP - 8, color=color, bold=not struck)
    write(canvas, below, left, _TOP + _TILE + 16, height=8, color=GREY)


def _tile(name: str, values: Floats, grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
    if name in ("gradcam", "hirescam"):
        peak = float(values.max())
        return overlay(grey, values, peak), "empty: no evidence" if peak <= 0 else f"peak {peak:.3g} (logit)"
    # A few pixels far above all others would leave the rest of the tile empty.
    high = float(np.quantile(np.abs(values), 0.995))
    signed = name == "integrated"
    colors = shade(values, high=high, kind="diverging" if signed else "sequential")
    tile: NDArray[np.uint8] = cv2.resize(colors, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST)
    if signed:
        return tile, f"sum {values.sum():+.2f}, dark = {high:.2g} (logit)"
    unit = "logit a grey level" if name in ("gradient", "guided") else "product"
    return tile, f"dark = {high:.2g} ({unit})"


def _wrapped(tile: NDArray[np.uint8], text: str) -> None:
    line, y = "", 24
    for word in [*text.split(), ""]:
        if word and width_of(f"{line} {word}", height=8) <= _TILE - 16:
            line = f"{line} {word}".strip()
            continue
        write(tile, line, 8, y, height=8, color=GREY)
        line, y = word, y + 16


def _of_each_mode(predicted: NDArray[np.integer], confidence: NDArray[np.floating]) -> set[int]:
    """Picks of each predicted mode the surest frame, and the one nearest to the median."""
    chosen: set[int] = set()
    for k in np.unique(predicted).tolist():
        of_mode = np.flatnonzero(predicted == k)
        ranked = of_mode[np.argsort(-confidence[of_mode], kind="stable")]
        chosen |= {int(ranked[0]), int(ranked[len(ranked) // 2])}
    return chosen


def _finding(maps: dict[str, Floats], integrated: Integrated, *, explains: bool) -> str:
    gap = np.median(np.abs(integrated.gap) / np.maximum(np.abs(integrated.difference), 0.1))
    text = f"Integrated gradients add up to the logits within {gap:.1%} (median)."
    if not explains:
        return f"No heat maps: the network keeps no sense of place. {text}"
    empty = int((maps["gradcam"].max(axis=(1, 2)) <= 0).sum())
    scale = max(float(np.abs(maps["gradcam"]).max()), 1e-12)
    apart = float(np.abs(maps["gradcam"] - maps["hirescam"]).max()) / scale
    same = "equal" if apart < 1e-4 else f"up to {apart:.0%} of the peak apart"
    return f"Grad-CAM is empty for {empty} of {len(maps['gradcam'])} frames; Grad-CAM and HiResCAM are {same}. {text}"


def _table(
    subject: Subject, maps: dict[str, Floats], integrated: Integrated, predicted: NDArray[np.integer]
) -> Table:
    rows: list[tuple[Any, ...]] = [("called", "frames", "empty Grad-CAM", "median peak", "logit above no echo")]
    for k in np.unique(predicted).tolist():
        chosen = predicted == k
        empty = peak = "-"
        if "gradcam" in maps:
            peaks = maps["gradcam"][chosen].max(axis=(1, 2))
            empty, peak = str(int((peaks <= 0).sum())), f"{np.median(peaks):.3g}"
        difference = f"{np.median(integrated.difference[chosen]):+.2f}"
        rows.append((subject.codes[k], str(int(chosen.sum())), empty, peak, difference))
    note = (
        "Of the mode each frame was called. Peak of Grad-CAM in logit units; last column: median of the logit of the "
        "frame less that of a frame without echo, which integrated gradients share out among the pixels."
    )
    return Table("Evidence by mode", tuple(rows), note)
