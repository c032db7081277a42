"""Grouping: which event each labelled frame belongs to, where nobody wrote it down.

A group is what a split never cuts. Frames ten minutes apart are near copies, so it is an event: what the table says,
else what follows from the times of the frames, else each frame by itself, and then somebody has to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from radar.errors import SeasonError
from radar.events import LONGEST_GAP, as_times, find_events
from radar.seasons import TimeRule, format_utc
from training.data.labelled import Label


def with_times(labels: Sequence[Label], rule: TimeRule | None) -> list[Label]:
    """Reads the times that are missing from the names of the frames; a name that tells none leaves it empty."""
    if rule is None:
        return list(labels)
    return [label if label.time_utc else replace(label, time_utc=_time_of(label, rule)) for label in labels]


def with_events(
    labels: Sequence[Label], *, say: Callable[[str], None], longest_gap: timedelta = LONGEST_GAP
) -> list[Label]:
    """Gives every frame an event, ``season/event``.

    Args:
        labels: With `event` empty where it is not known.
        say: Told about frames that have neither event nor time.
        longest_gap: Between two frames of one event that is made from times.

    Raises:
        SeasonError: A time cannot be read.
    """
    missing = [n for n, label in enumerate(labels) if not label.event]
    if not missing:
        return list(labels)
    codes = sorted({label.mode for label in labels})
    seasons = sorted({label.season for label in labels})
    of = [labels[n] for n in missing]
    _, events = find_events(
        [codes.index(label.mode) for label in of],
        as_times([label.time_utc or None for label in of]),
        longest_gap=longest_gap,
        series=[seasons.index(label.season) for label in of],
    )
    result = list(labels)
    alone = 0
    for n, label, event in zip(missing, of, events.tolist(), strict=True):
        # "+" keeps names made here apart from names that somebody wrote.
        name = f"{label.mode}+{event:04d}" if event >= 0 else f"+{label.path.name}"
        alone += event < 0
        result[n] = replace(label, event=f"{label.season}/{name}")
    if alone:
        say(
            f"Warning: {alone:,} frames have neither event nor time, so each counts as an event of its own. Near "
            "copies may then stand on both sides of a split, and scores flatter; give a column event or time_utc, "
            "or a season.toml that reads the times from the names"
        )
    return result


def joined_groups(labels: Sequence[Label], hours: float) -> NDArray[np.int64]:
    """Joins events of one mode that follow each other within some hours: a band that paused is still that band.

    Args:
        labels: With events; those without times keep theirs to themselves.
        hours: Events of one mode and season closer than this are one group.

    Returns:
        The number of the group of each frame, shape (N,).
    """
    names = sorted({label.event for label in labels})
    place = {name: n for n, name in enumerate(names)}
    event = np.array([place[label.event] for label in labels], np.int64)
    times = as_times([label.time_utc or None for label in labels])
    limit = np.timedelta64(int(hours * 3600), "s")
    parent = np.arange(len(names))
    # Modes are taken one by one: at the border between two modes near copies carry different labels, and that does
    # not flatter.
    keys = sorted({(label.season, label.mode) for label in labels})
    number = {key: n for n, key in enumerate(keys)}
    kind = np.array([number[label.season, label.mode] for label in labels], np.int64)
    for n in range(len(keys)):
        mine = np.flatnonzero((kind == n) & ~np.isnat(times))
        mine = mine[np.argsort(times[mine], kind="stable")]
        near = (times[mine[1:]] - times[mine[:-1]] < limit) & (event[mine[1:]] != event[mine[:-1]])
        for a, b in zip(event[mine[:-1]][near].tolist(), event[mine[1:]][near].tolist(), strict=True):
            root_a, root_b = _root(parent, a), _root(parent, b)
            parent[max(root_a, root_b)] = min(root_a, root_b)
    roots = np.array([_root(parent, n) for n in range(len(names))], np.int64)
    return roots[event]


def _root(parent: NDArray[np.int64], n: int) -> int:
    while parent[n] != n:
        parent[n] = parent[parent[n]]
        n = int(parent[n])
    return n


def _time_of(label: Label, rule: TimeRule) -> str:
    try:
        return format_utc(rule.time_of(label.path.name))
    except SeasonError:
        return ""
