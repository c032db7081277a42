"""The held-out frames of a run: scored, kept with the run, and read back to compare runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radar import durable
from radar.errors import SeasonError, VerificationError
from radar.events import as_times
from radar.verification.comparison import Comparison, compare
from radar.verification.report_files import NAME
from radar.verification.sample import Sample, index_of
from training.data.labelled import Label
from training.errors import TrainingError
from training.records import MANIFEST_FILE

FRAMES_FILE = "validation.csv"
_KEY = ("season", "file", "time_utc", "event", "observed")


def write_frames(
    path: Path,
    labels: Sequence[Label],
    codes: Sequence[str],
    probabilities: NDArray[np.floating],
) -> None:
    """Writes held-out frames with their calibrated probabilities.

    Args:
        path: CSV to write, whole or not at all.
        labels: The frames.
        codes: Codes of the modes.
        probabilities: Shape (N, K).

    Raises:
        OSError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_KEY, *(f"p_{code}" for code in codes)))
    for label, row in zip(labels, probabilities, strict=True):
        event = label.event.removeprefix(f"{label.season}/")
        writer.writerow(
            (label.season, label.path.name, label.time_utc, event, label.mode, *(f"{p:.7g}" for p in row))
        )
    durable.write_text(path, text.getvalue())


def read_frames(path: Path, *, threshold: float | None = None) -> tuple[list[tuple[str, str]], Sample]:
    """Reads what `write_frames` wrote.

    Args:
        path: The CSV.
        threshold: Frames whose largest probability reaches it are accepted; without it nobody knows which are.

    Returns:
        Season and name of each frame, by season and time; and the frames.

    Raises:
        TrainingError: The file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            codes = tuple(name.removeprefix("p_") for name in header[len(_KEY) :])
            rows = list(reader)
        if tuple(header[: len(_KEY)]) != _KEY or not codes:
            raise ValueError(f"the columns are {', '.join(header)[:100]}")
        times = as_times([row[2] for row in rows])
        order = np.lexsort((np.arange(len(rows)), times, index_of(row[0] for row in rows)[0])).tolist()
        rows = [rows[n] for n in order]
        probabilities = np.array([row[len(_KEY) :] for row in rows], np.float64)
        sample = Sample(
            codes=codes,
            observed=np.array([codes.index(row[4]) for row in rows], np.int64),
            predicted=probabilities.argmax(axis=1),
            events=index_of((row[0], row[3]) for row in rows)[0],
            series=index_of(row[0] for row in rows)[0],
            times=times[order],
            probabilities=probabilities,
            accepted=None if threshold is None else probabilities.max(axis=1) >= threshold,
        )
    except (OSError, ValueError, IndexError, csv.Error, SeasonError, VerificationError) as error:
        raise TrainingError(
            f"{path}: expected the held-out frames of a run of `training run`; cannot be read: {error}"
        ) from error
    return [(row[0], row[1]) for row in rows], sample


def split_of(folder: Path) -> str:
    """Tells by a run's manifest what its validation frames are: whole winters, whole events, or single frames.

    Returns:
        ``season``, ``event`` or ``frame``.

    Raises:
        TrainingError: The manifest cannot be read.
    """
    path = folder / MANIFEST_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sides = {side: [row for row in rows if row["split"] == side] for side in ("training", "validation")}
        for split, columns in {"season": ("season",), "event": ("season", "event")}.items():
            groups = [{tuple(row[name] for name in columns) for row in side} for side in sides.values()]
            if groups[0].isdisjoint(groups[1]):
                return split
    except (OSError, KeyError, csv.Error) as error:
        raise TrainingError(f"{path}: expected the manifest of a run; cannot be read: {error}") from error
    return "frame"


def compare_runs(first: Path, second: Path, *, seed: int = 0) -> Comparison:
    """Compares two runs on the frames that both held out.

    A frame that one of them was trained on would flatter it, so only those count that neither saw.

    Args:
        first: Folder of a run.
        second: Folder of another.
        seed: Of the resampling.

    Raises:
        TrainingError: A folder is none of a run, or they held out no frame in common.
        VerificationError: They do not agree on what was observed.
    """
    (keys, one), (other_keys, other) = (read_frames(folder / FRAMES_FILE) for folder in (first, second))
    place = {key: n for n, key in enumerate(other_keys)}
    common = [n for n, key in enumerate(keys) if key in place]
    if not common:
        raise TrainingError(
            f"{first} and {second}: expected frames that both runs held out, received none in common; train them on "
            "the same frames with the same seed and split"
        )
    names = (first.resolve().name, second.resolve().name)
    facts = [facts_of(folder) for folder in (first, second)]
    notes = []
    for name, number in zip(names, (len(keys), len(other_keys)), strict=True):
        if len(common) < number:
            notes.append(f"{name} held out {number:,} frames; {len(common):,} of them are compared, which both did.")
    return compare(
        one.take(np.array(common)),
        other.take(np.array([place[keys[n]] for n in common])),
        names=names,
        split="event" if {fact["split"] for fact in facts} == {"event"} else "frame",
        synthetic=any(fact["synthetic"] for fact in facts),
        seed=seed,
        notes=tuple(notes),
    )


def facts_of(folder: Path) -> dict[str, object]:
    """Reads how the frames of a run were split, and whether a computer made them.

    Raises:
        TrainingError: The folder is none of a run.
    """
    path = folder / f"{NAME}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"split": content["split"], "synthetic": content["synthetic"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: expected the report of a run of `training run`; cannot be read: {error}"
        ) from error
