"""`training prepare`: from folders of modes, or a table, to a manifest, and what is wrong with the frames."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import archive, durable, frames
from radar.errors import LabelsError
from radar.events import LONGEST_GAP
from radar.frames import FrameRule
from radar.labels import LABELS_FILE, closest_code
from radar.labels import read_labels as read_table
from radar.seasons import TimeRule, season_year
from training.data import duplicates, grouping, manifest
from training.data.labelled import Label, LabelledFrames
from training.data.loading import load_frames, read_all
from training.data.manifest import MANIFEST_FILE
from training.data.splits import split

PROBLEMS_FILE = "problems.csv"
FEW_FRAMES, FEW_EVENTS = 30, 5

UNREADABLE, DUPLICATE, CONFLICT, NEAR = "unreadable", "duplicate", "label conflict", "near duplicate"
KINDS = (CONFLICT, UNREADABLE, NEAR, DUPLICATE)
"""What can be wrong with a frame; the worst first."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a frame.

    Attributes:
        kind: One of `KINDS`.
        path: The frame.
        other: The frame it collides with, if any.
        what: In words.
        left_out: Whether the frame is not in the manifest because of it.
    """

    kind: str
    path: Path
    other: Path | None
    what: str
    left_out: bool


@dataclass(frozen=True)
class Prepared:
    """What came of a folder.

    Attributes:
        labels: The good frames, in order of season, time and name.
        sides: The side of the split of each that `training run` would choose; empty if there are too few events.
        problems: With single frames.
        notes: About the whole.
    """

    labels: list[Label]
    sides: list[str]
    problems: list[Problem]
    notes: list[str]


def find_labels(folder: Path, codes: Sequence[str], *, table: Path | None = None) -> list[Label]:
    """Finds the frames and their labels.

    Args:
        folder: With a folder for each mode, named by its code; or with the frames of a table.
        codes: Codes of the modes.
        table: CSV with the columns file and label, and if known time_utc and event; by default a `labels.csv` in the
            folder, if there is one.

    Returns:
        Labels with events only where the table has them.

    Raises:
        LabelsError: There is no such folder, no frame in it, or a folder or label that is no mode.
        ArchiveError: A folder cannot be read.
    """
    if not folder.is_dir():
        raise LabelsError(f"{folder}: expected a folder of labelled frames; it does not exist (check the spelling)")
    season = folder.resolve().name
    if table is None and (folder / LABELS_FILE).is_file():
        table = folder / LABELS_FILE
    if table is not None:
        rows = read_table(table, codes)
        labels = [
            Label(folder / row.file, season, row.mode, f"{season}/{row.event}" if row.event else "", row.time_utc)
            for row in rows
        ]
        if labels and not any(label.path.exists() for label in labels):
            raise LabelsError(
                f"{table}: expected names of frames in {folder}; none of the {len(labels):,} is there, for example "
                f"{labels[0].path.name}"
            )
    else:
        labels = [
            Label(folder / name / frame, season, name, "")
            for name in _mode_folders(folder, codes)
            for frame in archive.scan(folder / name, recursive=True).names
        ]
    if not labels:
        raise LabelsError(
            f"{folder}: expected frames (.png) in folders named {', '.join(codes)}, or a {LABELS_FILE}; received none"
        )
    return labels


def prepare(
    labels: Sequence[Label],
    *,
    rule: TimeRule | None,
    say: Callable[[str], None],
    progress: Callable[[int, int], None] = lambda *_: None,
    longest_gap: timedelta = LONGEST_GAP,
    share: float = 0.2,
    seed: int = 1,
) -> Prepared:
    """Looks at every frame, gives it time and event, and tells what is wrong.

    Frames that cannot be read, further copies of a file, and frames whose label is in doubt are left out.

    Args:
        labels: Of `find_labels`.
        rule: By which names tell times; None takes times from the table alone.
        say: Told about frames without event and time.
        progress: Called now and then with the frames done and their number.
        longest_gap: Between two frames of one event that is made from times.
        share: Of validation frames.
        seed: Of the split.

    Raises:
        LabelsError: Not one frame is left.
    """
    hashes: list[NDArray[np.bool_] | None] = [None] * len(labels)

    def look(n: int, data: bytes) -> None:
        hashes[n] = duplicates.difference_hash(frames.decode(data))

    digests, errors = read_all([label.path for label in labels], look, progress)
    known = [replace(label, sha256=digest) for label, digest in zip(labels, digests, strict=True)]
    timed = _by_winter(grouping.with_times(known, rule))
    problems = [
        Problem(UNREADABLE, label.path, None, error, True)
        for label, error in zip(timed, errors, strict=True)
        if error
    ]
    good = [n for n, error in enumerate(errors) if not error]
    problems += _copies([timed[n] for n in good])
    problems += _same_time([timed[n] for n in good])
    bad = {problem.path for problem in problems if problem.left_out}
    kept = [n for n in good if timed[n].path not in bad]
    if not kept:
        raise LabelsError("Expected frames that can be used; not one is left")
    kept.sort(key=lambda n: (timed[n].season, timed[n].time_utc, str(timed[n].path)))
    final = grouping.with_events([timed[n] for n in kept], say=say, longest_gap=longest_gap)
    events = sorted({label.event for label in final})
    place = {event: n for n, event in enumerate(events)}
    groups = np.array([place[label.event] for label in final], np.int64)
    for pair in duplicates.near_pairs([hashes[n] for n in kept], groups):
        first, second = final[pair.first], final[pair.second]
        what = f"nearly the same picture in the events {first.event} and {second.event}"
        if first.mode != second.mode:
            what += f", labelled {first.mode} and {second.mode}"
        problems.append(Problem(NEAR, second.path, first.path, what, False))
    notes = list(_notes(final))
    sides = [""] * len(final)
    try:
        sides = split(final, by="event", share=share, seed=seed).tolist()
    except LabelsError as error:
        notes.append(f"No split by event yet: {error}")
    problems.sort(key=lambda problem: KINDS.index(problem.kind))
    return Prepared(final, sides, problems, notes)


def write(prepared: Prepared, out: Path) -> list[Path]:
    """Writes `manifest.csv`, and `problems.csv` if there are any, into a folder; whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    written = [out / MANIFEST_FILE]
    durable.write_text(written[0], manifest.text(prepared.labels, prepared.sides, out))
    (out / PROBLEMS_FILE).unlink(missing_ok=True)
    if prepared.problems:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("kind", "path", "other", "left_out", "what"))
        for problem in prepared.problems:
            left_out = "yes" if problem.left_out else "no"
            writer.writerow((problem.kind, problem.path, problem.other or "", left_out, problem.what))
        written.append(out / PROBLEMS_FILE)
        durable.write_text(written[1], text.getvalue())
    return written


