"""The checks: the explanations themselves put to the test, and one verdict on each method.

Deletion and insertion (`deletion`), random weights (`randomisation`), another mode (`other_mode`), known places
(`pointing`), and what follows (`verdict`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.architectures import Network
from training.data.labelled import LabelledFrames
from training.look import checks_drawing as drawing
from training.look import deletion, other_mode, pointing, randomisation, verdict
from training.look.errors import Undefined
from training.look.explainer import GUIDED, GUIDED_WARNING, METHODS, Explainer
from training.look.files import save_figure, save_numbers
from training.look.frames import draw
from training.look.other_mode import Likeness
from training.look.part import Part, Picture
from training.look.pointing import Hits, Scenes
from training.look.subject import Subject

FRAMES = 40
"""Frames of deletion, insertion and the test of another mode: 10 shares, 2 ways, 2 baselines, 8 rankings of each."""

FRAMES_OF_CASCADE = 32
STEPS = 64
"""At most so many of integrated gradients."""

PAIRS = 64


@dataclass(frozen=True, slots=True)
class Pointed:
    """What came of the pointing game.

    Attributes:
        scenes: The pairs that count, M.
        relevance: By method, shape (M, H, W).
        hits: By method.
        chance: Share of hits of a random pixel.
        drawn: How many pairs were drawn.
        tolerance: Pixels that a peak may lie beside the band.
    """

    scenes: Scenes
    relevance: dict[str, NDArray[np.floating]]
    hits: dict[str, Hits]
    chance: float
    drawn: int
    tolerance: int = 0


class _Progress:
    def __init__(self, tick: Callable[[int, int], None], total: int) -> None:
        self._tick, self._total, self._done = tick, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._tick(min(self._done, self._total), self._total)


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Runs all checks. See `training.look.techniques.run`.

    Raises:
        Undefined: No method is defined for the network.
    """
    # A ranking of pixels needs fewer steps than attributions that add up.
    explainer = Explainer(subject.network, subject.rule.no_echo, most_steps=STEPS)
    refused = {name: reason for name in METHODS if (reason := explainer.undefined(name))}
    methods = tuple(name for name in METHODS if name not in refused)
    if not methods:
        raise Undefined("; ".join(sorted(set(refused.values()))))
    frames = _some(frames, subject.codes, FRAMES, seed)
    images, events = frames.images, frames.events().tolist()
    few = _some(frames, subject.codes, FRAMES_OF_CASCADE, seed)
    steps = len(randomisation.steps_of(randomisation.weighted_layers(subject.network)))
    progress = _Progress(tick, 2 * (len(methods) + 2) + randomisation.DRAWS * steps + 4)

    classes = subject.logits(images).argmax(axis=1)
    relevance = {name: explainer.relevance(name, images, classes) for name in methods}
    progress()
    curves = deletion.all_curves(
        subject.probabilities, images, classes, relevance, subject.rule.no_echo, seed=seed, tick=progress
    )
    cascade = cascade_of(subject, few.images, methods, seed=seed, tick=progress)
    likeness = likeness_of(explainer, images, methods)
    progress()
    pointed = point(subject, explainer, methods, seed=seed)
    progress()
    verdicts = verdict.judge(
        methods,
        curves,
        cascade,
        likeness,
        pointed.hits,
        pointed.chance,
        events=events,
        cascade_events=few.events().tolist(),
        seed=seed,
    )

    note = {"synthetic": subject.synthetic}
    save_figure(drawing.curves(curves, len(images), **note), out / "curves.png")
    save_figure(drawing.cascade(cascade, few, seed=seed, **note), out / "random_weights.png")
    save_figure(drawing.likeness(likeness, **note), out / "other_mode.png")
    pictures = [
        Picture("curves.png", _CURVES.format(n=len(images)), "Deletion and insertion curves"),
        Picture(
            "random_weights.png", _CASCADE.format(n=len(few.labels), draws=randomisation.DRAWS), "Random weights"
        ),
        Picture("other_mode.png", _OTHER.format(n=len(images)), "Likeness of the maps of two modes"),
    ]
    if len(pointed.scenes.images):
        save_figure(drawing.pointing(pointed, **note), out / "pointing.png")
        caption = _POINTING.format(n=len(pointed.scenes.images), drawn=pointed.drawn)
        pictures.append(Picture("pointing.png", caption, "The pointing game"))
    save_numbers(out / "checks.npz", **_numbers(curves, cascade, likeness, pointed, frames, classes))
    progress()
    warnings = [f"{verdict.TITLES[name]} is not defined: {reason}." for name, reason in refused.items()]
    if set(GUIDED) & set(methods):
        warnings.append(GUIDED_WARNING)
    if len(pointed.scenes.images) < verdict.FEWEST_PAIRS:
        warnings.append(
            f"The pointing game is undecided: a band changed the answer in {len(pointed.scenes.images)} of "
            f"{pointed.drawn} pairs only. Bands of its kind may be no mode of this network."
        )
    return Part(
        "checks",
        "Whether to believe it",
        verdict.finding(verdicts),
        paragraphs=(_HOW, _LIMITS),
        warnings=tuple(warnings),
        pictures=tuple(pictures),
        tables=verdict.tables(verdicts, chance=pointed.chance, frames=len(images), pairs=len(pointed.scenes.images)),
        numbers="checks.npz",
    )


