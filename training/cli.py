"""The `training` command. Thin: it reads options, calls the function that does the work, shows what came of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="training",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Makes models: synthetic winters to try with, training runs, the release gate, comparisons, pictures.",
    epilog="Exit codes: 0 done; 1 a model failed the release gate; 2 wrong settings or input; 3 the model server.",
)
draw = typer.Typer(no_args_is_help=True, help="Draw pictures of a season or a frame.")
app.add_typer(draw, name="draw")

Server = Annotated[
    str,
    typer.Option(
        envvar="SNOWMODE_SERVER",
        metavar="HOST:PORT",
        help="Model server; or embedded:MODELS to start one for this command.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Picture to write: .png, .pdf or .svg.")]
Results = Annotated[Path, typer.Argument(help="Result file of `client classify`.", show_default=False)]


def main() -> None:
    """Runs the command line."""
    # TensorFlow reports its CPU kernels and missing GPU drivers at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app()


@app.command()
def synth(
    folder: Annotated[
        Path, typer.Argument(help="Folder to make, named like a season: hse20152016.", show_default=False)
    ],
    frames: Annotated[int, typer.Option(min=1, help="How many frames; a whole winter has about 21,800.")] = 2500,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another winter.")] = 0,
    year: Annotated[int, typer.Option(help="The winter begins on 1 November of this year.")] = 2015,
    height: Annotated[int, typer.Option(min=64, help="Rows of a frame.")] = 400,
    width: Annotated[int, typer.Option(min=64, help="Columns of a frame.")] = 400,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier synthetic winter; real frames are never removed.")
    ] = False,
) -> None:
    """Make a labelled synthetic winter, to try the system with.

    The frames look like JMA's and behave like weather, but no skill on them says anything about real snow.

    Example: training synth build/hse20142015 --frames 2500 --seed 1 --year 2014
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.synth import make_winter

    try:
        with Display.of("frames") as display:
            summary = make_winter(
                folder,
                frames=frames,
                seed=seed,
                year=year,
                size=(height, width),
                overwrite=overwrite,
                progress=display.advance,
            )
    except (SnowmodeError, OSError, ValueError) as error:
        _fail(error)
    counts = ", ".join(f"{code} {count:,}" for code, count in summary.modes.items())
    _say(f"{summary.frames:,} frames of {summary.events:,} events in {folder}: {counts}")


