"""`training look`: what a network has learned, in pictures, numbers and one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from training.commands.options import fail, quiet_tensorflow, say

look = typer.Typer(
    no_args_is_help=True,
    help="Look inside a network: what it has learned, and whether to believe the pictures of it.",
)

Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="Folder of a run, RUNS/NAME, or of a published version, MODELS/snowmode/VERSION.",
        show_default=False,
    ),
]
Frames = Annotated[
    list[Path] | None,
    typer.Option(
        "--frames",
        metavar="FOLDER",
        help="Labelled frames, or a manifest; may be repeated. Without, the frames that the run held out.",
        show_default=False,
    ),
]
Count = Annotated[int, typer.Option(min=1, max=5000, metavar="N", help="At most so many frames, of all modes alike.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Where to write; without, look/NAME.", show_default=False),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of every random draw.")]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer",
        metavar="NAME",
        help="Layer to show; may be repeated. Without, a few from the input to the heat maps. "
        "A name that does not exist lists those that do.",
        show_default=False,
    ),
]


@look.command(name="all")
def everything(run: Run, frames: Frames = None, count: Count = 200, out: Out = None, seed: Seed = 0) -> None:
    """Run every technique and write one page.

    Example: training look all runs/radar-20261121T182018 --frames hse20152016 --count 200
    """
    from training.look.techniques import TECHNIQUES

    _look(list(TECHNIQUES), run, frames, count, out, seed)


@look.command()
def architecture(run: Run, frames: Frames = None, count: Count = 50, out: Out = None, seed: Seed = 0) -> None:
    """Draw the layers, with their shapes and numbers of weights."""
    _look(["architecture"], run, frames, count, out, seed)


@look.command()
def filters(run: Run, frames: Frames = None, count: Count = 50, out: Out = None, seed: Seed = 0) -> None:
    """Show the first layer's kernels before and after training, and what changed."""
    _look(["filters"], run, frames, count, out, seed)


@look.command()
def activations(
    run: Run,
    frames: Frames = None,
    count: Count = 200,
    layers: Layers = None,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Show what chosen layers make of frames of each mode."""
    _look(["activations"], run, frames, count, out, seed, layers=layers)


@look.command()
def ascent(
    run: Run,
    frames: Frames = None,
    count: Count = 200,
    layers: Layers = None,
    steps: Annotated[int, typer.Option(min=1, max=2000, metavar="N", help="Steps uphill.")] = 48,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Change pixels until a filter or a mode responds most: what it asks for."""
    _look(["ascent"], run, frames, count, out, seed, layers=layers, steps=steps)


@look.command()
def methods(run: Run, frames: Frames = None, count: Count = 50, out: Out = None, seed: Seed = 0) -> None:
    """Show Grad-CAM, HiResCAM, guided backpropagation and integrated gradients, one panel a frame."""
    _look(["methods"], run, frames, count, out, seed)


@look.command()
def embedding(run: Run, frames: Frames = None, count: Count = 500, out: Out = None, seed: Seed = 0) -> None:
    """Map frames by PCA and t-SNE of the penultimate layer, by mode, event and season: leakage shows."""
    _look(["embedding"], run, frames, count, out, seed)


@look.command()
def gallery(run: Run, frames: Frames = None, count: Count = 500, out: Out = None, seed: Seed = 0) -> None:
    """Show misclassified and least certain frames, with heat maps and the nearest training frames."""
    _look(["gallery"], run, frames, count, out, seed)


@look.command()
def checks(run: Run, frames: Frames = None, count: Count = 100, out: Out = None, seed: Seed = 0) -> None:
    """Put the explanations to the test: deletion, insertion, random weights, random class, known places."""
    _look(["checks"], run, frames, count, out, seed)


@look.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Two or more runs or published versions; the page is that of the first.",
            show_default=False,
        ),
    ],
    frames: Frames = None,
    count: Count = 200,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Show the same frames to several networks: what they call them, where they look, how far they agree.

    Example: training look compare runs/radar-1 runs/vgg16-1 --frames hse20152016
    """
    _look(["compare"], runs[0], frames, count, out, seed, others=runs[1:])


def _look(
    names: Sequence[str],
    run: Path,
    sources: Sequence[Path] | None,
    count: int,
    out: Path | None,
    seed: int,
    *,
    others: Sequence[Path] = (),
    **options: Any,
) -> None:
    """Runs techniques on one network, or the comparison with others, and writes the page."""
    from radar.errors import SnowmodeError
    from training.display import Display

    try:
        quiet_tensorflow()
        say("Loading TensorFlow and the network")
        from training.look import report, techniques
        from training.look.frames import choose
        from training.look.subject import load

        subject = load(run)
        subjects = [subject, *map(load, others)]
        if names == ["compare"]:
            techniques.check_comparison(subjects)
        folder = Path("look") / subject.name if out is None else out
        report.claim(folder, subject)
        with Display.of("frames") as display:
            frames = choose(subject, sources or (), count, seed=seed, say=display.say, tick=_named(display, "frames"))
            display.say(f"{len(frames.labels):,} frames of {len(set(frames.events().tolist()))} events")
            given = {key: value for key, value in options.items() if value is not None}
            for name in names:
                tick = _named(display, name)
                tick(0, 1)
                whom = subjects if name == "compare" else subject
                part = techniques.run(name, whom, frames, folder, seed=seed, tick=tick, **given)
                display.say(f"{name:12s}  {part.finding}")
        page = report.write_report(folder, subject, frames)
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    say(f"Report: {page}")


def _named(display: Any, name: str) -> Callable[[int, int], None]:
    def tick(done: int, total: int) -> None:
        display.advance(done, total, name)

    return tick
