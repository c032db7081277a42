"""Splits: which frames train, which validate, which stay sealed until the end.

Frames ten minutes apart are near copies of each other. A split that draws single frames puts copies of the training
frames into the validation set, and its scores flatter; so whole events, or whole winters, go to one side.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from radar.errors import LabelsError
from radar.events import as_times
from training.data.grouping import joined_groups
from training.data.labelled import Label

TRAINING, VALIDATION, TEST, GUARD = "training", "validation", "test", "guard"
SIDES = (TRAINING, VALIDATION, TEST, GUARD)
"""The sides of a split; frames of the guard band stand between the others and are used by none."""

GUARD_HOURS = 6.0

FLATTERS = (
    "Warning: a split by frame flatters. Frames ten minutes apart are near copies, and this split puts copies of the "
    "training frames into the validation set; compare with --set data.split=event"
)

Sides = NDArray[np.str_]


def split(
    labels: Sequence[Label],
    *,
    by: str,
    share: float,
    seed: int,
    test_seasons: Sequence[str] = (),
    guard_hours: float = GUARD_HOURS,
) -> Sides:
    """Gives every frame a side.

    Args:
        labels: The frames, with events.
        by: ``event`` (whole events, shares of the modes kept as well as events allow), ``season`` (whole winters),
            ``frame`` (single frames; flatters) or ``manifest`` (as the manifest says).
        share: Share of validation frames among those that are not sealed; met exactly by ``frame``, nearly by
            ``event``.
        seed: Of the draw.
        test_seasons: Winters that are sealed: nothing is fitted to them or chosen by them.
        guard_hours: Events of one mode this close stay on one side; and training frames this close to a frame of
            another side are set aside where winters are cut. Needs times.

    Returns:
        The side of each frame, shape (N,).

    Raises:
        LabelsError: Too few events or winters to have every mode on both sides, or no winter of that name.
    """
    sides = np.full(len(labels), TRAINING, dtype="<U10")
    if by == "manifest":
        return _as_written(labels)
    sealed = _sealed(labels, test_seasons)
    sides[sealed] = TEST
    open_frames = np.flatnonzero(~sealed)
    chosen = [labels[n] for n in open_frames.tolist()]
    if not chosen:
        raise LabelsError(f"Expected frames besides the sealed winters {', '.join(test_seasons)}, received none")
    held_out = _by_frame(chosen, share, seed) if by == "frame" else _best_fold(chosen, by, share, seed, guard_hours)
    sides[open_frames[held_out]] = VALIDATION
    if by == "season" or sealed.any():
        _set_aside(labels, sides, guard_hours, against=TEST if by != "season" else "")
    _check_both(labels, sides)
    return sides


def folds(
    labels: Sequence[Label], count: int, *, by: str = "event", seed: int, guard_hours: float = GUARD_HOURS
) -> list[Sides]:
    """Cuts frames into folds for cross-validation: each frame validates in exactly one of them.

    Args:
        labels: The frames, with events; sealed winters left out.
        count: Number of folds; by ``season`` at most the number of winters.
        by: ``event``, ``season``, or ``frame`` (flatters).
        seed: Of the draw.
        guard_hours: See `split`.

    Returns:
        One array of sides for each fold, shape (N,).

    Raises:
        LabelsError: Too few events or winters for so many folds.
    """
    groups = _groups(labels, by, guard_hours)
    modes = np.array([label.mode for label in labels])
    for mode in np.unique(modes):
        number = len(np.unique(groups[modes == mode]))
        if number < count:
            raise LabelsError(
                f"{count} folds by {by} need {count} {_PLURAL[by]} of each mode, so that each fold holds one; {mode} "
                f"has {number}. Give more frames, or ask for fewer folds"
            )
    result = []
    for _, held_out in _cut(modes, groups, count, seed):
        sides = np.full(len(labels), TRAINING, dtype="<U10")
        sides[held_out] = VALIDATION
        if by == "season":
            _set_aside(labels, sides, guard_hours)
        result.append(sides)
    return result


_PLURAL = {"event": "events", "season": "winters", "frame": "frames"}


def _as_written(labels: Sequence[Label]) -> Sides:
    unknown = sorted({label.split for label in labels} - set(SIDES))
    if unknown:
        raise LabelsError(
            f"data.split=manifest: expected {', '.join(SIDES)} in the column split of a manifest, received "
            f"{', '.join(map(repr, unknown[:5]))}"
        )
    sides = np.array([label.split for label in labels], dtype="<U10")
    _check_both(labels, sides)
    return sides


def crossing_events(labels: Sequence[Label], sides: Sides) -> list[str]:
    """Lists the events that stand in training and in what is scored as well."""
    trained = {label.event for label, side in zip(labels, sides, strict=True) if side == TRAINING}
    scored = {label.event for label, side in zip(labels, sides, strict=True) if side in (VALIDATION, TEST)}
    return sorted(trained & scored)


def _sealed(labels: Sequence[Label], seasons: Sequence[str]) -> NDArray[np.bool_]:
    known = sorted({label.season for label in labels})
    for season in seasons:
        if season not in known:
            close = get_close_matches(season, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise LabelsError(
                f"data.test_seasons: expected winters among {', '.join(known)}, received {season!r}{hint}"
            )
    return np.array([label.season in set(seasons) for label in labels], bool)


def _groups(labels: Sequence[Label], by: str, guard_hours: float) -> NDArray[np.int64]:
    if by == "frame":
        return np.arange(len(labels))
    if by == "season":
        known = sorted({label.season for label in labels})
        return np.array([known.index(label.season) for label in labels], np.int64)
    return joined_groups(labels, guard_hours)


def _by_frame(labels: Sequence[Label], share: float, seed: int) -> NDArray[np.int64]:
    try:
        _, held_out = train_test_split(
            np.arange(len(labels)), test_size=share, stratify=[label.mode for label in labels], random_state=seed
        )
    except ValueError as error:
        raise LabelsError(f"Too few frames for a split by frame with every mode on both sides: {error}") from error
    chosen: NDArray[np.int64] = held_out
    return chosen


def _best_fold(labels: Sequence[Label], by: str, share: float, seed: int, guard_hours: float) -> NDArray[np.int64]:
    groups = _groups(labels, by, guard_hours)
    names, modes = np.unique([label.mode for label in labels], return_inverse=True)
    for k, mode in enumerate(names.tolist()):
        number = len(np.unique(groups[modes == k]))
        if number < 2:
            way_out = "frame (its scores flatter)" if by == "event" else "event"
            raise LabelsError(
                f"A split by {by} needs at least 2 {_PLURAL[by]} of each mode; {mode} has {number}. "
                f"Give more frames, or --set data.split={way_out}"
            )
    count = max(2, round(1 / share))
    if by == "season":
        count = min(count, len(np.unique(groups)))
    best, best_distance = None, np.inf
    # Events differ in length, so some folds are lopsided: the one whose modes are shared out best is taken.
    whole = np.bincount(modes) / len(modes)
    for kept, held_out in _cut(modes, groups, count, seed):
        shares = np.bincount(modes[held_out], minlength=len(whole)) / max(len(held_out), 1)
        distance = float(np.abs(shares - whole).sum() + abs(len(held_out) / len(modes) - share))
        on_both_sides = set(modes[kept]) == set(modes[held_out]) == set(modes)
        if on_both_sides and distance < best_distance:
            best, best_distance = held_out, distance
    if best is None:
        raise LabelsError(
            f"No split by {by} leaves every mode on both sides; give more {_PLURAL[by]} of the rare modes"
        )
    return best


def _cut(
    modes: NDArray[np.generic], groups: NDArray[np.int64], count: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Modes with fewer frames than folds are missing from some; those folds are not taken.
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield from list(splitter.split(np.zeros(len(modes)), modes, groups))
        except ValueError:  # fewer frames of each mode than folds
            return


def _set_aside(labels: Sequence[Label], sides: Sides, hours: float, *, against: str = "") -> None:
    """Moves training frames into the guard band that lie within some hours of frames of another side."""
    times = as_times([label.time_utc or None for label in labels])
    other = (sides == against) if against else (sides == VALIDATION) | (sides == TEST)
    fixed = np.sort(times[other & ~np.isnat(times)])
    mine = np.flatnonzero((sides == TRAINING) & ~np.isnat(times))
    if not len(fixed) or not len(mine) or not hours:
        return
    limit = np.timedelta64(int(hours * 3600), "s")
    after = np.searchsorted(fixed, times[mine])
    to_next = fixed[np.minimum(after, len(fixed) - 1)] - times[mine]
    to_last = times[mine] - fixed[np.maximum(after - 1, 0)]
    near = ((after < len(fixed)) & (to_next < limit)) | ((after > 0) & (to_last < limit))
    sides[mine[near]] = GUARD


def _check_both(labels: Sequence[Label], sides: Sides) -> None:
    modes = np.array([label.mode for label in labels])
    known = set(modes.tolist())
    for side in (TRAINING, VALIDATION):
        if missing := sorted(known - set(modes[sides == side].tolist())):
            raise LabelsError(f"The {side} frames hold none of {', '.join(missing)}; give more frames of these modes")
