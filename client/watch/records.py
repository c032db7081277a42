"""What `client watch` records of a frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from client.results.rows import Row
from client.watch.folder import Stamp


@dataclass(frozen=True, slots=True)
class Recorded:
    """One frame as it is recorded.

    Attributes:
        row: As in a result file.
        codes: Codes of the modes, in the order of the probabilities.
        stamp: Of the file.
        sha256: Of its content; empty if it could not be read.
        day: UTC day ``yyyymmdd``, or ``undated``.
        final: Whether that is all there is to say of this content. It is not if the file could not be read, or the
            server refused it: then another attempt may do better.
        revision: 1, and one more each time the frame was recorded again; 0 before it is recorded.
    """

    row: Row
    codes: tuple[str, ...]
    stamp: Stamp
    sha256: str
    day: str
    final: bool = True
    revision: int = 0


COLUMNS = """
    name TEXT PRIMARY KEY,          -- relative to the folder
    size INTEGER NOT NULL,          -- of the file that was classified
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,           -- empty: could not be read
    revision INTEGER NOT NULL,      -- 1, and one more each time the frame was recorded again
    final INTEGER NOT NULL,         -- 0: another attempt may do better
    day TEXT NOT NULL,              -- UTC, yyyymmdd, or "undated"
    time_utc TEXT NOT NULL,
    label TEXT NOT NULL,            -- empty: could not be classified
    probabilities TEXT NOT NULL,    -- JSON list
    entropy REAL,
    accepted INTEGER NOT NULL,
    codes TEXT NOT NULL,            -- of the modes, JSON list
    model_version INTEGER NOT NULL,
    error TEXT NOT NULL
"""
"""Of a table that holds them, in SQL; see `to_columns`."""

NUMBER_OF_COLUMNS = COLUMNS.count(" TEXT ") + COLUMNS.count(" INTEGER ") + COLUMNS.count(" REAL")


def to_columns(frame: Recorded, revision: int) -> tuple[object, ...]:
    """Gives the values of a record for the columns."""
    row, stamp = frame.row, frame.stamp
    return (
        *(row.file, stamp.size, stamp.mtime_ns, stamp.ctime_ns, frame.sha256, revision, int(frame.final)),
        *(frame.day, row.time_utc, row.label, json.dumps(row.probabilities), row.entropy, int(row.accepted)),
        *(json.dumps(frame.codes), row.model_version, row.error),
    )


def from_columns(values: tuple[Any, ...]) -> Recorded:
    """Makes a record from the values of the columns."""
    name, size, mtime_ns, ctime_ns, sha256, revision, final, day, *rest = values
    time_utc, label, probabilities, entropy, accepted, codes, model_version, error = rest
    row = Row(
        file=name,
        time_utc=time_utc,
        label=label,
        probabilities=tuple(json.loads(probabilities)),
        entropy=entropy,
        accepted=bool(accepted),
        model_version=model_version,
        error=error,
    )
    stamp = Stamp(size, mtime_ns, ctime_ns)
    return Recorded(row, _codes(codes), stamp, sha256, day, bool(final), revision)


@lru_cache(maxsize=16)
def _codes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
