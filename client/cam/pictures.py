"""Pictures of the heat maps of single frames, and where they go."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import durable, jma
from radar.frame_pictures import JMA_CREDIT, encode_png, read_picture, undecorated
from radar.frames import Picture
from radar.heat_map_pictures import ModeFace, fit, panel, single
from radar.heat_maps import has_echo
from serving.protocol.contract import GRADCAM, ModelCard
from serving.protocol.pipeline import Prediction

PANEL_CELL = 320  # longer side of a frame in a panel, in pixels at the most


class Kind(enum.StrEnum):
    """Which pictures are drawn of a frame."""

    EACH = "each"
    WINNER = "winner"
    PANEL = "panel"


class Scale(enum.StrEnum):
    """What the darkest colour of a heat map stands for."""

    FRAME = "frame"
    MAP = "map"


class Painter:
    """Draws and writes pictures; fit for many threads.

    Args:
        out: Folder for all of them: `each/LT/NAME.png`, `winner/NAME.png`, `panel/NAME.png`.
        card: Of the model.
        method: Name of the heat maps.
        kinds: Which pictures; none of them is fine.
        scale: What the darkest colour stands for.
        window: Part of JMA composites.
    """

    def __init__(
        self,
        out: Path,
        card: ModelCard,
        method: str,
        kinds: Sequence[Kind],
        scale: Scale,
        *,
        window: jma.Window = jma.HOKUSHINETSU,
    ) -> None:
        self.modes = tuple(ModeFace(mode.code, mode.color) for mode in card.modes)
        self._out, self._method, self._kinds, self._scale = out, method, tuple(kinds), scale
        self._rule, self._window = card.input.frame_rule(), window
        words = {GRADCAM: "Grad-CAM"}.get(method, "HiResCAM")
        shared = "one scale for all modes" if scale is Scale.FRAME else "each map to its own peak"
        self._note = f"{words} of the logits, {shared}. A heat map is not a reason."
        if card.synthetic:
            self._note += " The model learned from synthetic frames."

    def folders(self) -> list[Path]:
        """Gives the folders that pictures go to, frames of subfolders aside."""
        each = [self._out / Kind.EACH / mode.code for mode in self.modes]
        return [folder for kind in self._kinds for folder in (each if kind is Kind.EACH else [self._out / kind])]

    def paint(self, path: str, name: str, prediction: Prediction) -> tuple[int, NDArray[np.bool_]]:
        """Draws the pictures of one frame.

        Args:
            path: The frame.
            name: Of its pictures, relative to their folders, without an ending.
            prediction: With heat maps and probabilities.

        Returns:
            How many pictures were written, and where the frame has echo, shape (rows, columns) of what is shown.

        Raises:
            FrameError: It cannot be read any more.
            OSError: A picture cannot be written.
        """
        picture = fit(undecorated(read_picture(path, self._rule, self._window), self._rule))
        maps, p = prediction.heat_maps[self._method], prediction.probabilities
        if p is None:
            raise ValueError(f"{name}: expected a frame with probabilities")
        credit = f" {JMA_CREDIT}" if jma.is_composite(path) else ""
        own = maps.max(axis=(1, 2)).tolist()
        shared = max(own)
        written = 0
        for kind in self._kinds:
            if kind is Kind.PANEL:
                small = fit(picture, low=1, high=PANEL_CELL)
                peaks = own if self._scale is Scale.MAP else None
                drawn = panel(small, maps, self.modes, p.tolist(), title=name, note=self._note + credit, peaks=peaks)
                write_png(self._out / Kind.PANEL / f"{name}.png", drawn)
                written += 1
                continue
            for k in range(len(self.modes)) if kind is Kind.EACH else (int(p.argmax()),):
                peak = own[k] if self._scale is Scale.MAP else shared
                drawn = single(picture, maps[k], peak, self.modes[k], float(p[k]), name + credit)
                folder = self._out / Kind.EACH / self.modes[k].code if kind is Kind.EACH else self._out / Kind.WINNER
                write_png(folder / f"{name}.png", drawn)
                written += 1
        return written, has_echo(picture, self._rule.no_echo)


def picture_name(name: str) -> str:
    """Gives the name of a frame's pictures, without an ending: composites keep theirs, PNGs do not."""
    return name[: -len(".png")] if name.lower().endswith(".png") else name


def write_png(path: Path, picture: Picture) -> None:
    """Writes an RGB picture, whole or not at all; raises OSError if it cannot."""
    data = encode_png(picture)
    with durable.replacing(path) as temporary:
        temporary.write_bytes(data)
