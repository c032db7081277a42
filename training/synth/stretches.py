"""Which part of a winter to draw when fewer frames are wanted than it has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synth.climate import MODES, Winter

_STRETCH_H = 48.0
_FEWEST_STRETCHES = 12
_SHORTEST_SLOTS = 6
_CANDIDATES = 24
_ROUNDS = 3
_STREAM = 3

Counts = NDArray[np.int_]


def choose_slots(winter: Winter, frames: int) -> list[int]:
    """Chooses stretches of one to three days spread over the winter.

    The winter is cut into equal blocks with one stretch in each; where in its block a stretch lies is chosen
    so that all modes occur, with several events each, in about the shares of the whole winter. For few frames
    the stretches are shorter. An event is kept out of two stretches where the frames leave room for that.

    Args:
        winter: The winter.
        frames: How many slots to choose, 1 to ``winter.slots``.

    Returns:
        Slots, ascending.
    """
    if frames >= winter.slots:
        return list(range(winter.slots))
    rng = winter.random(_STREAM)
    usual = round(frames * winter.slot_h / _STRETCH_H)
    count = max(1, usual, min(_FEWEST_STRETCHES, frames // _SHORTEST_SLOTS))
    edges = np.linspace(0, winter.slots, count + 1).astype(int)
    lengths = _share_out(rng, frames, np.diff(edges))

    owner = np.empty(winter.slots, np.int32)
    mode_of = np.array([MODES.index(event.mode) for event in winter.events])
    for event in winter.events:
        owner[event.start : event.end] = event.number
    target = np.bincount(mode_of[owner], minlength=len(MODES)) / winter.slots

    starts = np.array(
        [rng.integers(low, high - length + 1) for low, high, length in zip(edges, edges[1:], lengths, strict=False)]
    )
    events = [set(np.unique(owner[s : s + n]).tolist()) for s, n in zip(starts, lengths, strict=True)]
    counts = np.array(
        [np.bincount(mode_of[owner[s : s + n]], minlength=len(MODES)) for s, n in zip(starts, lengths, strict=True)]
    )
    for _ in range(_ROUNDS):
        for block in rng.permutation(count):
            rest = counts.sum(axis=0) - counts[block]
            others: set[int] = set().union(*(e for i, e in enumerate(events) if i != block))
            best = np.inf
            low, high = int(edges[block]), int(edges[block + 1] - lengths[block])
            for start in [int(starts[block]), *rng.integers(low, high + 1, _CANDIDATES).tolist()]:
                owners = owner[start : start + lengths[block]]
                names = set(np.unique(owners).tolist())
                here = np.bincount(mode_of[owners], minlength=len(MODES))
                spells = np.bincount(mode_of[sorted(others | names)], minlength=len(MODES))
                cost = float(
                    np.sum(((rest + here) / frames - target) ** 2 / target)
                    + 0.3 * np.sum(np.exp(-spells))
                    + 0.5 * len(names & others)
                )
                if cost < best:
                    best, starts[block], counts[block], events[block] = cost, start, here, names
    return [
        slot
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        for slot in range(start, start + length)
    ]


def _share_out(rng: np.random.Generator, frames: int, room: Counts) -> Counts:
    """Splits `frames` into uneven lengths of which each fits its block."""
    weights = rng.uniform(0.65, 1.35, len(room))
    lengths: Counts = np.minimum(np.maximum((weights / weights.sum() * frames).astype(int), 1), room)
    while (missing := frames - int(lengths.sum())) != 0:
        free = np.flatnonzero(lengths < room) if missing > 0 else np.flatnonzero(lengths > 1)
        lengths[free[: abs(missing)]] += np.sign(missing)
    return lengths