def cascade_of(
    subject: Subject,
    images: NDArray[np.uint8],
    methods: tuple[str, ...],
    *,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> randomisation.Cascade:
    """Replaces the weights of a copy of the network from the logits down; see `randomisation.cascade`.

    The explained mode stays the one that the trained network calls the frame.
    """
    classes = subject.logits(images).argmax(axis=1)
    known: dict[int, Explainer] = {}

    def method(name: str) -> randomisation.Method:
        def relevance(network: Network) -> NDArray[np.floating]:
            # The network is one and the same object all along: compiled once, its weights change. Integrated
            # gradients of random weights are not worth the steps that make them add up.
            if id(network) not in known:
                known[id(network)] = Explainer(network, subject.rule.no_echo, most_steps=32)
            return known[id(network)].relevance(name, images, classes)

        return relevance

    # Of all frames, the one with most to see.
    example = int(images.astype(np.float32).std(axis=(1, 2, 3)).argmax())
    return randomisation.cascade(
        subject.network, {name: method(name) for name in methods}, seed=seed, example=example, tick=tick
    )


def likeness_of(explainer: Explainer, images: NDArray[np.uint8], methods: tuple[str, ...]) -> dict[str, Likeness]:
    """Compares the maps of winner and runner-up of each frame, by method; with the known bad case last."""
    rows = np.arange(len(images))
    found: dict[str, Likeness] = {}
    logits = explainer.network.model(images.astype(np.float32), training=False).numpy()
    first, second = other_mode.first_two(logits)
    cams = {}
    if "gradcam" in methods:
        plain = explainer.cams(images, signed=True)
        cams = {"gradcam": plain.gradcam, "hirescam": plain.hirescam}
        cams["gradcam_probability"] = explainer.cams(images, score="probability", signed=True).gradcam
    by_pixel: Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.floating]]] = {
        "gradient": lambda classes: explainer.gradient(images, classes),
        "guided": lambda classes: explainer.guided(images, classes),
        "guided_gradcam": lambda classes: explainer.relevance("guided_gradcam", images, classes),
        "integrated": lambda classes: explainer.integrated(images, classes).attributions,
    }
    for name in (*methods, "gradcam_probability"):
        if name in cams:
            found[name] = other_mode.likeness(cams[name][rows, first], cams[name][rows, second])
        elif name in by_pixel:
            found[name] = other_mode.likeness(by_pixel[name](first), by_pixel[name](second))
    return found


