"""Pictures: learning curve of a run, contact sheet of a season, heat maps of one frame."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar import frames
from radar.errors import FrameError, LabelsError
from radar.frames import Box
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style
from serving.protocol.connection import Connection, ServedModel
from serving.protocol.contract import EXPLAIN, GRADCAM, PROBABILITIES, ModelCard

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150})
mpl.rcParams["text.parse_math"] = False  # a folder may be called a$b$

SUFFIXES = (".png", ".pdf", ".svg")
"""Formats a picture can be written in."""


def learning_curve(metrics_file: Path, out: Path, *, title: str, last_kept: bool = False) -> None:
    """Draws loss and accuracy by epoch into a file; see `learning_curve_figure`."""
    learning_curve_figure(metrics_file, title=title, last_kept=last_kept).savefig(out)


def learning_curve_figure(metrics_file: Path, *, title: str, last_kept: bool = False) -> Figure:
    """Draws loss and accuracy by epoch, with the best epoch marked.

    Args:
        metrics_file: JSON lines as `training run` writes them.
        title: What was trained.
        last_kept: Whether the weights of the last epoch were kept, and not those of the best one.
    """
    # A run that was continued has the epochs after its last checkpoint twice: the later line counts.
    found = (json.loads(line) for line in metrics_file.read_text(encoding="utf-8").splitlines())
    lines = list({line["epoch"]: line for line in found}.values())
    epochs = [line["epoch"] for line in lines]
    best = min(lines, key=lambda line: math.inf if math.isnan(line["val_loss"]) else line["val_loss"])
    with style():
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        figure.suptitle(f"Learning curve, {title}", x=0.01, ha="left", fontweight="bold")
        for axes, name, label in zip(
            figure.subplots(1, 2), ("loss", "accuracy"), ("cross-entropy", "accuracy"), strict=True
        ):
            axes.plot(epochs, [line[name] for line in lines], color="0.55", label="training frames, augmented")
            axes.plot(epochs, [line[f"val_{name}"] for line in lines], color="#0072B2", label="validation frames")
            axes.axvline(best["epoch"], color="#D55E00", lw=0.8, ls=":")
            axes.plot(
                best["epoch"],
                best[f"val_{name}"],
                "o",
                color="#D55E00",
                ms=6,
                label=f"lowest validation loss, epoch {best['epoch']}",
            )
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True)
        figure.axes[1].set_ylim(top=1.0)
        # Outside: every place inside may be that of a line.
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower left", frameon=False, ncols=3)
        kept = f"of the last epoch, {epochs[-1]}" if last_kept else f"of epoch {best['epoch']}"
        # Over the left one, with both to run across: beside a long text there is no room.
        figure.axes[0].set_title(
            f"epoch {best['epoch']}: loss {best['val_loss']:.3f}, accuracy {best['val_accuracy']:.3f}; "
            f"kept: weights {kept}",
            loc="left",
            fontsize=8,
        )
    return figure


def read_predictions(results: Path, codes: Sequence[str]) -> list[dict[str, str]]:
    """Reads the classified rows of a result file of `client classify`.

    Raises:
        LabelsError: The file is missing, is no result file, or is of a model with other modes.
    """
    expected = {"file", "time_utc", "label", *(f"p_{code}" for code in codes)}
    try:
        with results.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if missing := sorted(expected - set(reader.fieldnames or ())):
                raise LabelsError(
                    f"{results}: expected a result file of `client classify` with the modes {', '.join(codes)}; "
                    f"the columns {', '.join(missing)} are missing"
                )
            return [row for row in reader if row["label"]]
    except OSError as error:
        raise LabelsError(f"{results}: cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise LabelsError(f"{results}: cannot be read as CSV: {error}") from error


def contact_sheet(results: Path, folder: Path, card: ModelCard, out: Path, *, columns: int = 8) -> None:
    """Draws frames of each predicted mode, evenly spread over the season.

    Args:
        results: A result file.
        folder: The frames.
        card: For the modes.
        out: PNG.
        columns: Frames a mode.
    """
    rows = read_predictions(results, card.codes)
    figure = Figure(figsize=(1.35 * columns + 0.7, 1.62 * len(card.modes) + 0.5), layout="constrained")
    figure.suptitle(
        f"{folder.resolve().name}: {len(rows):,} frames by predicted mode", x=0.01, ha="left", fontweight="bold"
    )
    grid = figure.subplots(len(card.modes), columns, squeeze=False)
    for k, mode in enumerate(card.modes):
        of_mode = [row for row in rows if row["label"] == mode.code]
        chosen = np.unique(np.linspace(0, len(of_mode) - 1, columns).astype(int)) if of_mode else np.empty(0, int)
        for axes in grid[k]:
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(visible=False)
        for axes, position in zip(grid[k], chosen, strict=False):
            row = of_mode[int(position)]
            axes.imshow(_shown(folder / row["file"], card))
            stamp = row["time_utc"][5:16].replace("T", " ") or row["file"][-16:]
            axes.set_title(f"{stamp}  {float(row[f'p_{mode.code}']):.2f}", fontsize=6.5, pad=2)
            for spine in axes.spines.values():
                spine.set(visible=True, color=mode.color, linewidth=1.6)
        grid[k][0].set_ylabel(f"{mode.code}\n{len(of_mode):,}", color=mode.color, fontweight="bold", fontsize=10)
    note = "Times in UTC; the number is the probability of the mode."
    figure.supxlabel(_with_synthetic_note(note, card), x=0.01, ha="left", **CREDIT)
    figure.savefig(out)


def heat_maps(frame: Path, served: ServedModel, connection: Connection, out: Path) -> None:
    """Draws a frame with the Grad-CAM of every mode.

    All maps share one scale, so that they can be compared; it is printed on the figure.

    Args:
        frame: A PNG.
        served: What the server said of its model.
        connection: To the server.
        out: PNG.
    """
    card = served.card
    with _naming(frame):
        pixels = frames.load(frame, card.input.frame_rule())
    answer = connection.call(EXPLAIN, pixels[np.newaxis])
    maps, table = answer[GRADCAM][0], answer[PROBABILITIES][0]
    picture = _shown(frame, card)
    peak = float(maps.max())
    figure = Figure(figsize=(2.1 * (len(card.modes) + 1), 2.75), layout="constrained")
    figure.suptitle(f"{frame.name}: what speaks for each mode", x=0.01, ha="left", fontweight="bold")
    first, *others = figure.subplots(1, len(card.modes) + 1)
    first.imshow(picture)
    first.set_title(f"frame: {card.codes[int(table.argmax())]}", fontsize=9)
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    height, width = grey.shape[:2]
    shown: Any = None
    for axes, mode, field, p in zip(others, card.modes, maps, table, strict=True):
        smooth = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        share = smooth / peak if peak > 0 else np.zeros_like(smooth)
        axes.imshow(grey)
        shown = axes.imshow(share, cmap="magma_r", vmin=0, vmax=1, alpha=0.8 * np.clip(share * 1.5, 0, 1))
        winner = p == table.max()
        axes.set_title(
            f"{mode.code}  p = {p:.2f}", fontsize=9, color=mode.color, fontweight="bold" if winner else "normal"
        )
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color="0.7")
    figure.colorbar(shown, ax=others, shrink=0.75, pad=0.01, label="share of the largest value")
    note = f"Grad-CAM of the logits, one scale for all; largest value {peak:.3g} (logit). A heat map is not a reason."
    figure.supxlabel(_with_synthetic_note(note, card), x=0.01, ha="left", **CREDIT)
    figure.savefig(out)


def _with_synthetic_note(note: str, card: ModelCard) -> str:
    return f"{note} {SYNTHETIC_NOTE}" if card.synthetic else note


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Puts a frame's name before what is wrong with it."""
    try:
        yield
    except FrameError as error:
        raise FrameError(f"{path} {error}") from error


def _shown(path: Path, card: ModelCard) -> NDArray[np.uint8]:
    """Gives a frame for the eye: its crop, at full resolution."""
    with _naming(path):
        picture = frames.decode(frames.read(path), no_echo=card.input.no_echo)
    crop = card.input.frame_rule().crop or Box(0, 0, *picture.shape[:2])
    return picture[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
