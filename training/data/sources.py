"""Sources of labelled frames: a prepared folder, a folder with a `labels.csv`, or a manifest itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from radar.errors import LabelsError
from radar.events import LONGEST_GAP
from radar.labels import LABELS_FILE
from radar.labels import read_labels as read_table
from radar.seasons import SEASON_FILE, TimeRule, is_synthetic, read_season
from training.data import grouping, manifest
from training.data.labelled import Label
from training.data.manifest import MANIFEST_FILE


def read_labels(
    sources: Sequence[Path],
    codes: Sequence[str],
    *,
    say: Callable[[str], None] = lambda _: None,
    longest_gap: timedelta = LONGEST_GAP,
) -> list[Label]:
    """Reads the labels of all sources; each frame gets an event.

    Args:
        sources: Folders with a `manifest.csv` (as `training prepare` makes it) or a `labels.csv`, or such files.
        codes: Codes that are allowed.
        say: Told about frames without event and time.
        longest_gap: Between two frames of one event, where events follow from times.

    Raises:
        LabelsError: A file or column is missing, a label is unknown, or a frame comes twice.
        SeasonError: A `season.toml` or a time cannot be read.
    """
    labels: list[Label] = []
    for source in sources:
        labels += _read(source, codes)
    if not labels:
        raise LabelsError(f"No labelled frames in {', '.join(map(str, sources))}")
    _refuse_repeated(labels)
    return grouping.with_events(labels, say=say, longest_gap=longest_gap)


def any_synthetic(labels: Sequence[Label], sources: Sequence[Path]) -> bool:
    """Tells whether a computer made any of the frames: one synthetic winter makes the whole synthetic."""
    folders = {label.path.parent for label in labels} | set(sources)
    # Class folders lie inside the folder of the season.
    return any(is_synthetic(folder) or is_synthetic(folder.parent) for folder in folders)


def rule_of(folder: Path) -> TimeRule | None:
    """Reads the time rule of a folder's `season.toml`, None if there is none.

    Raises:
        SeasonError: It is there and cannot be used.
    """
    file = folder / SEASON_FILE
    return read_season(file) if file.is_file() else None


def _read(source: Path, codes: Sequence[str]) -> list[Label]:
    if source.is_dir():
        found = next((source / name for name in (MANIFEST_FILE, LABELS_FILE) if (source / name).is_file()), None)
        if found is None:
            raise LabelsError(
                f"{source}: expected a {LABELS_FILE}, as `training synth` makes it, or a {MANIFEST_FILE}; for "
                f"folders of modes or a table elsewhere, first run `training prepare {source}`"
            )
    elif source.is_file():
        found = source
    else:
        raise LabelsError(f"{source}: expected a folder of labelled frames; it does not exist (check the spelling)")
    if found.name == LABELS_FILE:
        folder = found.parent
        season = folder.resolve().name
        labels = [
            Label(folder / row.file, season, row.mode, f"{season}/{row.event}" if row.event else "", row.time_utc)
            for row in read_table(found, codes)
        ]
    else:
        labels = manifest.read(found, codes)
    return grouping.with_times(labels, rule_of(found.parent))


def _refuse_repeated(labels: Sequence[Label]) -> None:
    seen: dict[Path, Label] = {}
    for label in labels:
        path = label.path.resolve()
        if (earlier := seen.setdefault(path, label)) is not label:
            raise LabelsError(
                f"{label.path} comes twice, as {earlier.mode} and as {label.mode}; give each folder once"
            )
