"""`client evaluate`: results of a season against what people saw, frame by frame or by periods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.errors import ConfigError
from client.results.rows import Row, read_results
from radar.errors import LabelsError, SeasonError, VerificationError
from radar.events import LONGEST_GAP, Event, Times, as_times, find_events
from radar.labels import Label, read_labels
from radar.periods import is_period_table, modes_at, read_periods
from radar.seasons import is_synthetic
from radar.verification.event_level import TOLERANCE
from radar.verification.report import Report, verify
from radar.verification.sample import Sample, index_of


@dataclass(frozen=True, slots=True)
class Options:
    """How results are held against labels.

    Attributes:
        zone: Of times in a table of periods that carry none.
        outside: Code of the mode of frames that lie in no period; without it they are not scored.
        ignored: Labels whose frames are not scored.
        split: Which frames these are to the model, a key of `radar.verification.report.SPLITS`.
        synthetic: Whether a computer made the frames; found out from `season.toml` where None.
        longest_gap: Between two frames of one event.
        tolerance: Of onset and end of events.
        seed: Of the resampling.
    """

    zone: str = "UTC"
    outside: str | None = None
    ignored: tuple[str, ...] = ()
    split: str = "unknown"
    synthetic: bool | None = None
    longest_gap: timedelta = LONGEST_GAP
    tolerance: timedelta = TOLERANCE
    seed: int = 0


def evaluate(results: Path, labels: Path, options: Options) -> Report:
    """Scores a result file against a table of labels or of periods.

    Args:
        results: A result file of `client classify`.
        labels: CSV with the columns file and label (event, time_utc), or start, end and mode.
        options: How.

    Raises:
        ConfigError: The result file is none, or the options do not fit the table.
        LabelsError: The table cannot be used, or has no frame in common with the results.
        SeasonError: There is no such zone.
    """
    codes, every = read_results(results)
    if options.outside is not None and options.outside not in codes:
        raise ConfigError(f"--outside: expected a mode among {', '.join(codes)}, received {options.outside!r}")
    rows = list(every)
    failed = sum(1 for row in rows if not row.label)
    rows = [row for row in rows if row.label]
    with _naming(results):
        times = as_times([row.time_utc for row in rows])
    order = np.argsort(times, kind="stable")  # unknown times last, in the order of their names
    rows, times = [rows[n] for n in order.tolist()], times[order]
    table = _periods if is_period_table(labels) else _frames
    seen = table(rows, times, labels, codes, options)
    chosen = seen.modes >= 0
    if not chosen.any():
        raise LabelsError(
            f"{results} and {labels} have no frame in common: the results begin with {rows[0].file if rows else '-'} "
            f"{rows[0].time_utc if rows else ''}, {seen.first}"
        )
    predicted = np.array([codes.index(row.label) for row in rows], np.int64)
    probabilities = np.array([row.probabilities for row in rows])
    predicted_events, event_of_frame = find_events(predicted, times, longest_gap=options.longest_gap)
    scored = np.zeros(len(predicted_events), bool)
    scored[event_of_frame[chosen & (event_of_frame >= 0)]] = True
    with _naming(results):
        sample = Sample(
            codes=codes,
            observed=seen.modes[chosen],
            predicted=predicted[chosen],
            events=index_of(seen.events[chosen].tolist())[0] if len(seen.events) else seen.events,
            times=times[chosen],
            probabilities=probabilities[chosen],
            accepted=np.array([row.accepted for row in rows])[chosen],
            observed_events=seen.observed,
            predicted_events=predicted_events,
            scored_events=scored.tolist(),
        )
    notes = [*seen.notes]
    if failed:
        notes.append(f"{failed:,} frames could not be classified and are not scored.")
    if left := int((~chosen).sum()):
        notes.append(f"{left:,} classified frames have no label and are not scored.")
    synthetic = options.synthetic
    return verify(
        sample,
        title=f"{results.stem}, model {rows[0].model_version}",
        split=options.split,
        synthetic=_looks_synthetic(results, labels) if synthetic is None else synthetic,
        tolerance=options.tolerance,
        seed=options.seed,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What people saw in each row: mode or -1, and event; the events; what is to be said; where the table begins."""

    modes: NDArray[np.int64]
    events: NDArray[np.int64]
    observed: Sequence[Event]
    notes: list[str]
    first: str


