"""Manifests: which frames a run is made of, by content, label, event and side of the split.

    path,sha256,time_utc,label,event,season,split
    LT/pr2hse01501.png,5f2b...,2015-11-11T10:10:00Z,LT,LT-0016,hse20152016,training

`path` is relative to the folder of the manifest, `sha256` is of the file, `event` is unique in its season.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from radar.errors import LabelsError
from radar.labels import check_codes
from training.data.labelled import Label

MANIFEST_FILE = "manifest.csv"
COLUMNS = ("path", "sha256", "time_utc", "label", "event", "season", "split")
_REQUIRED = ("path", "label")


def text(labels: Sequence[Label], sides: Sequence[str], base: Path) -> str:
    """Writes a manifest as CSV.

    Args:
        labels: The frames.
        sides: The side of the split of each.
        base: Folder that the manifest will lie in.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    home = base.resolve()
    folders: dict[Path, str] = {}
    for label, side in zip(labels, sides, strict=True):
        folder = label.path.parent
        if folder not in folders:
            folders[folder] = Path(os.path.relpath(folder.resolve(), home)).as_posix()
        path = label.path.name if folders[folder] == "." else f"{folders[folder]}/{label.path.name}"
        event = label.event.removeprefix(f"{label.season}/")
        writer.writerow((path, label.sha256, label.time_utc, label.mode, event, label.season, side))
    return out.getvalue()


def read(path: Path, codes: Sequence[str]) -> list[Label]:
    """Reads a manifest.

    Args:
        path: The CSV.
        codes: Codes that are allowed.

    Raises:
        LabelsError: It cannot be read, a column or value is missing, or a label is unknown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in _REQUIRED if name not in (reader.fieldnames or ())]:
                raise LabelsError(
                    f"{path}: expected a manifest with the columns {', '.join(COLUMNS)}; missing: "
                    f"{', '.join(missing)}"
                )
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise LabelsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path}: cannot be read as CSV in UTF-8: {error}") from error
    for line, row in rows:
        if not all(row[name] for name in _REQUIRED):
            raise LabelsError(f"{path}: line {line}: expected {' and '.join(_REQUIRED)} filled in, received {row}")
    check_codes(path, [row["label"] for _, row in rows], codes)
    season = path.resolve().parent.name
    return [_label(row, path.parent, season) for _, row in rows]


def _label(row: dict[str, str], folder: Path, season: str) -> Label:
    season = row.get("season") or season
    event = row.get("event") or ""
    return Label(
        path=folder / row["path"],
        season=season,
        mode=row["label"],
        event=f"{season}/{event}" if event else "",
        time_utc=row.get("time_utc") or "",
        sha256=row.get("sha256") or "",
        split=row.get("split") or "",
    )
