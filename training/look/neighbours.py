"""Nearest neighbours in the penultimate layer: do frames lie together because they look alike, or are copies?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Leakage:
    """What the neighbours of frames tell.

    Attributes:
        same_event: Share of the frames whose nearest neighbour is of the same event, 0 to 1.
        same_mode: ... of the same mode, but of another event.
        other: ... of another mode.
        chance_same_event: What the first would be if neighbours were drawn at random.
        any_event: Share of the frames whose mode the majority of their k nearest neighbours gives.
        other_events: The same with neighbours of other events only. What is lost was copied, not learned.
        k: Neighbours that vote.
        frames: How many frames have a neighbour of another event; the shares are over these.
    """

    same_event: float
    same_mode: float
    other: float
    chance_same_event: float
    any_event: float
    other_events: float
    k: int
    frames: int


def distances(a: Features, b: Features) -> NDArray[np.float64]:
    """Gives one minus the cosine of every pair, shape (N, M), 0 to 2; a vector of zeros is 1 from everything.

    The last layer weighs directions of the penultimate one, and the strength of the echo lengthens all of it.
    """
    result: NDArray[np.float64] = 1 - _unit(a) @ _unit(b).T
    return result


def leakage(features: Features, classes: NDArray[np.integer], events: NDArray[np.str_], *, k: int = 5) -> Leakage:
    """Looks at the neighbours of each frame among the others.

    Args:
        features: Shape (N, d).
        classes: Mode of each, shape (N,).
        events: Event of each, shape (N,).
        k: Neighbours that vote on a mode.

    Raises:
        ValueError: Fewer than 3 frames, or all of one event.
    """
    count = len(features)
    same_event = events[:, np.newaxis] == events[np.newaxis]
    # Frames may lack neighbours outside their event only if all are of one.
    if count < 3 or same_event.all():
        raise ValueError(f"Expected 3 or more frames of 2 or more events. Received: {count} frames")
    apart = distances(features, features)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(axis=1)
    each = np.arange(count)
    of_event, of_mode = same_event[each, nearest], classes[nearest] == classes
    others = same_event.sum(axis=1) - 1
    free = np.where(same_event, np.inf, apart)
    return Leakage(
        same_event=float(of_event.mean()),
        same_mode=float((of_mode & ~of_event).mean()),
        other=float((~of_mode & ~of_event).mean()),
        chance_same_event=float((others / (count - 1)).mean()),
        any_event=float((_vote(apart, classes, k) == classes).mean()),
        other_events=float((_vote(free, classes, k) == classes).mean()),
        k=k,
        frames=count,
    )


def nearest(features: Features, references: Features, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Finds the nearest references of each frame.

    Returns:
        Their indices, nearest first, and their distances, shape (N, count) each.
    """
    apart = distances(features, references)
    found = np.argsort(apart, axis=1, kind="stable")[:, :count].astype(np.int64)
    return found, np.take_along_axis(apart, found, axis=1)


def _vote(apart: NDArray[np.float64], classes: NDArray[np.integer], k: int) -> NDArray[np.int64]:
    """Gives the mode of most of the k nearest; of several the one with the nearest frame."""
    ranked = np.argsort(apart, axis=1, kind="stable")[:, :k]
    reachable = np.isfinite(np.take_along_axis(apart, ranked, axis=1))
    modes = int(classes.max()) + 1
    votes = np.zeros((len(apart), modes))
    for place in range(ranked.shape[1]):
        # The share below 1 decides between equals only.
        weight = reachable[:, place] * (1 + 1e-6 * (ranked.shape[1] - place))
        np.add.at(votes, (np.arange(len(apart)), classes[ranked[:, place]]), weight)
    winner: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    return winner


def _unit(values: Features) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    length = np.linalg.norm(numbers, axis=1, keepdims=True)
    result = np.zeros_like(numbers)
    np.divide(numbers, length, out=result, where=length > 0)
    return result