def write_photos(prepared: Prepared, codes: Sequence[str], size: int, file: Path) -> LabelledFrames:
    """Writes the frames as arrays, as the original process kept them.

    The file has `x`, uint8 RGB (N, size, size, 3); `y`, the number of the mode in the order of `codes` (N,); and
    `codes`.

    Args:
        prepared: The frames.
        codes: Codes of all modes.
        size: Rows and columns.
        file: NPZ.

    Raises:
        LabelsError: A frame is smaller than that.
        OSError: It cannot be written.
    """

    def refuse(line: str) -> None:
        raise LabelsError(f"--photos: {line.removeprefix('Left out: ')}")

    present = [code for code in codes if any(label.mode == code for label in prepared.labels)]
    data = load_frames(prepared.labels, present, FrameRule(size, size), refuse)
    order = np.array([list(codes).index(code) for code in present], np.int64)
    with durable.replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, x=data.images, y=order[data.classes], codes=np.array(codes))
    return data


def _mode_folders(folder: Path, codes: Sequence[str]) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for name in names:
        if name not in codes and archive.scan(folder / name, recursive=True).names:
            guess = closest_code(name, codes)
            raise LabelsError(
                f"{folder / name}: expected folders named {', '.join(codes)}; received {name!r}"
                + (f"; did you mean {guess}?" if guess else "; move it away, or rename it")
            )
    return [name for name in codes if name in names]


def _by_winter(labels: list[Label]) -> list[Label]:
    """Tells winters apart that lie in one folder: NAME-2015 for the one that began in 2015."""
    years = [season_year(datetime.fromisoformat(label.time_utc)) if label.time_utc else None for label in labels]
    if len({year for year in years if year is not None}) < 2:
        return labels
    result = []
    for label, year in zip(labels, years, strict=True):
        season = label.season if year is None else f"{label.season}-{year}"
        event = label.event.removeprefix(f"{label.season}/")
        result.append(replace(label, season=season, event=f"{season}/{event}" if event else ""))
    return result


def _copies(labels: Sequence[Label]) -> Iterator[Problem]:
    """Finds files with the same content: further copies of one label, and all of those with several."""
    same: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        same[label.sha256].append(label)
    for group in same.values():
        modes = sorted({label.mode for label in group})
        if len(modes) > 1:
            for label, other in zip(group, [*group[1:], group[0]], strict=True):
                what = f"the same picture is labelled {' and '.join(modes)}"
                yield Problem(CONFLICT, label.path, other.path, what, True)
        else:
            # Empty frames of quiet weather are equal to the last byte, and each is a frame of its own time.
            seen: dict[tuple[str, str], Label] = {}
            for label in sorted(group, key=lambda label: not label.time_utc):
                first = seen.setdefault((label.season, label.time_utc), label)
                if not label.time_utc:
                    first = next(iter(seen.values()))
                if first is not label:
                    yield Problem(DUPLICATE, label.path, first.path, "the same file", True)


def _same_time(labels: Sequence[Label]) -> Iterator[Problem]:
    """Finds frames of one time in one season: there is one weather at a time."""
    same: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in labels:
        if label.time_utc:
            same[label.season, label.time_utc].append(label)
    for group in same.values():
        modes = sorted({label.mode for label in group})
        if len(modes) > 1 and len({label.sha256 for label in group}) > 1:
            for label, other in zip(group, [*group[1:], group[0]], strict=True):
                what = f"{label.time_utc} is labelled {' and '.join(modes)}"
                yield Problem(CONFLICT, label.path, other.path, what, True)


def _notes(labels: Sequence[Label]) -> Iterator[str]:
    counts = Counter(label.mode for label in labels)
    events = Counter(mode for mode, _ in {(label.mode, label.event) for label in labels})
    if len(counts) < 2:
        yield f"There is one mode only, {next(iter(counts))}; a model needs at least two"
    for mode, count in counts.items():
        if count < FEW_FRAMES or events[mode] < FEW_EVENTS:
            yield (
                f"Few frames of {mode}: {count:,} of {events[mode]:,} events; below {FEW_FRAMES} frames or "
                f"{FEW_EVENTS} "
                "events little can be learned, and less be told of how well"
            )
