"""Heat maps of a season as NetCDF after the CF conventions 1.8, written and read back some at a time.

The dimension of the frames is `time` where the frames lie in the order of time, and `frame` otherwise; then `time` is
an auxiliary coordinate. Rows and columns are pixels of the model's input, not places on the ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import netCDF4
import numpy as np

from client.explain.records import BLOCK_BYTES, Maps, Records
from client.results.netcdf import seconds_of, set_attributes
from client.results.rows import read_results
from client.results.runs import Record
from radar.netcdf import add_modes, add_time, creating, text_of
from serving.protocol.contract import GRADCAM

_CHUNK = 64  # frames compressed at a time
_REFERENCES = {
    "gradcam": "Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74",
    "hirescam": "Draelos and Carin 2020, arXiv:2011.08891",
}


def write(path: Path, results: Path, maps: Mapping[str, Records], record: Record) -> None:
    """Writes heat maps.

    Args:
        path: The file.
        results: The rows, in the order of the maps.
        maps: By kind.
        record: What is noted of the run.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    codes, rows = read_results(results)
    names, seconds = [], []
    for row in rows:
        names.append(text_of(row.file))
        seconds.append(seconds_of(row))
    times = [second for second in seconds if second is not None]
    ascending = len(times) == len(names) > 0 and all(a < b for a, b in pairwise(times))
    axis = "time" if ascending else "frame"
    with creating(path) as data:
        set_attributes(data, f"Heat maps of {Path(record.identity.folder).name}", record, codes)
        data.references = "; ".join(_REFERENCES[kind] for kind in maps)
        data.createDimension(axis, len(names))
        add_modes(data, codes)
        if times:
            add_time(data, axis)[:] = np.ma.masked_invalid([np.nan if s is None else s for s in seconds])
        files = data.createVariable("file", str, (axis,))
        files.long_name = "name of the frame, relative to its folder"
        files[:] = np.array(names, object)
        for kind, records in maps.items():
            _add_cells(data, records.shape, record)
            _add_maps(data, kind, records, axis, with_time=bool(times))


def read(path: Path, kind: str, names: list[str]) -> Iterator[Maps]:
    """Reads the first maps of a file back.

    Args:
        path: A file that `write` wrote.
        kind: Which maps.
        names: Of the frames whose maps are wanted: the first of the file.

    Yields:
        Maps, shape (n, K, h, w).

    Raises:
        ValueError: The file is damaged, or begins with other frames.
    """
    try:
        with netCDF4.Dataset(str(path)) as data:
            if list(data["file"][: len(names)]) != [text_of(name) for name in names]:
                raise ValueError(f"{path} is of other frames")
            variable = data[kind]
            step = max(1, BLOCK_BYTES // (4 * int(np.prod(variable.shape[1:]))))
            for start in range(0, len(names), step):
                block = variable[start : min(start + step, len(names))]
                yield np.ma.filled(block.astype(np.float32), np.nan)
    except (OSError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _add_cells(data: netCDF4.Dataset, shape: tuple[int, int, int], record: Record) -> None:
    """Adds the coordinates of the cells, once."""
    size = None if record.card is None else record.card.input
    for name, cells, pixels, direction in (
        ("y", shape[1], size.height if size else shape[1], "down from the top"),
        ("x", shape[2], size.width if size else shape[2], "from the left"),
    ):
        if name in data.dimensions:
            continue
        data.createDimension(name, cells)
        variable = data.createVariable(name, "f4", (name,))
        variable.long_name = f"centre of the cell in pixels of the model's input, {direction}; not geo-referenced"
        variable.units = "1"
        variable[:] = (np.arange(cells) + 0.5) * pixels / cells


def _add_maps(data: netCDF4.Dataset, kind: str, records: Records, axis: str, *, with_time: bool) -> None:
    chunks = (max(1, min(_CHUNK, len(records))), *records.shape)
    dimensions = (axis, "mode", "y", "x")
    fill = np.float32(netCDF4.default_fillvals["f4"])
    variable = data.createVariable(
        kind, "f4", dimensions, zlib=True, complevel=1, shuffle=True, chunksizes=chunks, fill_value=fill
    )
    # The library would keep 64 MB of what is written once and never read.
    variable.set_var_chunk_cache(size=BLOCK_BYTES)
    method = "Grad-CAM" if kind == GRADCAM else "HiResCAM"
    variable.long_name = f"{method} of the mode's logit, negative values set to 0, not scaled"
    variable.units = "1"
    variable.coordinates = "file time" if with_time and axis != "time" else "file"
    start = 0
    for block in records.blocks():
        variable[start : start + len(block)] = np.ma.masked_invalid(block)
        start += len(block)