def _frames(rows: Sequence[Row], times: Times, path: Path, codes: Sequence[str], options: Options) -> _Seen:
    if options.outside is not None:
        raise ConfigError(f"--outside belongs to a table of periods; {path} labels single frames")
    labels = {label.file: label for label in read_labels(path, codes, ignored=options.ignored)}
    found = [labels.get(row.file) for row in rows]
    _check_season(rows, times, found, path)
    modes = np.array([codes.index(label.mode) if label else -1 for label in found], np.int64)
    notes = []
    if absent := len(labels) - sum(1 for label in found if label):
        notes.append(f"{absent:,} labelled frames are not among the classified ones and are not scored.")
    first = f"the labels with {next(iter(labels))}" if labels else "and there is no label"
    observed, events = find_events(modes, times, longest_gap=options.longest_gap)
    if all(label.event for label in found if label):
        events, _ = index_of(label.event if label else "" for label in found)
    elif np.isnat(times[modes >= 0]).any():
        events = np.empty(0, np.int64)
    return _Seen(modes, events, observed, notes, first)


def _check_season(rows: Sequence[Row], times: Times, labels: Sequence[Label | None], path: Path) -> None:
    """Refuses labels of another season: indexed names are the same every winter.

    Raises:
        LabelsError: The labels say another time than the results.
    """
    labelled = as_times([label.time_utc if label else "" for label in labels])
    other = (labelled != times) & ~np.isnat(labelled) & ~np.isnat(times)
    if other.any():
        n = int(other.argmax())
        raise LabelsError(
            f"{path}: these labels are of another season, or the results were made with another time rule: "
            f"{rows[n].file} is {labelled[n]}Z in the labels and {rows[n].time_utc} in the results, and so are "
            f"{int(other.sum()) - 1:,} others"
        )


def _periods(rows: Sequence[Row], times: Times, path: Path, codes: Sequence[str], options: Options) -> _Seen:
    if options.ignored:
        raise ConfigError(f"--ignore belongs to a table of labelled frames; {path} has periods")
    if rows and np.isnat(times).all():
        raise ConfigError(
            f"{path} has periods, but the frames of the result file have no times; classify with --pattern, or with "
            "a season.toml in the folder"
        )
    periods = read_periods(path, codes, zone=options.zone)
    modes, events = modes_at(periods, times)
    with_frames = np.bincount(events[events >= 0], minlength=len(periods)) > 0
    observed = [period for period, there in zip(periods, with_frames, strict=True) if there]
    notes = []
    if empty := len(periods) - len(observed):
        notes.append(f"{empty:,} periods hold no classified frame and are not scored.")
    if options.outside is not None:
        rest = np.where(modes < 0, list(codes).index(options.outside), -1)
        further, of_rest = find_events(rest, times, longest_gap=options.longest_gap)
        outside = of_rest >= 0
        modes[outside] = rest[outside]
        events[outside] = len(periods) + of_rest[outside]
        observed = sorted([*observed, *further], key=lambda event: event.start)
    return _Seen(modes, events, observed, notes, f"the periods at {periods[0].start:%Y-%m-%dT%H:%MZ}")


@contextmanager
def _naming(results: Path) -> Iterator[None]:
    """Puts the name of the result file before what is wrong with its rows."""
    try:
        yield
    except (SeasonError, VerificationError) as error:
        raise ConfigError(f"{results}: {error}") from error


def _looks_synthetic(results: Path, labels: Path) -> bool:
    folders = [labels.parent]
    try:
        run = json.loads(results.with_name(results.name + ".run.json").read_text(encoding="utf-8"))
        folders.append(Path(run["folder"]))
    except (OSError, ValueError, KeyError, TypeError):  # results from elsewhere
        pass
    return any(map(is_synthetic, folders))
