"""The result files of `client watch`: one a day, in the format of `client classify`, replaced as a whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from client.results.rows import Row, columns_for
from client.watch.records import Recorded
from radar import durable


def write_day(folder: Path, day: str, frames: Sequence[Recorded]) -> list[Path]:
    """Writes the result file of a day.

    Should the model have got other modes during the day, each set of modes has a file of its own.

    Args:
        folder: Where to; it is made.
        day: ``yyyymmdd``, or ``undated``.
        frames: All frames of the day, by time; without any there is no file.

    Returns:
        What was written.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_codes: dict[tuple[str, ...], list[Row]] = {}
    for frame in frames:
        by_codes.setdefault(frame.codes, []).append(frame.row)
    newest = frames[-1].codes if frames else ()
    written = []
    for codes, rows in by_codes.items():
        path = folder / (f"{day}.csv" if codes == newest else f"{day}-{'-'.join(codes)}.csv")
        text = io.StringIO()
        plain = csv.writer(text, lineterminator="\n")
        # Python 3.11 and 3.12 leave a carriage return unquoted when rows do not end in one.
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(columns_for(codes))
        for row in rows:
            (quoted if "\r" in row.file + row.error else plain).writerow(_fields(row, len(codes)))
        durable.write_text(path, text.getvalue())
        written.append(path)
    # What is left of modes that no frame of the day has any more, since frames came again.
    for path in {folder / f"{day}.csv", *folder.glob(f"{day}-*.csv")} - set(written):
        path.unlink(missing_ok=True)
    return written


def tidy(folder: Path) -> None:
    """Removes what a killed `client watch` left half-written. Nobody else may be at work there."""
    for path in folder.glob(".*.csv.*.tmp"):
        path.unlink(missing_ok=True)


def _fields(row: Row, modes: int) -> list[str]:
    version = str(row.model_version)
    if row.entropy is None:
        return [row.file, row.time_utc, *[""] * (modes + 3), version, row.error]
    texts = [f"{p:.6f}" for p in row.probabilities]
    accepted = "1" if row.accepted else "0"
    return [row.file, row.time_utc, row.label, *texts, f"{row.entropy:.4f}", accepted, version, ""]
