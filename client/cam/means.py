"""Heat maps of a folder in a few pictures and one file of numbers: means and standard deviations by mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from client.cam.pictures import write_png
from radar import durable
from radar.heat_map_means import CONDITIONS, STREAMS, HeatMapMeans, draw_sheet
from radar.heat_map_pictures import ModeFace
from serving.protocol.connection import ServedModel


def write_means(means: HeatMapMeans, out: Path, served: ServedModel, *, method: str, title: str) -> list[Path]:
    """Writes four sheets and `means.npz`.

    Args:
        means: The fields.
        out: Folder; it is there.
        served: The model they are of.
        method: Name of the heat maps.
        title: What frames these are.

    Returns:
        The files written.

    Raises:
        OSError: They cannot be written.
    """
    card, version = served.card, served.version
    modes = [ModeFace(mode.code, mode.color) for mode in card.modes]
    paths = []
    for condition in CONDITIONS:
        for stream in STREAMS:
            drawn = draw_sheet(
                means,
                condition,
                stream,
                modes,
                title=title,
                method=method,
                version=version,
                synthetic=card.synthetic,
            )
            paths.append(out / f"mean_{condition}_{stream.replace('_', '-')}.png")
            write_png(paths[-1], drawn)
    said = {"codes": np.array(card.codes), "version": np.array(version), "method": np.array(method)}
    paths.append(out / "means.npz")
    with durable.replacing(paths[-1]) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **said, **means.arrays())  # type: ignore[arg-type]
    return paths
