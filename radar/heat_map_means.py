"""What the heat maps of many frames have in common: the fields, their sheets, their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from radar.heat_map_pictures import ModeFace, Sheet, sheet
from radar.heat_maps import FEW, Composite, EchoShare, Flags, Moments
from radar.lettering import Canvas

Condition = Literal["all", "predicted"]
Stream = Literal["raw", "unit_peak"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
STREAMS: tuple[Stream, ...] = get_args(Stream)

METHODS = {"gradcam": "Grad-CAM", "hirescam": "HiResCAM"}
CELL = 240  # longer side of a field on a sheet, in pixels


class HeatMapMeans:
    """Takes the heat maps of frames in; means, standard deviations and echo come out.

    Two conditions: `all` frames, which tells what speaks for a mode whatever the weather; and frames `predicted` to
    be of the mode, which tells what the mode looks like to the model.

    Args:
        shape: (K, rows, columns) of the heat maps of a frame.

    Attributes:
        shape: As given.
        conditions: The fields of both conditions.
        echo: Where frames predicted to be of a mode had echo; None as long as nothing was said of it.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.conditions: dict[Condition, Composite] = {name: Composite(shape) for name in CONDITIONS}
        self.echo: EchoShare | None = None

    def add(self, maps: NDArray[np.float32], modes: NDArray[np.integer]) -> None:
        """Takes heat maps in.

        Args:
            maps: Shape (N, K, rows, columns), logit units.
            modes: Index of the mode that each frame is predicted to be of, shape (N,).
        """
        self.conditions["all"].add(maps, np.ones(maps.shape[:2], bool))
        self.conditions["predicted"].add(maps, np.arange(maps.shape[1]) == modes[:, np.newaxis])

    def add_echo(self, echo: Flags | NDArray[np.float32], mode: int) -> None:
        """Takes in where a frame predicted to be of a mode has echo.

        Args:
            echo: Shape (rows, columns); if it is another one than the first frame's, it is brought to that.
            mode: Index of the mode.
        """
        if self.echo is None:
            self.echo = EchoShare((self.shape[0], *echo.shape))
        rows, columns = self.echo.shape[1:]
        if echo.shape != (rows, columns):
            kind = np.uint8 if echo.dtype == bool else np.float32
            echo = cv2.resize(echo.astype(kind), (columns, rows), interpolation=cv2.INTER_NEAREST).astype(echo.dtype)
        self.echo.add(echo, mode)

    def merge(self, other: HeatMapMeans) -> None:
        """Takes in what another one has seen; its echo is brought to the size of this one's."""
        for condition, composite in other.conditions.items():
            self.conditions[condition].merge(composite)
        if other.echo is None:
            return
        if self.echo is None:
            self.echo = EchoShare(other.echo.shape)
        if other.echo.shape == self.echo.shape:
            self.echo.merge(other.echo)
            return
        rows, columns = self.echo.shape[1:]
        resized = EchoShare(
            self.echo.shape,
        )
        resized.count += other.echo.count
        for k, hits in enumerate(other.echo.hits):
            resized.hits[k] = cv2.resize(hits, (columns, rows), interpolation=cv2.INTER_NEAREST)
        self.echo.merge(resized)

    def moments(self, condition: Condition, stream: Stream) -> Moments:
        """Gives count, mean and standard deviation under a condition."""
        composite = self.conditions[condition]
        return composite.raw if stream == "raw" else composite.unit_peak

    def echo_share(self, condition: Condition) -> NDArray[np.float64] | None:
        """Gives the share of frames with echo, shape (K, rows, columns); None as long as nothing was said of it.

        Of all frames it is one field, the same for every mode.
        """
        if self.echo is None or condition == "predicted":
            return None if self.echo is None else self.echo.share
        total = self.echo.hits.sum(axis=0) / max(int(self.echo.count.sum()), 1)
        return np.broadcast_to(total, self.echo.shape)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Gives all fields by name, as an NPZ holds them."""
        arrays: dict[str, NDArray[Any]] = {"ddof": np.array(0)}
        for condition, composite in self.conditions.items():
            arrays[f"{condition}_empty"] = composite.empty
            for stream in STREAMS:
                moments = self.moments(condition, stream)
                arrays[f"{condition}_{stream}_count"] = moments.count
                arrays[f"{condition}_{stream}_mean"] = moments.mean
                arrays[f"{condition}_{stream}_std"] = moments.std
        if self.echo is not None:
            arrays["predicted_echo_share"] = self.echo.share.astype(np.float32)
            arrays["predicted_echo_count"] = self.echo.count
        return arrays


def draw_sheet(
    means: HeatMapMeans,
    condition: Condition,
    stream: Stream,
    modes: Sequence[ModeFace],
    *,
    title: str,
    method: str,
    version: int,
    synthetic: bool,
) -> Canvas:
    """Draws mean, standard deviation and echo by mode.

    Args:
        means: The fields.
        condition: Of which frames.
        stream: As they are, or each divided by its own peak.
        modes: K of them.
        title: What frames these are.
        method: ``gradcam`` or ``hirescam``.
        version: Of the model.
        synthetic: Whether it learned from synthetic frames.

    Returns:
        uint8 RGB.
    """
    moments, echo = means.moments(condition, stream), means.echo_share(condition)
    rows, columns = means.shape[1:] if echo is None else echo.shape[1:]
    size = max(1, round(CELL * rows / max(rows, columns))), max(1, round(CELL * columns / max(rows, columns)))
    which = "all frames" if condition == "all" else "frames predicted to be of the mode"
    raw = stream == "raw"
    content = Sheet(
        mean=moments.mean,
        std=moments.std,
        count=moments.count,
        echo=echo,
        unit="logit" if raw else "of the peak",
        remarks=[
            f"{empty:,} empty maps" + (", few frames" if count < FEW else "")
            for empty, count in zip(means.conditions[condition].empty.tolist(), moments.count.tolist(), strict=True)
        ],
    )
    notes = [
        f"{METHODS[method]} of the logits, {which}; "
        + ("as it is." if raw else "each map divided by its own peak, empty ones left out.")
        + " One scale for all modes.",
        f"Standard deviation (ddof 0) at {means.shape[2]}x{means.shape[1]} cells. Echo: share of pixels with another "
        f"colour than no echo, {'of all frames' if condition == 'all' else 'of the ' + which}.",
        f"Model {version}. A heat map is not a reason."
        + (" The model learned from synthetic frames." if synthetic else ""),
    ]
    heading = f"{title}: {'raw' if raw else 'unit-peak'} heat maps, {which}"
    return sheet(content, modes, title=heading, notes=notes, size=size)
