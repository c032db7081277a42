"""The text formats of the original process, made from a result file.

`NAME.long.txt.gz` has one line a frame: file, the probability of every mode, the index of the winner, its code.
`NAME.short.txt` has file and code. Columns are separated by tabs, because names may hold spaces; a frame that could
not be classified has `nan`, index -1 and code `--`. The original's own column widths are not known.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from client.results.rows import Row, read_results
from radar import durable


def long_path(results: Path) -> Path:
    """Gives the name of the long format beside a result file."""
    return results.with_name(results.name.removesuffix(".csv") + ".long.txt.gz")


def short_path(results: Path) -> Path:
    """Gives the name of the short format beside a result file."""
    return results.with_name(results.name.removesuffix(".csv") + ".short.txt")


def write_long(results: Path) -> Path:
    """Writes the long format.

    Args:
        results: A finished result file.

    Returns:
        The file written, `NAME.long.txt.gz`.
    """
    codes, rows = read_results(results)
    path = long_path(results)
    # mtime=0: the same results give the same bytes.
    with (
        durable.replacing(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(path.stem, "wb", mtime=0, fileobj=raw) as packed,
    ):
        for row in rows:
            packed.write(_long_line(row, codes).encode("utf-8", "surrogateescape"))
    return path


def write_short(results: Path) -> Path:
    """Writes the short format.

    Args:
        results: A finished result file.

    Returns:
        The file written, `NAME.short.txt`.
    """
    _, rows = read_results(results)
    path = short_path(results)
    with (
        durable.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.writelines(f"{row.file}\t{row.label or '--'}\n" for row in rows)
    return path


def _long_line(row: Row, codes: tuple[str, ...]) -> str:
    if not row.label:
        return "\t".join([row.file, *["nan"] * len(codes), "-1", "--"]) + "\n"
    probabilities = [f"{value:.6f}" for value in row.probabilities]
    return "\t".join([row.file, *probabilities, str(codes.index(row.label)), row.label]) + "\n"
