"""Skill against the number of events: would more labels help?

Frames of one event are near copies, so a curve over frames would flatten long before the labels run out. Here whole
events are drawn, each size containing the one before, several times over; every network is scored on the same events,
which none of them saw.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radar import durable
from radar.errors import LabelsError
from radar.resampling import LEVEL, REPLICATES
from radar.verification.estimates import Estimate, estimate, estimate_difference
from radar.verification.plots import CREDIT, SYNTHETIC_NOTE, style
from radar.verification.report_tables import with_interval
from radar.verification.report_text import columns
from radar.verification.sample import Sample
from training.data import splits
from training.data.labelled import LabelledFrames
from training.data.splits import TRAINING, VALIDATION
from training.recipe import Recipe
from training.studies import plans, trial
from training.studies.trial import Material
from training.validation import read_frames, write_frames

TABLE_FILE = "learning_curve.csv"
PICTURE_FILE = "learning_curve.png"
_FEWEST = 2  # events a mode: one to learn from, one to stop by


@dataclass(frozen=True, slots=True)
class Point:
    """One size.

    Attributes:
        share: Of the events there are to learn from, 0 to 1.
        events: Their number, those to stop by included; mean over the draws.
        frames: Their frames, mean over the draws.
        scores: `accuracy` and `hss` on the held-out events, mean over the draws, with intervals that resample them.
        draws: HSS of each draw.
    """

    share: float
    events: float
    frames: float
    scores: dict[str, Estimate]
    draws: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EventCurve:
    """The curve.

    Attributes:
        recipe: Name.
        points: Smallest first.
        held_out: Events that all were scored on.
        gain: HSS of the largest size minus that of the one before, paired by event; None of a single size.
        synthetic: Whether a computer made the frames.
    """

    recipe: str
    points: tuple[Point, ...]
    held_out: int
    gain: Estimate | None
    synthetic: bool

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        if self.gain is None:
            return "One size alone tells nothing of more labels."
        before, last = self.points[-2:]
        what = f"from {before.events:.0f} to {last.events:.0f} events the HSS changed by {self.gain.value:+.3f}"
        if not self.gain.known:
            return f"Whether more labels would help cannot be told of so few events: {what}."
        interval = f"{LEVEL:.0%} interval {self.gain.low:+.3f} to {self.gain.high:+.3f}"
        if self.gain.low > 0:
            return f"More labels would help: {what} ({interval}), and nothing says that it ends there."
        return f"Whether more labels would help cannot be told: {what}, which may be chance ({interval})."


def learning_curve(
    recipe: Recipe,
    sources: Sequence[Path],
    *,
    test: Sequence[Path] = (),
    sizes: int = 4,
    repeats: int = 3,
    folder: Path,
    seed: int,
    say: Callable[[str], None],
    tick: Callable[[int, int, int], None] = lambda *_: None,
    cache: Path | None = None,
) -> EventCurve:
    """Trains on 1, 1/2, 1/4 ... of the events, several times, and scores on events held out from all.

    Each network is kept as the predictions it made: the same call goes on with the next.

    Args:
        recipe: What to train.
        sources: Labelled frames.
        test: Another winter to score on; by default a part of the events of `sources`.
        sizes: How many sizes, each half of the one above.
        repeats: How many draws of each; the whole is drawn but once, with as many seeds.
        folder: Where to keep it all.
        seed: Of every random draw.
        say: Called with lines of progress.
        tick: See `training.fitting.fit.fit`.
        cache: See `training.data.loading.load_frames`.

    Raises:
        LabelsError: Unusable labels, or too few events.
        TrainingError: The folder is of another curve.
    """
    material = trial.load(sources, recipe, seed=seed, say=say, cache=cache)
    if test:
        other = trial.load(test, recipe, seed=seed, say=say, codes=material.codes, thin=False, cache=cache)
        pool, held_out = material.frames, other.frames
    else:
        share, hours = recipe.data.validation_share, recipe.data.guard_hours
        sides = splits.split(material.frames.labels, by="event", share=share, seed=seed, guard_hours=hours)
        pool, held_out = material.frames.take(sides == TRAINING), material.frames.take(sides == VALIDATION)
    labels = [*pool.labels, *held_out.labels]
    plans.keep(folder, plans.plan("learning curve", recipe, labels, seed=seed, held_out=len(held_out.labels)))
    shares = [0.5**n for n in reversed(range(sizes))]
    points, samples = [], []
    for share in shares:
        drawn = []
        for repeat in range(repeats):
            chosen = draw_events(pool, share, seed=seed + repeat)
            found = _score(recipe, material, pool.take(chosen), held_out, share, seed + repeat, folder, say, tick)
            drawn.append((chosen, found))
        sample = _together([found for _, found in drawn])
        samples.append(sample)
        points.append(_point(share, pool, drawn, sample, seed))
    gain = None
    if len(samples) > 1:
        options: dict[str, Any] = {"replicates": REPLICATES, "level": LEVEL, "seed": seed}
        gain = estimate_difference(samples[-1], samples[-2], **options).overall["hss"]
    events = len(np.unique(held_out.events()))
    curve = EventCurve(recipe.name, tuple(points), events, gain, material.synthetic)
    durable.write_text(folder / TABLE_FILE, as_csv(curve))
    draw(curve).savefig(folder / PICTURE_FILE)
    return curve


def draw_events(pool: LabelledFrames, share: float, *, seed: int) -> NDArray[np.bool_]:
    """Draws a share of the events of each mode; with one seed, each larger share contains every smaller one.

    Args:
        pool: To draw from.
        share: 0 to 1; two events of each mode at least.
        seed: Of the order of events.

    Returns:
        True where a frame was drawn, shape (N,).

    Raises:
        LabelsError: A mode has fewer than two events.
    """
    rng = np.random.default_rng(seed)
    events = pool.events()
    chosen: set[str] = set()
    for mode in np.unique(pool.classes):
        of_mode = rng.permutation(np.unique(events[pool.classes == mode]))
        if len(of_mode) < _FEWEST:
            name = pool.labels[int(np.argmax(pool.classes == mode))].mode
            raise LabelsError(f"A curve over events needs at least {_FEWEST} events of each mode; {name} has one")
        chosen.update(of_mode[: max(_FEWEST, math.ceil(share * len(of_mode)))].tolist())
    return np.isin(events, list(chosen))


def as_csv(curve: EventCurve) -> str:
    """Writes the curve as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scores = ("hss", "accuracy")
    header = [f"{score}{end}" for score in scores for end in ("", "_low", "_high")]
    writer.writerow(("share", "events", "frames", *header, "hss_of_draws"))
    for point in curve.points:
        values = [
            f"{value:.4f}" if math.isfinite(value) else ""
            for score in scores
            for value in (point.scores[score].value, point.scores[score].low, point.scores[score].high)
        ]
        draws = " ".join(f"{value:.4f}" for value in point.draws)
        writer.writerow((f"{point.share:g}", f"{point.events:.1f}", f"{point.frames:.0f}", *values, draws))
    return text.getvalue()


