"""`client cam`."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from client.commands.options import (
    RUN,
    DryRun,
    Model,
    Patience,
    Quiet,
    Recursive,
    Server,
    Threads,
    TlsCa,
    TlsCert,
    TlsKey,
    fail,
)

if TYPE_CHECKING:
    from client.cam.run import Outcome

PICTURES = "Pictures and numbers"
NAMED = 10


class Pictures(enum.StrEnum):
    """Pictures of `cam`."""

    EACH = "each"
    WINNER = "winner"
    PANEL = "panel"
    NONE = "none"


def cam(
    inputs: Annotated[
        list[Path], typer.Argument(help="Frames, or folders of frames.", metavar="FRAMES...", show_default=False)
    ],
    server: Server = None,
    model: Model = "snowmode",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where everything goes.",
            show_default="FOLDER-heat-maps, here",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    pictures: Annotated[
        list[Pictures] | None,
        typer.Option(
            help="each: a picture a mode and frame, as the original made. winner: of the predicted mode only. panel: "
            "the frame and all modes side by side. May be given several times.",
            show_default="panel",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    method: Annotated[
        Literal["gradcam", "hirescam"],
        typer.Option(
            help="How heat maps are made; the two are equal for networks that end in an average over the picture.",
            rich_help_panel=PICTURES,
        ),
    ] = "gradcam",
    scale: Annotated[
        Literal["frame", "map"],
        typer.Option(
            help="What the darkest colour stands for: the largest value of all modes of the frame, so that modes can "
            "be compared; or the peak of each map, however small it is.",
            rich_help_panel=PICTURES,
        ),
    ] = "frame",
    means: Annotated[
        bool,
        typer.Option(
            "--means/--no-means",
            help="Mean and standard deviation by mode, of all frames and of those predicted to be of the mode, raw "
            "and with every map divided by its peak, beside the mean echo; and the same as means.npz.",
            rich_help_panel=PICTURES,
        ),
    ] = True,
    numbers: Annotated[
        bool,
        typer.Option("--numbers", help="All heat maps as heat_maps.npz, in logit units.", rich_help_panel=PICTURES),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=PICTURES)
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace heat maps of another model or method.", rich_help_panel=RUN),
    ] = False,
    recursive: Recursive = False,
    window: Annotated[
        str,
        typer.Option(
            metavar="W,E,S,N",
            help="Part of JMA composites, in degrees or by name: hokushinetsu, japan.",
            rich_help_panel=RUN,
        ),
    ] = "hokushinetsu",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any frame is bad.", rich_help_panel=RUN)
    ] = False,
    dry_run: DryRun = False,
    patience: Patience = 30.0,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Draw what speaks for each mode: heat maps of frames, and their means.

    Heat maps are those of the logits, which a model of this project gives.
    The original's, of the softmax probability, is not in the model contract:
    of a sure model it is next to nothing, and the map of the second mode is
    little else than the negative of the first one's.
    A heat map shows where the evidence lies; it is not a reason.

    Examples:
    client cam hse20152016/pr2hse20440.png
    client cam sorted/LT/ --pictures each --out lt-maps/
    client cam hse20152016/ --pictures none --numbers --method hirescam
    """
    from client.cam.folders import check_out, default_out, find_groups
    from client.cam.pictures import Kind, Scale
    from client.cam.run import Job
    from client.cam.run import run as draw
    from client.config.settings import find_server, find_tls
    from client.display.console import Display
    from client.errors import ConfigError
    from radar import jma
    from radar.errors import SnowmodeError

    display = Display(quiet=quiet or as_json)
    try:
        address, source = find_server(server)
        chosen = list(dict.fromkeys(pictures or [Pictures.PANEL]))
        if Pictures.NONE in chosen and len(chosen) > 1:
            raise ConfigError(f"--pictures none goes with no other, received {', '.join(chosen)}")
        job = Job(
            inputs=tuple(inputs),
            server=address,
            model=model,
            out=out or default_out(inputs),
            tls=find_tls(tls_ca, tls_cert, tls_key, address),
            kinds=tuple(Kind(kind) for kind in chosen if kind != Pictures.NONE),
            method=method,
            scale=Scale(scale),
            numbers=numbers,
            means=means,
            recursive=recursive,
            overwrite=overwrite,
            patience=patience,
            threads=threads,
            window=jma.Window.parse(window),
        )
        if not (job.kinds or job.means or job.numbers):
            raise ConfigError("Nothing is to be made: --pictures none and --no-means, without --numbers")
        if dry_run:
            check_out(job.out)
            groups = find_groups(job.inputs, recursive=recursive)
            for group in groups:
                Display().say(f"{len(group.names):,} frames in {group.root}")
            Display().say(f"Server: {address} (from {source}); pictures: {', '.join(chosen)}; to {job.out}")
            return
        outcome = draw(job, display)
    except SnowmodeError as error:
        fail(error)
    if as_json:
        print(json.dumps(_as_json(outcome), ensure_ascii=False))  # noqa: T201
    elif not quiet:
        _show(outcome, job.out)
    if not outcome.done or (strict and outcome.failures):
        raise typer.Exit(1)


def _as_json(outcome: Outcome) -> dict[str, object]:
    codes = outcome.served.card.codes
    return {
        "model": outcome.served.card.model,
        "version": outcome.served.version,
        "frames": outcome.frames,
        "done": outcome.done,
        "failed": len(outcome.failures),
        "pictures": outcome.pictures,
        "frames_by_mode": dict(zip(codes, outcome.by_mode.tolist(), strict=True)),
        "empty_by_mode": dict(zip(codes, outcome.empty.tolist(), strict=True)),
        "seconds": round(outcome.seconds, 3),
        "files": [str(path) for path in outcome.files],
    }


def _show(outcome: Outcome, out: Path) -> None:
    import sys

    from client.display.names import plain
    from radar.verification.report_text import columns

    codes = outcome.served.card.codes
    print(f"Heat maps of {outcome.done:,} of {outcome.frames:,} frames in {outcome.seconds:.1f} s")  # noqa: T201
    counts = zip(codes, outcome.by_mode.tolist(), outcome.empty.tolist(), strict=True)
    rows = [("mode", "frames", "empty maps"), *((code, f"{n:,}", f"{empty:,}") for code, n, empty in counts)]
    print(columns(rows))  # noqa: T201
    print(f"{outcome.pictures:,} pictures in {out}")  # noqa: T201
    for path in outcome.files:
        print(f"Written: {path}")  # noqa: T201
    if outcome.failures:
        print(f"{len(outcome.failures):,} frames could not be done:", file=sys.stderr)  # noqa: T201
        for name, reason in outcome.failures[:NAMED]:
            print(f"  {plain(name)} {plain(reason)}", file=sys.stderr)  # noqa: T201
        if len(outcome.failures) > NAMED:
            print(f"  ... and {len(outcome.failures) - NAMED:,} more", file=sys.stderr)  # noqa: T201
    if outcome.served.card.synthetic:
        print("This model was trained on synthetic frames: its heat maps say nothing of real snow.")  # noqa: T201
