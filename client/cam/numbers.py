"""The heat maps of many frames as one npz, gathered on the disk: memory stays flat.

The arrays: `maps` float32 (N, K, h, w), ReLU'd, in logit units; `probabilities` float32 (N, K); `names` (N,); `codes`
(K,) of the modes; `method`; `version` of the model. Frames that could not be classified are not in it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.explain.records import Records
from radar import durable
from serving.protocol.contract import ModelCard
from serving.protocol.pipeline import Prediction


class Numbers:
    """Gathers heat maps.

    Args:
        path: The npz that shall appear.
        card: Of the model.
        method: Name of the heat maps.
        version: Of the model.

    Raises:
        OSError: Its folder cannot be written.
    """

    def __init__(self, path: Path, card: ModelCard, method: str, version: int) -> None:
        self._path, self._card, self._method, self._version = path, card, method, version
        self._names: list[str] = []
        self._probabilities: list[NDArray[np.float32]] = []
        shape = len(card.modes), card.heat_map.height, card.heat_map.width
        self._records = Records(path.with_name(f".{path.name}.partial"), shape)
        self._records.truncate(0)

    def add(self, predictions: Sequence[Prediction], names: Sequence[str]) -> None:
        """Takes in classified frames under these names; raises OSError if the disk is full."""
        self._records.append(np.stack([p.heat_maps[self._method] for p in predictions]))
        # A copy of its own: a part of a batch would keep the whole of it in memory.
        self._probabilities.append(np.stack([p.probabilities for p in predictions if p.probabilities is not None]))
        self._names += names

    def finish(self) -> Path:
        """Writes the npz, whole or not at all; raises OSError if it cannot."""
        small: dict[str, NDArray[Any]] = {
            "probabilities": np.concatenate([np.empty((0, len(self._card.modes)), np.float32), *self._probabilities]),
            "names": np.array(self._names, np.str_),
            "codes": np.array(self._card.codes),
            "method": np.array(self._method),
            "version": np.array(self._version),
        }
        # np.savez would want all maps in memory.
        with durable.replacing(self._path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            with archive.open("maps.npy", "w", force_zip64=True) as member:
                shape = (len(self._records), *self._records.shape)
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                for block in self._records.blocks():
                    member.write(block.tobytes())
            for name, array in small.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        return self._path

    def close(self) -> None:
        """Removes what was gathered."""
        self._records.close()
        self._records.path.unlink(missing_ok=True)