def as_text(curve: EventCurve) -> str:
    """Writes the curve for a terminal."""
    header = ("share", "events", "frames", f"HSS ({LEVEL:.0%} interval)", "accuracy", "HSS of single draws")
    rows: list[tuple[str, ...]] = [header]
    for point in curve.points:
        hss, accuracy = (with_interval(point.scores[name], 3) for name in ("hss", "accuracy"))
        draws = f"{min(point.draws):.3f} to {max(point.draws):.3f}"
        rows.append((f"{point.share:.1%}", f"{point.events:.0f}", f"{point.frames:,.0f}", hss, accuracy, draws))
    note = f"Scored on {curve.held_out} events that no network saw; intervals resample them."
    if curve.synthetic:
        note += f" {SYNTHETIC_NOTE}"
    return f"{curve.sentence}\n\n{columns(rows)}\n  {note}\n"


def draw(curve: EventCurve) -> Figure:
    """Draws HSS and accuracy against the number of events, on a logarithmic axis."""
    events = [point.events for point in curve.points]
    with style():
        figure = Figure(figsize=(8, 3.8), layout="constrained")
        figure.suptitle(f"Skill by number of events, {curve.recipe}", x=0.01, ha="left", fontweight="bold")
        for axes, name, label in zip(figure.subplots(1, 2), ("hss", "accuracy"), ("HSS", "accuracy"), strict=True):
            scores = [point.scores[name] for point in curve.points]
            values = np.array([score.value for score in scores])
            bars = np.array([[s.value - s.low, s.high - s.value] if s.known else [0, 0] for s in scores]).T
            axes.errorbar(events, values, np.maximum(bars, 0), color="#0072B2", capsize=3, lw=1.2, marker="o")
            if name == "hss":
                for point in curve.points:
                    axes.plot([point.events] * len(point.draws), point.draws, "o", mfc="none", mec="0.5", ms=4)
            axes.set_xscale("log", base=2)
            axes.set_xticks(events, [f"{number:.0f}" for number in events])
            axes.minorticks_off()
            axes.set(xlabel="events to learn from", ylabel=label)
            axes.set_ylim(top=max(1.0, *values) if name == "accuracy" else None)
        note = f"Bars: {LEVEL:.0%} intervals of {curve.held_out} held-out events. Circles: single draws."
        figure.supxlabel(f"{note} {SYNTHETIC_NOTE if curve.synthetic else ''}".strip(), x=0.01, ha="left", **CREDIT)
    return figure


