"""The space of frames: PCA and t-SNE of the penultimate layer, coloured by what is known of each frame.

Colours by event are as telling as those by mode: clusters that are events are near copies that were kept together,
not weather that was understood.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from radar.verification.plots import CREDIT, MARKERS, SYNTHETIC_NOTE, style
from radar.verification.report_tables import Table
from training.data.labelled import LabelledFrames
from training.look.errors import Undefined
from training.look.files import save_figure, save_numbers
from training.look.neighbours import Features, Leakage, leakage
from training.look.part import Part, Picture
from training.look.subject import Subject

FEWEST = 10
MOST_FOR_TSNE = 1000
"""t-SNE of more frames takes minutes, and shows no more."""

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Maps:
    """Frames in the plane.

    Attributes:
        pca: Shape (N, 2).
        explained: Share of the variance along both axes, shape (2,).
        tsne: Shape (N, 2); its axes have no unit, and distances between clusters mean nothing.
        perplexity: Of the t-SNE.
    """

    pca: Points
    explained: NDArray[np.float64]
    tsne: Points
    perplexity: float


def embed(features: Features, *, seed: int) -> Maps:
    """Brings frames into the plane.

    Args:
        features: Shape (N, d), N >= 3.
        seed: Of the t-SNE.

    Raises:
        Undefined: All features are equal.
    """
    if not np.ptp(features, axis=0).any():
        raise Undefined(f"all {len(features)} frames have the same features, so there is nothing to map")
    centred = np.asarray(features, np.float64)
    pca = PCA(n_components=2, svd_solver="full").fit(centred)
    perplexity = float(min(30, max(2, (len(centred) - 1) // 3)))
    # Features of one scale each: a channel with large numbers is not a more important one.
    deviation = centred.std(axis=0)
    scaled = (centred - centred.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    with warnings.catch_warnings():
        # Frames without any echo are equal to the last bit: a spread of zero in the start of t-SNE.
        warnings.simplefilter("ignore", RuntimeWarning)
        tsne = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
        placed = tsne.fit_transform(scaled.astype(np.float32))
    return Maps(pca.transform(centred), pca.explained_variance_ratio_, placed.astype(np.float64), perplexity)


def draw(
    maps: Maps,
    frames: LabelledFrames,
    wrong: NDArray[np.bool_],
    modes: Sequence[tuple[str, str]],
    *,
    note: str,
) -> Figure:
    """Draws both maps, coloured by mode, by event and by season.

    Args:
        maps: What `embed` made.
        frames: N of them.
        wrong: Whether each is misclassified, shape (N,).
        modes: Code and colour of each.
        note: For the foot.
    """
    with style():
        figure = Figure(figsize=(10.4, 7.3), layout="constrained")
        grid = figure.subplots(2, 3)
        names = (f"PCA ({maps.explained.sum():.0%} of the variance)", f"t-SNE (perplexity {maps.perplexity:g})")
        for row, name, points in zip(grid, names, (maps.pca, maps.tsne), strict=True):
            _by_mode(row[0], points, frames, wrong, modes)
            events = _by_event(row[1], points, frames)
            seasons = _by_season(row[2], points, frames)
            row[0].set_ylabel(name, fontweight="bold")
            for axes in row:
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(visible=True, color="0.8")
        for axes, title in zip(grid[0], ("by mode", f"by event ({events})", f"by season ({seasons})"), strict=True):
            axes.set_title(title, loc="left")
        for axes in (grid[0, 0], grid[0, 2]):
            axes.legend(loc="best", fontsize=7, frameon=True, framealpha=0.85, markerscale=1.2, handletextpad=0.2)
        figure.suptitle(
            f"{len(frames.labels):,} frames in the penultimate layer", x=0.01, ha="left", fontweight="bold"
        )
        figure.supxlabel(note, x=0.01, ha="left", **CREDIT)
    return figure


def look(
    subject: Subject,
    frames: LabelledFrames,
    out: Path,
    *,
    seed: int,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Part:
    """Maps the frames and counts whose neighbours they are. See `training.look.techniques.run`.

    Raises:
        Undefined: Too few frames, or all of them alike.
    """
    if len(frames.labels) < FEWEST:
        raise Undefined(f"a map needs {FEWEST} frames or more, received {len(frames.labels)}; raise --count")
    if len(frames.labels) > MOST_FOR_TSNE:
        chosen = np.zeros(len(frames.labels), bool)
        chosen[np.random.default_rng(seed).permutation(len(chosen))[:MOST_FOR_TSNE]] = True
        frames = frames.take(chosen)
    features = subject.features(frames.images)
    predicted = subject.logits(frames.images).argmax(axis=1)
    tick(1, 4)
    maps = embed(features, seed=seed)
    tick(2, 4)
    events = frames.events()
    found = leakage(features, frames.classes, events) if _can_tell(events) else None
    modes = [(mode.code, mode.color) for mode in subject.modes]
    foot = "Crosses: misclassified. Lines join the frames of one event to its middle."
    figure = draw(
        maps,
        frames,
        predicted != frames.classes,
        modes,
        note=f"{foot} {SYNTHETIC_NOTE}" if subject.synthetic else foot,
    )
    save_figure(figure, out / "embedding.png")
    tick(3, 4)
    save_numbers(
        out / "embedding.npz",
        features=features,
        pca=maps.pca,
        explained=maps.explained,
        tsne=maps.tsne,
        observed=frames.classes,
        predicted=predicted,
        event=events,
        season=[label.season for label in frames.labels],
        frame=[label.path.name for label in frames.labels],
    )
    tick(4, 4)
    return Part(
        "embedding",
        "The space of frames",
        _finding(found),
        paragraphs=(
            "Every frame as a point in the penultimate layer, where the network has turned pixels into what it needs "
            "to tell modes apart. Clusters should be modes. If they are events, the network keeps copies together.",
            "The axes of PCA are directions of the features; those of t-SNE have no meaning, nor have the sizes of "
            "its clusters and the distances between them.",
        ),
        warnings=_warnings(found),
        pictures=(
            Picture(
                "embedding.png",
                f"{len(frames.labels):,} frames of {len(set(events.tolist()))} events. Points: features of the "
                "penultimate layer, without unit.",
                "Maps of the frames by PCA and t-SNE, coloured by mode, event and season",
            ),
        ),
        tables=() if found is None else (_table(found),),
        numbers="embedding.npz",
    )


def _can_tell(events: NDArray[np.str_]) -> bool:
    """Tells whether there are several events, and for most frames another one of the same event."""
    _, index, frames = np.unique(events, return_inverse=True, return_counts=True)
    return len(frames) > 1 and bool((frames[index] > 1).mean() > 0.5)


def _finding(found: Leakage | None) -> str:
    if found is None:
        return (
            "Nothing can be said of leakage: all frames are of one event, or most are the only one of theirs. Take "
            "more frames (--count)."
        )
    lost = found.any_event - found.other_events
    copies = (
        "Neighbours are mostly copies: a random split of these frames would flatter."
        if lost > 0.1
        else "Little is owed to near copies."
    )
    return (
        f"{found.same_event:.0%} of the frames have their nearest neighbour in their own event (by chance "
        f"{found.chance_same_event:.0%}). Their {found.k} nearest neighbours name the mode of "
        f"{found.any_event:.0%}, those of other events {found.other_events:.0%}. {copies}"
    )


def _warnings(found: Leakage | None) -> tuple[str, ...]:
    base = ("Frames of one event are near copies: many points are few independent ones.",)
    if found is not None and found.any_event - found.other_events > 0.1:
        return (*base, "Clusters are events as much as modes: split by event or by season, never by frame.")
    return base


def _table(found: Leakage) -> Table:
    rows = (
        ("", "share of the frames", "by chance"),
        ("of the same event", f"{found.same_event:.1%}", f"{found.chance_same_event:.1%}"),
        ("of the same mode, another event", f"{found.same_mode:.1%}", "-"),
        ("of another mode", f"{found.other:.1%}", "-"),
        (f"mode of the {found.k} nearest is right", f"{found.any_event:.1%}", "-"),
        ("... without those of the same event", f"{found.other_events:.1%}", "-"),
    )
    note = f"Of {found.frames:,} frames; neighbours by the angle between their features."
    return Table("The nearest neighbour of a frame is", rows, note)


def _by_mode(
    axes: Axes, points: Points, frames: LabelledFrames, wrong: NDArray[np.bool_], modes: Sequence[tuple[str, str]]
) -> None:
    for k, ((code, color), marker) in enumerate(zip(modes, MARKERS * 9, strict=False)):
        of_mode = frames.classes == k
        if of_mode.any():
            axes.scatter(
                points[of_mode, 0],
                points[of_mode, 1],
                s=14,
                c=color,
                marker=marker,
                lw=0.2,
                ec="black",
                label=code,
                alpha=0.85,
            )
    if wrong.any():
        axes.scatter(points[wrong, 0], points[wrong, 1], s=34, c="black", marker="x", lw=0.8, label="wrong")


def _by_event(axes: Axes, points: Points, frames: LabelledFrames) -> int:
    """Draws each event as a star; neighbours in time get distant colours, or they could not be told apart."""
    names, of = np.unique(frames.events(), return_inverse=True)
    colors = mpl.colormaps["viridis"]((np.arange(len(names)) * 0.618034) % 1)
    for event in range(len(names)):
        mine = points[of == event]
        middle = mine.mean(axis=0)
        spokes: Any = np.stack([mine, np.broadcast_to(middle, mine.shape), np.full(mine.shape, np.nan)], axis=1)
        axes.plot(*spokes.reshape(-1, 2).T, color=colors[event], lw=0.5, alpha=0.7)
        axes.scatter(mine[:, 0], mine[:, 1], s=9, color=colors[event], lw=0)
    return len(names)


def _by_season(axes: Axes, points: Points, frames: LabelledFrames) -> int:
    names, of = np.unique([label.season for label in frames.labels], return_inverse=True)
    colors = mpl.colormaps["cividis"](np.linspace(0.05, 0.95, max(len(names), 2)))
    for season, (name, marker) in enumerate(zip(names.tolist(), MARKERS * 9, strict=False)):
        mine = points[of == season]
        axes.scatter(
            mine[:, 0], mine[:, 1], s=14, color=colors[season], marker=marker, lw=0.2, ec="black", label=name
        )
    return len(names)
