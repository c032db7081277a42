"""Heat maps of every frame beside the results: `NAME.maps.npz` or `NAME.maps.nc`.

While a run goes on, maps are appended to `NAME.csv.KIND.partial`, NaN for a frame that could not be classified. The
maps of a frame are written before its row, so whatever row an interrupted run kept has its maps. At the end the
records become one file, some at a time: memory stays flat, and the disk holds the maps twice for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from client.errors import OutputError
from client.explain import npz
from client.explain.records import Records
from client.results.runs import Record
from radar.durable import sync
from serving.protocol.contract import GRADCAM, HIRESCAM, ModelCard
from serving.protocol.pipeline import Prediction

KINDS: dict[str, tuple[str, ...]] = {"gradcam": (GRADCAM,), "hirescam": (HIRESCAM,), "both": (GRADCAM, HIRESCAM)}
"""What the user may ask for, and the outputs of the model that it stands for."""


def maps_path(results: Path, *, netcdf: bool) -> Path:
    """Gives the name of the heat maps beside a result file."""
    return results.with_name(results.name.removesuffix(".csv") + (".maps.nc" if netcdf else ".maps.npz"))


def size_of(frames: int, card: ModelCard, kinds: Sequence[str]) -> int:
    """Gives the size of the heat maps of so many frames, in bytes, before compression."""
    return 4 * frames * len(kinds) * int(np.prod(_shape(card)))


class MapsFile:
    """Keeps the heat maps of one run until it is complete.

    Args:
        results: The result file they belong to; its run holds the lock on both.
        card: Of the model.
        kinds: Which maps, as the model's outputs are named.
        kept: Names of the frames whose rows an earlier run left.
        netcdf: Whether to write `.maps.nc` in the end, and not `.maps.npz`.

    Attributes:
        kept: How many of those frames have their maps still.

    Raises:
        OutputError: They cannot be written.
    """

    def __init__(
        self, results: Path, card: ModelCard, kinds: Sequence[str], kept: list[str], *, netcdf: bool = False
    ) -> None:
        self._results, self._card, self._netcdf = results, card, netcdf
        self._records: dict[str, Records] = {}
        try:
            for kind in kinds:
                self._records[kind] = Records(results.with_name(f"{results.name}.{kind}.partial"), _shape(card))
            self.kept = min(len(kept), *map(len, self._records.values()))
            if self.kept < len(kept):
                self.kept = self._recall(kept)
            for records in self._records.values():
                records.truncate(self.kept)
        except OSError as error:
            self.close()
            raise self._output_error(error) from error

    def close(self) -> None:
        """Closes the files; what is in them stays for the next run."""
        for records in self._records.values():
            records.close()

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Appends the maps of consecutive frames.

        Raises:
            OutputError: The disk is full, or they cannot be written for another reason.
        """
        missing = np.full(_shape(self._card), np.nan, np.float32)
        try:
            for kind, records in self._records.items():
                records.append(np.stack([p.heat_maps.get(kind, missing) for p in predictions]))
        except OSError as error:
            raise self._output_error(error) from error

    def finish(self, rows: Path, record: Record) -> Path:
        """Makes one file of all maps, whole or not at all.

        Args:
            rows: The rows of all frames.
            record: What is noted of the run.

        Returns:
            What was written.

        Raises:
            OutputError: It cannot be written.
        """
        path = maps_path(self._results, netcdf=self._netcdf)
        try:
            if self._netcdf:
                from client.explain import netcdf

                netcdf.write(path, rows, self._records, record)
            else:
                npz.write(path, rows, self._records)
        except OSError as error:
            raise self._output_error(error) from error
        return path

    def clean(self) -> None:
        """Removes the records, once the result file stands."""
        self.close()
        for records in self._records.values():
            records.path.unlink(missing_ok=True)
        sync(self._results.parent)

    def _recall(self, names: list[str]) -> int:
        """Takes maps over from the file that an earlier, complete run wrote; tells how many there are now."""
        path = maps_path(self._results, netcdf=self._netcdf)
        if not path.exists():
            return self.kept
        try:
            for kind, records in self._records.items():
                if self._netcdf:
                    from client.explain import netcdf

                    records.refill(netcdf.read(path, kind, names))
                else:
                    records.refill(npz.read(path, kind, names))
        except ValueError:  # of other frames, or damaged: these frames are asked for once more
            return 0
        return min(len(names), *map(len, self._records.values()))

    def _output_error(self, error: OSError) -> OutputError:
        return OutputError(
            f"The heat maps of {self._results} cannot be written: {error.strerror or error}. Complete rows are "
            "kept: make room, then run the same command again to continue."
        )


def _shape(card: ModelCard) -> tuple[int, int, int]:
    return len(card.modes), card.heat_map.height, card.heat_map.width