@app.command()
def run(
    frames: Annotated[
        list[Path],
        typer.Option("--frames", metavar="FOLDER", help="Labelled frames (labels.csv inside); may be repeated."),
    ],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="Name of a recipe, or a TOML file; see `training recipes`.")
    ] = "radar",
    models: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to publish: MODELS/snowmode/VERSION.")] = Path(
        "models"
    ),
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to keep the records of the run.")] = Path(
        "runs"
    ),
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: fit.epochs=5.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of every random draw.")] = 1,
) -> None:
    """Train a model, and publish it if it passes the release gate.

    Example: training run --recipe radar --frames build/hse20142015 --models models
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = load_recipe(recipe, overrides)
        _quiet_tensorflow()
        _say("Loading TensorFlow and frames")
        from training.run import run as train

        with Display.of("steps") as display:
            result = train(
                chosen,
                frames,
                models=models,
                runs=runs,
                seed=seed,
                say=display.say,
                report=display.epoch,
                tick=display.step,
            )
    except (SnowmodeError, OSError, ValueError) as error:
        _fail(error)
    _say(f"\n{result.report.sentence}")
    for caveat in result.report.caveats:
        _say(f"  Note: {caveat}")
    _say(f"Published: {result.published}")
    _say(f"Report:    {result.folder / 'verification.html'}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run: RUNS/RECIPE-TIME.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Folder of another run.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Where to write the report: text, JSON, HTML.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resampling of events.")] = 0,
) -> None:
    """Compare two runs on the frames that both held out: is one better, or may it be chance?

    Differences are resampled by whole events, the same for both.

    Example: training compare runs/radar-20261121T182018 runs/nakai2022-20261121T190405
    """
    import json

    from radar.errors import SnowmodeError
    from radar.verification.report_files import write_report
    from radar.verification.report_json import as_dict
    from radar.verification.report_text import as_text
    from training.validation import compare_runs

    try:
        comparison = compare_runs(first, second, seed=seed)
        written = write_report(comparison, out) if out is not None else []
    except (SnowmodeError, OSError) as error:
        _fail(error)
    text = json.dumps(as_dict(comparison), indent=1, ensure_ascii=False) + "\n" if as_json else as_text(comparison)
    print(text, end="")  # noqa: T201
    for path in written:
        _say(f"Written: {path}")


@app.command()
def recipes() -> None:
    """List the recipes that come with the package."""
    from importlib import resources

    from training.recipe import load_recipe, recipe_names

    for name in recipe_names():
        recipe = load_recipe(name)
        text = resources.files("training.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        comment = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]
        size = f"{recipe.input.width}x{recipe.input.height} pixels"
        print(f"{name}  ({size}, split by {recipe.data.split}, {recipe.fit.epochs} epochs)")  # noqa: T201
        print("\n".join(f"    {line}" for line in comment), end="\n\n")  # noqa: T201


@app.command(name="gate")
def check_model(
    model: Annotated[
        Path, typer.Argument(help="Folder of one version: MODELS/snowmode/VERSION.", show_default=False)
    ],
) -> None:
    """Run the release gate on a model that lies there already."""
    from pydantic import ValidationError

    from radar.errors import SnowmodeError
    from serving.protocol.contract import CARD_FILE, ModelCard
    from training.errors import GateError

    try:
        try:
            card = ModelCard.model_validate_json((model / "assets.extra" / CARD_FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise GateError(f"{model}: expected a model with a card in assets.extra/{CARD_FILE}: {error}") from error
        _quiet_tensorflow()
        import numpy as np

        from training import gate

        shape = (6, card.input.height, card.input.width, 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for line in gate.check(model, card, images):
            _say(f"passed  {line}")
    except SnowmodeError as error:
        _fail(error)


@draw.command(name="contact-sheet")
def draw_contact_sheet(
    results: Results,
    folder: Annotated[Path, typer.Option("--frames", help="Folder of the frames.")],
    server: Server = "localhost:8500",
    out: Out = Path("contact_sheet.png"),
) -> None:
    """Draw frames of each predicted mode, spread over the season."""
    from training import pictures

    _draw(server, out, lambda served, _: pictures.contact_sheet(results, folder, served.card, out))


@draw.command(name="heat-maps")
def draw_heat_maps(
    frame: Annotated[Path, typer.Argument(help="One PNG.", show_default=False)],
    server: Server = "localhost:8500",
    out: Out = Path("heat_maps.png"),
) -> None:
    """Draw a frame with the Grad-CAM of every mode."""
    from training import pictures

    _draw(server, out, lambda served, connection: pictures.heat_maps(frame, served, connection, out))


def _draw(server: str, out: Path, make: Callable[..., None]) -> None:
    from radar.errors import SnowmodeError
    from serving.protocol.connection import Connection
    from serving.protocol.embedded import server_at

    try:
        _check_out(out)
        with server_at(server) as target, Connection(target) as connection:
            make(connection.describe(), connection)
    except (SnowmodeError, OSError, ValueError) as error:
        _fail(error)
    _say(f"Written: {out}")


def _check_out(out: Path) -> None:
    """Refuses a picture that cannot be written before a server is started for it."""
    from training.errors import TrainingError
    from training.pictures import SUFFIXES

    if out.suffix.lower() not in SUFFIXES:
        raise TrainingError(f"--out: expected a file that ends in {', '.join(SUFFIXES)}, received {str(out)!r}")
    if not out.parent.is_dir():
        raise TrainingError(f"--out: expected a file in a folder that exists, received {str(out)!r}; make it first")


def _quiet_tensorflow() -> None:
    import logging

    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _fail(error: Exception) -> NoReturn:
    from serving.protocol.errors import ServingError
    from training.errors import GateError

    _say(f"Error: {error}")
    raise typer.Exit(3 if isinstance(error, ServingError) else 1 if isinstance(error, GateError) else 2)
