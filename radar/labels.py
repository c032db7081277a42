"""Tables of labels: what people saw, frame by frame.

A CSV with the columns file and label, and if known event and time_utc:

    file,label,time_utc,event
    pr2hse01501.png,LT,2015-11-11T10:10:00Z,LT-0016

For tables of periods see `radar.periods`.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from radar.errors import LabelsError

LABELS_FILE = "labels.csv"


@dataclass(frozen=True, slots=True)
class Label:
    """One frame and what was seen in it.

    Attributes:
        file: Name of the frame, relative to the folder of its season.
        mode: Code of the mode.
        event: Name of the event it belongs to, unique in its season; or empty.
        time_utc: ISO 8601, or empty.
    """

    file: str
    mode: str
    event: str = ""
    time_utc: str = ""


def read_labels(
    path: Path, codes: Sequence[str], *, required: Sequence[str] = ("file", "label"), ignored: Collection[str] = ()
) -> list[Label]:
    """Reads a table of labels.

    Args:
        path: CSV in UTF-8.
        codes: Codes that are allowed.
        required: Columns that must be there, and filled in every line.
        ignored: Labels whose lines are passed over.

    Raises:
        LabelsError: The file cannot be read, a column is missing, a line is incomplete or of another mode, or a
            frame is labelled twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(required) - set(reader.fieldnames or ())
            if missing:
                raise LabelsError(
                    f"{path}: expected columns {', '.join(required)}; {', '.join(sorted(missing))} missing"
                )
            lines = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error
    first: dict[str, int] = {}
    for line, row in lines:
        if not all(row[name] for name in required):
            raise LabelsError(f"{path}: line {line}: expected {', '.join(required)} filled in, received {row}")
        if (before := first.setdefault(row["file"], line)) != line:
            raise LabelsError(f"{path}: lines {before} and {line}: {row['file']} is labelled twice")
    rows = [row for _, row in lines if row["label"] not in ignored]
    check_codes(path, [row["label"] for row in rows], codes)
    return [Label(row["file"], row["label"], row.get("event") or "", row.get("time_utc") or "") for row in rows]


def check_codes(path: Path, labels: Collection[str], codes: Sequence[str]) -> None:
    """Raises LabelsError if labels are not among the codes, with a guess at what was meant."""
    unknown = sorted(set(labels) - set(codes))
    if unknown:
        guess = closest_code(unknown[0], codes)
        hint = f"; did you mean {guess} for {unknown[0]}?" if guess else ""
        raise LabelsError(f"{path}: expected the labels {', '.join(codes)}; received {', '.join(unknown[:5])}{hint}")


def closest_code(word: str, codes: Sequence[str]) -> str:
    """Gives the code that somebody may have meant, or an empty string."""
    wanted = word.strip().upper()
    same = [code for code in codes if code.upper() == wanted]
    return same[0] if same else next(iter(get_close_matches(wanted, codes, n=1, cutoff=0.5)), "")
