"""Heat maps of a season as npz, not compressed, written and read back some at a time.

The arrays: `gradcam` or `hirescam` float32 (N, K, h, w), ReLU'd, in logit units, NaN where a frame could not be
classified; `names` (N,); `times` datetime64[s], UTC, NaT where unknown; `codes` (K,) of the modes; `version` of the
model.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.explain.records import BLOCK_BYTES, Maps, Records
from client.results.rows import read_results
from radar import durable


def write(path: Path, results: Path, maps: Mapping[str, Records]) -> None:
    """Writes heat maps.

    Args:
        path: The file.
        results: The rows, in the order of the maps.
        maps: By kind.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    codes, rows = read_results(results)
    names, times, version = [], [], 0
    for row in rows:
        names.append(row.file)
        times.append(row.time_utc.removesuffix("Z") or "NaT")
        version = row.model_version
    small: dict[str, NDArray[Any]] = {
        "names": np.array(names, np.str_),
        "times": np.array(times, "datetime64[s]"),
        "codes": np.array(codes),
        "version": np.array(version),
    }
    # np.savez would want each array in memory.
    with durable.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for kind, records in maps.items():
            with archive.open(f"{kind}.npy", "w", force_zip64=True) as member:
                shape = (len(records), *records.shape)
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                for block in records.blocks():
                    member.write(block.tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


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
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open("names.npy") as member:
                found = np.lib.format.read_array(member, allow_pickle=False)[: len(names)].tolist()
            if found != names:
                raise ValueError(f"{path} is of other frames")
            with archive.open(f"{kind}.npy") as member:
                np.lib.format.read_magic(member)
                shape, _, dtype = np.lib.format.read_array_header_1_0(member)
                record = shape[1:]
                size = dtype.itemsize * int(np.prod(record))
                step = max(1, BLOCK_BYTES // size)
                for start in range(0, len(names), step):
                    count = min(step, len(names) - start)
                    yield np.frombuffer(member.read(count * size), dtype).reshape(count, *record)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