def point(
    subject: Subject, explainer: Explainer, methods: tuple[str, ...], *, seed: int, pairs: int = PAIRS
) -> Pointed:
    """Plays the pointing game with all methods."""
    scenes = pointing.draw_scenes(pairs, subject.rule, seed=seed)
    counts, called = pointing.changed(subject.probabilities, scenes)
    scenes, called = scenes.take(counts), called[counts]
    if not len(called):
        nothing = Hits(np.zeros(0, bool), np.zeros(0))
        return Pointed(scenes, {}, dict.fromkeys(methods, nothing), np.nan, pairs)
    relevance = {name: explainer.relevance(name, scenes.images, called) for name in methods}
    size = subject.card.heat_map
    tolerance = pointing.tolerance_of(subject.rule, (size.height, size.width))
    hits, chance = pointing.play(relevance, scenes, tolerance=tolerance)
    return Pointed(scenes, relevance, hits, chance, pairs, tolerance)


def _some(frames: LabelledFrames, codes: tuple[str, ...], count: int, seed: int) -> LabelledFrames:
    kept = {id(label) for label in draw(frames.labels, codes, count, seed)}
    return frames.take(np.array([id(label) in kept for label in frames.labels]))


def _numbers(
    curves: Mapping[str, Mapping[str, deletion.Curves]],
    cascade: randomisation.Cascade,
    likeness: Mapping[str, Likeness],
    pointed: Pointed,
    frames: LabelledFrames,
    classes: NDArray[np.integer],
) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {
        "frame": np.array([label.path.name for label in frames.labels]),
        "event": frames.events(),
        "explained_mode": np.asarray(classes),
        "pointing_chance": np.array(pointed.chance),
    }
    for baseline, of in curves.items():
        for name, found in of.items():
            key = f"{baseline}_{name}".replace(" ", "_")
            arrays["shares"] = found.shares
            arrays[f"deletion_{key}"], arrays[f"insertion_{key}"] = found.deletion, found.insertion
    for name, correlation in cascade.correlation.items():
        arrays[f"random_weights_spearman_{name}"] = correlation
    for name, one in likeness.items():
        arrays[f"other_mode_correlation_{name}"] = one.correlation
    for name, hits in pointed.hits.items():
        arrays[f"pointing_hit_{name}"], arrays[f"pointing_inside_{name}"] = hits.hits, hits.inside
    return arrays


_HOW = (
    "A heat map always looks convincing. So each method is asked what it would have to know if it told the truth: "
    "does the probability fall when the pixels go that it ranks first (deletion), and rise when they come "
    "(insertion)? Does the map change when the network's weights are replaced by random ones? Do two modes have "
    "two maps? Does it point at a band that was drawn into the frame and changed the answer?"
)
_LIMITS = (
    "No check proves a method right; a failed one proves it wrong for this network. Deleted pixels make frames that "
    "never occur, which is why there are two baselines. A ranking by echo intensity, which knows no network, is the "
    "bar: where a method is no better, it may show no more than where it snows."
)
_CURVES = (
    "Mean probability of the explained mode over n = {n} frames while pixels are taken out (left: lower is better) "
    "or put in (right: higher is better), for two baselines."
)
_CASCADE = (
    "Left: Spearman correlation with the map of the trained network, while layers get random weights from the "
    "logits down; mean of n = {n} frames and {draws} draws, with 95 % intervals by event. Right: the maps of one "
    "frame, each on its own scale."
)
_OTHER = (
    "Correlation of the maps of the most and the second most probable mode, n = {n} frames, before rectification. "
    "-1 or 1: one map for two modes. The last row is the known bad case, a heat map of the softmax probability."
)
_POINTING = (
    "n = {n} of {drawn} pairs in which the band changed the answer. Outlined: the band, and where a peak counts as "
    "a hit; cross: the peak."
)
