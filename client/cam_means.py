"""Heat maps of a folder in a few pictures and one file of numbers: means and standard deviations by mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from client.cam_pictures import write_png
from radar import durable
from radar.heat_map_pictures import ModeFace, Sheet, sheet
from radar.heat_maps import FEW, Composite, EchoShare
from serving.protocol.contract import GRADCAM, ModelCard

CELL = 240  # longer side of a field on a sheet, in pixels


class Means:
    """Takes the heat maps of frames in, and writes what they have in common.

    Two conditions: `all` frames, which tells what speaks for a mode whatever the weather; and frames `predicted` to
    be of the mode, which tells what the mode looks like to the model.

    Args:
        card: Of the model.
        method: Name of the heat maps.
        version: Of the model.
    """

    def __init__(self, card: ModelCard, method: str, version: int) -> None:
        shape = len(card.modes), card.heat_map.height, card.heat_map.width
        self.conditions = {"all": Composite(shape), "predicted": Composite(shape)}
        self._card, self._method, self._version = card, method, version
        self._echo: EchoShare | None = None

    def add(self, maps: NDArray[np.float32], probabilities: NDArray[np.float32]) -> None:
        """Takes heat maps in, shape (N, K, h, w), with the probabilities of their frames, shape (N, K)."""
        winners = probabilities.argmax(axis=1)
        self.conditions["all"].add(maps, np.ones(probabilities.shape, bool))
        self.conditions["predicted"].add(maps, np.arange(probabilities.shape[1]) == winners[:, np.newaxis])

    def add_echo(self, echo: NDArray[np.bool_], mode: int) -> None:
        """Takes in where a frame predicted to be of a mode has echo.

        Args:
            echo: Shape (rows, columns); if it is another one than the first frame's, it is brought to that.
            mode: Index of the mode.
        """
        if self._echo is None:
            self._echo = EchoShare((len(self._card.modes), *echo.shape))
        rows, columns = self._echo.shape[1:]
        if echo.shape != (rows, columns):
            echo = cv2.resize(echo.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
        self._echo.add(echo, mode)

    def write(self, out: Path, title: str) -> list[Path]:
        """Writes four sheets and `means.npz`.

        Args:
            out: Folder; it is there.
            title: What frames these are.

        Returns:
            The files written.

        Raises:
            OSError: They cannot be written.
        """
        return [*self._write_sheets(out, title), self._write_numbers(out / "means.npz")]

    def _write_sheets(self, out: Path, title: str) -> list[Path]:
        modes = [ModeFace(mode.code, mode.color) for mode in self._card.modes]
        words = "Grad-CAM" if self._method == GRADCAM else "HiResCAM"
        echo = None if self._echo is None else self._echo.share
        rows, columns = self._card.heat_map.height, self._card.heat_map.width
        if echo is not None:
            rows, columns = echo.shape[1:]
        size = max(1, round(CELL * rows / max(rows, columns))), max(1, round(CELL * columns / max(rows, columns)))
        paths = []
        for condition, composite in self.conditions.items():
            frames = "all frames" if condition == "all" else "frames predicted to be of the mode"
            shown_echo, echo_of = echo, "of the frames predicted to be of the mode"
            if condition == "all" and self._echo is not None:
                # One field, the same under every mode: how often there was echo at all.
                total = self._echo.hits.sum(axis=0) / max(int(self._echo.count.sum()), 1)
                shown_echo, echo_of = np.broadcast_to(total, self._echo.shape), "of all frames"
            for stream, moments in (("raw", composite.raw), ("unit-peak", composite.unit_peak)):
                content = Sheet(
                    mean=moments.mean,
                    std=moments.std,
                    count=moments.count,
                    echo=shown_echo,
                    unit="logit" if stream == "raw" else "of the peak",
                    remarks=[
                        f"{empty:,} empty maps" + (", few frames" if count < FEW else "")
                        for empty, count in zip(composite.empty.tolist(), moments.count.tolist(), strict=True)
                    ],
                )
                notes = [
                    f"{words} of the logits, {frames}; "
                    + ("as it is." if stream == "raw" else "each map divided by its own peak, empty ones left out.")
                    + " One scale for all modes.",
                    f"Standard deviation (ddof 0) at {self._card.heat_map.width}x{self._card.heat_map.height} cells. "
                    f"Echo: share of pixels with another colour than no echo, {echo_of}.",
                    f"Model {self._version}. A heat map is not a reason."
                    + (" The model learned from synthetic frames." if self._card.synthetic else ""),
                ]
                heading = f"{title}: {stream} heat maps, {frames}"
                path = out / f"mean_{condition}_{stream}.png"
                write_png(path, sheet(content, modes, title=heading, notes=notes, size=size))
                paths.append(path)
        return paths

    def _write_numbers(self, path: Path) -> Path:
        arrays: dict[str, Any] = {
            "codes": np.array(self._card.codes),
            "version": np.array(self._version),
            "method": np.array(self._method),
            "ddof": np.array(0),
        }
        for condition, composite in self.conditions.items():
            arrays[f"{condition}_empty"] = composite.empty
            for stream, moments in (("raw", composite.raw), ("unit_peak", composite.unit_peak)):
                arrays[f"{condition}_{stream}_count"] = moments.count
                arrays[f"{condition}_{stream}_mean"] = moments.mean
                arrays[f"{condition}_{stream}_std"] = moments.std
        if self._echo is not None:
            arrays["predicted_echo_share"] = self._echo.share.astype(np.float32)
            arrays["predicted_echo_count"] = self._echo.count
        with durable.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return path
