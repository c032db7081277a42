"""Result formats beside the CSV: what each is called, what it needs, and how it is written from the finished CSV."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from client.errors import ConfigError, OutputError
from client.results import nakai

NETCDF = "netcdf"


def _write_parquet(results: Path) -> Path:
    from client.results import parquet

    return parquet.write(results)


def _write_netcdf(results: Path) -> Path:
    from client.results import netcdf

    return netcdf.write(results)


FORMATS: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "csv": (),
    "parquet": (_write_parquet,),
    NETCDF: (_write_netcdf,),
    "nakai": (nakai.write_long, nakai.write_short),
    "nakai-long": (nakai.write_long,),
    "nakai-short": (nakai.write_short,),
}
_NEEDS = {"parquet": "pyarrow", NETCDF: "netCDF4"}


def check_formats(names: Sequence[str]) -> None:
    """Checks that what the formats need is installed.

    Raises:
        ConfigError: It is not.
    """
    for name in names:
        library = _NEEDS.get(name)
        if library is not None and importlib.util.find_spec(library) is None:
            raise ConfigError(
                f"--format {name} needs {library}, which is not installed: pip install 'snowmode[{name}]'"
            )


def write_formats(results: Path, names: Sequence[str]) -> Iterator[Path]:
    """Writes formats beside a finished result file.

    Args:
        results: The CSV.
        names: Of the formats.

    Yields:
        What was written, file by file.

    Raises:
        OutputError: One cannot be written; the CSV is complete.
    """
    for writer in dict.fromkeys(writer for name in names for writer in FORMATS[name]):
        try:
            yield writer(results)
        except OSError as error:
            raise OutputError(
                f"{results} is complete, but {error.filename or 'another format of it'} cannot be written: "
                f"{error.strerror or error}. Make room and run the same command again."
            ) from error