def _score(
    recipe: Recipe,
    material: Material,
    seen: LabelledFrames,
    held_out: LabelledFrames,
    share: float,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
    tick: Callable[[int, int, int], None],
) -> Sample:
    """Trains one network, unless it was before; gives what it said of the held-out events."""
    file = folder / f"share-{share:g}-draw-{seed}.csv"
    if not file.exists():
        inner = trial.hold_back(seen, recipe, seed=seed)
        trained = trial.train(
            recipe, seen.take(~inner), seen.take(inner), modes=len(material.codes), seed=seed, tick=tick
        )
        write_frames(file, held_out.labels, material.codes, trained.probabilities(held_out.images))
    _, sample = read_frames(file)
    right = float((sample.predicted == sample.observed).mean())
    events = len(np.unique(seen.events()))
    say(f"{share:6.1%} of the events ({events:,}, {len(seen.labels):,} frames), draw {seed}: {right:.1%} right")
    return sample


def _together(samples: Sequence[Sample]) -> Sample:
    """Joins draws of one size: resampling then takes each held-out event with all draws of it."""
    first = samples[0]
    return Sample(
        codes=first.codes,
        observed=np.concatenate([sample.observed for sample in samples]),
        predicted=np.concatenate([sample.predicted for sample in samples]),
        events=np.concatenate([sample.events for sample in samples]),
    )


def _point(
    share: float,
    pool: LabelledFrames,
    drawn: Sequence[tuple[NDArray[np.bool_], Sample]],
    sample: Sample,
    seed: int,
) -> Point:
    options: dict[str, Any] = {"replicates": REPLICATES, "level": LEVEL, "seed": seed}
    single = [estimate(found, (), replicates=2, level=LEVEL, seed=seed).overall["hss"].value for _, found in drawn]
    events = pool.events()
    return Point(
        share=share,
        events=float(np.mean([len(np.unique(events[chosen])) for chosen, _ in drawn])),
        frames=float(np.mean([chosen.sum() for chosen, _ in drawn])),
        scores=estimate(sample, (), **options).overall,
        draws=tuple(single),
    )
