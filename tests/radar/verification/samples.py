"""Small samples of classified frames, written as runs: what was observed, and what was predicted frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from radar.verification.sample import Sample

CODES = ("A", "B", "C")
START = np.datetime64("2015-11-29T20:00:00", "s")

# Nine events of two winters; the first lasts into December.
RUNS = ("A AAAAB", "B BBB", "A AA", "C CCBC", "B AAAA", "A AABAA", "C CC", "B BBBCB", "A CAA")
SECOND_WINTER = 6


def sample_of(
    runs: Sequence[str] = RUNS,
    codes: Sequence[str] = CODES,
    *,
    hours_between: float = 5,
    second_winter: int | None = None,
    times: bool = True,
    events: bool = True,
    probabilities: bool = True,
    accepted: bool = True,
) -> Sample:
    """Makes a sample of runs such as "A AAAB": an event of A in which the last of four frames was taken for B."""
    split = [run.split() for run in runs]
    event = np.repeat(np.arange(len(runs)), [len(predicted) for _, predicted in split])
    observed = np.array([codes.index(split[n][0]) for n in event], np.int64)
    predicted = np.array([codes.index(letter) for _, letters in split for letter in letters], np.int64)
    frames = np.arange(len(event))
    series = (event >= (len(runs) if second_winter is None else second_winter)).astype(np.int64)
    minutes = 10 * frames + event * round(60 * hours_between) + series * 366 * 24 * 60
    table = np.full((len(event), len(codes)), 0.0)
    sure = 0.5 + 0.5 * ((frames * 7) % 11) / 11
    table += ((1 - sure) / max(len(codes) - 1, 1))[:, np.newaxis]
    table[frames, predicted] = sure if len(codes) > 1 else 1.0
    return Sample(
        codes=tuple(codes),
        observed=observed,
        predicted=predicted,
        events=event if events else np.empty(0, np.int64),
        series=series,
        times=START + minutes.astype("timedelta64[m]") if times else np.empty(0, "datetime64[s]"),
        probabilities=table if probabilities else None,
        accepted=sure > 0.6 if accepted else None,
    )


def many_events(codes: Sequence[str] = CODES, *, rounds: int = 20, right: float = 0.8, seed: int = 0) -> Sample:
    """Makes events of each mode in turn, ten frames each, with errors at random."""
    rng = np.random.default_rng(seed)
    letters = "".join(codes)
    runs = []
    for n in range(rounds * len(codes)):
        code = codes[n % len(codes)]
        runs.append(
            f"{code} " + "".join(code if rng.random() < right else rng.choice(list(letters)) for _ in range(10))
        )
    return sample_of(runs, codes)


DEGENERATE = {
    "one frame, right": sample_of(["A A"]),
    "one frame, wrong": sample_of(["A B"]),
    "one event": sample_of(["A ABA"]),
    "all right": sample_of(["A AA", "B BB", "C C"]),
    "all wrong": sample_of(["A BB", "B CC", "C A"]),
    "one mode, all the same": sample_of(["A AAA", "A AA"]),
    "one mode of one": sample_of(["A AAA", "A AA"], ("A",)),
    "never predicted": sample_of(["A AB", "B BB", "C AA"]),
    "never observed": sample_of(["A AC", "B BC"]),
    "nothing but frames": sample_of(times=False, events=False, probabilities=False, accepted=False),
    "none accepted": replace(sample_of(["A AB", "B BB"]), accepted=np.zeros(4, bool)),
}
"""Samples that leave many scores undefined."""
