"""Rows of result files: their columns, and how they are read back."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Row:
    """One frame of a result file, as read back.

    Attributes:
        file: Name of the frame, relative to its folder.
        time_utc: ISO 8601, or empty.
        label: Code of the most probable mode, or empty if the frame could not be classified.
        probabilities: In the order of the modes; empty if there are none.
        entropy: Of the probabilities, in nats; None if there are none.
        accepted: Whether the largest probability reaches the model's threshold.
        model_version: Version of the model that answered.
        error: Why the frame could not be classified, or empty.
    """

    file: str
    time_utc: str
    label: str
    probabilities: tuple[float, ...]
    entropy: float | None
    accepted: bool
    model_version: int
    error: str


def columns_for(codes: Sequence[str]) -> tuple[str, ...]:
    """Gives the header of a result file for the modes of a model."""
    probabilities = (f"p_{code}" for code in codes)
    return ("file", "time_utc", "label", *probabilities, "entropy", "accepted", "model_version", "error")


def read_codes(path: Path) -> tuple[str, ...]:
    """Reads the codes of the modes from the header of a result file.

    Raises:
        ConfigError: The file cannot be read or is no result file.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            header = tuple(next(csv.reader([file.readline(1 << 16)]), []))
    except (OSError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    codes = tuple(name.removeprefix("p_") for name in header if name.startswith("p_"))
    if not codes or header != columns_for(codes):
        raise ConfigError(
            f"{path}: expected a result file of `client classify`, received the columns {', '.join(header)[:100]!r}"
        )
    return codes


def read_results(path: Path) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Reads a result file, row by row.

    Args:
        path: A CSV written by `client.results.file.ResultFile`.

    Returns:
        The codes of the modes, and the rows.

    Raises:
        ConfigError: The file is missing or is no such CSV; for a damaged row, when it is reached.
    """
    codes = read_codes(path)
    return codes, _read_rows(path, codes)


def parse_row(fields: list[str], codes: tuple[str, ...]) -> Row:
    """Reads one row of a result file.

    Raises:
        ValueError: It is none.
    """
    name, stamp, label, *rest = fields
    entropy, accepted, version, error = rest[len(codes) :]
    probabilities = tuple(map(float, rest[: len(codes)])) if label else ()
    if label and (label not in codes or not all(0 <= p <= 1 for p in probabilities)):
        raise ValueError(f"expected a mode among {', '.join(codes)} and probabilities, received: {fields}")
    return Row(
        file=name,
        time_utc=stamp,
        label=label,
        probabilities=probabilities,
        entropy=float(entropy) if label else None,
        accepted=accepted == "1",
        model_version=int(version),
        error=error,
    )


def _read_rows(path: Path, codes: tuple[str, ...]) -> Iterator[Row]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        next(reader, None)
        try:
            for fields in reader:
                yield parse_row(fields, codes)
        except (ValueError, csv.Error) as error:
            raise ConfigError(f"{path}, line {reader.line_num}: no row of a result file: {error}") from error
