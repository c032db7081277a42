"""Two versions side by side: how often they agree, and on which frames they do not.

The shadow version classifies the same frames into a result file of its own, `NAME.vVERSION.csv`; the main result
stays what it is. Both files are compared row by row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.errors import ConfigError, OutputError
from client.results.rows import Row, read_results
from radar import durable


@dataclass(slots=True)
class Agreement:
    """How two versions of a model classify the same frames.

    Attributes:
        version: Of the main result.
        shadow_version: Of the shadow.
        codes: Modes of the main version: rows of the table.
        shadow_codes: Modes of the shadow: columns of the table.
        table: Frames by both modes, int64, shape (K, K').
        one_sided: Frames that only one of the two could classify.
        disagreements: Where the frames are listed that they do not agree on.
    """

    version: int
    shadow_version: int
    codes: tuple[str, ...]
    shadow_codes: tuple[str, ...]
    table: NDArray[np.int64] = field(init=False)
    one_sided: int = 0
    disagreements: Path | None = None

    def __post_init__(self) -> None:
        self.table = np.zeros((len(self.codes), len(self.shadow_codes)), np.int64)

    @property
    def compared(self) -> int:
        """Frames that both could classify."""
        return int(self.table.sum())

    @property
    def agreed(self) -> int:
        """Frames that both give the same mode."""
        shared = [code for code in self.codes if code in self.shadow_codes]
        return sum(int(self.table[self.codes.index(code), self.shadow_codes.index(code)]) for code in shared)

    @property
    def share(self) -> float:
        """Share of the compared frames that both give the same mode, 0 to 1; NaN where none was compared."""
        return self.agreed / self.compared if self.compared else float("nan")


def shadow_path(out: Path, version: int) -> Path:
    """Gives the name of the shadow's result file: ``NAME.vVERSION.csv``."""
    return out.with_name(f"{out.name.removesuffix('.csv')}.v{version}.csv")


def disagreements_path(out: Path, version: int) -> Path:
    """Gives the name of the list of frames that the versions do not agree on: ``NAME.vVERSION.disagree.csv``."""
    return out.with_name(f"{out.name.removesuffix('.csv')}.v{version}.disagree.csv")


def compare(main: Path, shadow: Path, disagreements: Path, *, versions: tuple[int, int]) -> Agreement:
    """Compares two finished result files of the same frames.

    Args:
        main: The result that counts.
        shadow: The other.
        disagreements: Where frames are listed that get another mode, or that only one could classify: file, time,
            both labels, all probabilities of both.
        versions: Of the model, of both files.

    Returns:
        The table.

    Raises:
        ConfigError: The files are of different frames.
        OutputError: The list cannot be written.
    """
    codes, rows = read_results(main)
    shadow_codes, shadow_rows = read_results(shadow)
    agreement = Agreement(*versions, codes, shadow_codes, disagreements=disagreements)
    try:
        with (
            durable.replacing(disagreements) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            columns = (
                f"{prefix}p_{code}" for prefix, names in (("", codes), ("shadow_", shadow_codes)) for code in names
            )
            writer.writerow(["file", "time_utc", "label", "shadow_label", *columns])
            for row, other in _pairs(rows, shadow_rows, main, shadow):
                if row.label and other.label:
                    agreement.table[codes.index(row.label), shadow_codes.index(other.label)] += 1
                elif row.label or other.label:
                    agreement.one_sided += 1
                if row.label != other.label:
                    texts = [*_texts(row, codes), *_texts(other, shadow_codes)]
                    writer.writerow([row.file, row.time_utc, row.label, other.label, *texts])
    except OSError as error:
        raise OutputError(f"{disagreements}: cannot be written: {error.strerror or error}") from error
    return agreement


def _pairs(rows: Iterator[Row], others: Iterator[Row], main: Path, shadow: Path) -> Iterator[tuple[Row, Row]]:
    # Not zip(strict=True): its ValueError would be anybody's.
    for row in rows:
        other = next(others, None)
        if other is None or other.file != row.file:
            found = "nothing" if other is None else other.file
            raise ConfigError(f"{shadow} is not of the frames of {main}: expected {row.file}, found {found}")
        yield row, other
    if (other := next(others, None)) is not None:
        raise ConfigError(f"{shadow} is not of the frames of {main}: it has {other.file} beyond its end")


def _texts(row: Row, codes: Sequence[str]) -> list[str]:
    return [f"{value:.6f}" for value in row.probabilities] or [""] * len(codes)
