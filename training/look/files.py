"""Files of a look: pictures and numbers, each whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from radar import durable
from radar.frame_pictures import encode_png
from radar.verification.plots import style


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as its name says, `.png` or `.svg`.

    Raises:
        OSError: It cannot be written.
    """
    kind: dict[str, Any] = {"format": path.suffix[1:]}
    if kind["format"] == "svg":
        kind["metadata"] = {"Date": None}  # the same figure, the same file
    with durable.replacing(path) as file, style():
        figure.savefig(file, **kind)


def save_picture(picture: NDArray[np.uint8], path: Path) -> None:
    """Writes pixels, uint8 RGB, as a PNG.

    Raises:
        OSError: It cannot be written.
    """
    data = encode_png(picture)
    with durable.replacing(path) as file:
        file.write_bytes(data)


def save_numbers(path: Path, **arrays: ArrayLike) -> None:
    """Writes arrays as `.npz`.

    Raises:
        OSError: It cannot be written.
    """
    with durable.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
