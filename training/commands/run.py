"""`training run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.options import fail, quiet_tensorflow, say

if TYPE_CHECKING:
    from training.fitting.cluster import Cluster
    from training.recipe import Recipe

DATA, MACHINE, RELEASE = "Data and records", "Machine", "Release"


def run(
    frames: Annotated[
        list[Path],
        typer.Option(
            "--frames",
            "--manifest",
            metavar="FOLDER",
            help="Labelled frames: a folder with labels.csv, one that `training prepare` made, or a manifest.csv; "
            "may be repeated.",
            rich_help_panel=DATA,
        ),
    ],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="Name of a recipe, or a TOML file; see `training recipes`.")
    ] = "radar",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe: fit.epochs=5, data.test_seasons=['hse20172018']; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of every random draw.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show the recipe and what would be trained on, and leave.")
    ] = False,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the run. Started again with the same name, a run that was interrupted goes on after its last "
            "finished epoch.",
            show_default="RECIPE-TIME",
            rich_help_panel=DATA,
        ),
    ] = "",
    runs: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where to keep the records of the run.", rich_help_panel=DATA)
    ] = Path("runs"),
    strategy: Annotated[
        str,
        typer.Option(
            metavar="none|mirrored|multiworker",
            help="One device; all GPUs of this machine; or several machines, which --workers or TF_CONFIG names.",
            rich_help_panel=MACHINE,
        ),
    ] = "none",
    workers: Annotated[
        str,
        typer.Option(
            envvar="SNOWMODE_WORKERS",
            metavar="HOST:PORT,...",
            help="The machines, the same on each of them: a:2222,b:2222 or host{0..3}:2222. The first publishes.",
            show_default="those of TF_CONFIG",
            rich_help_panel=MACHINE,
        ),
    ] = "",
    worker: Annotated[
        int | None,
        typer.Option(
            envvar=["SNOWMODE_WORKER", "JOB_COMPLETION_INDEX"],
            metavar="N",
            help="Which of --workers this one is, from 0.",
            show_default=False,
            rich_help_panel=MACHINE,
        ),
    ] = None,
    wait_for_workers: Annotated[
        float,
        typer.Option(
            envvar="SNOWMODE_WAIT_FOR_WORKERS",
            min=1,
            metavar="SECONDS",
            help="So long the others may take to appear.",
            rich_help_panel=MACHINE,
        ),
    ] = 600.0,
    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu|gpu",
            help="A GPU if there is one; the CPU; or a GPU, and an error if there is none.",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    cpu_devices: Annotated[
        int,
        typer.Option(
            min=1,
            max=16,
            metavar="N",
            help="Without a GPU, let the CPU count as N devices, to try a strategy with.",
            rich_help_panel=MACHINE,
        ),
    ] = 1,
    models: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where to publish: MODELS/snowmode/VERSION.", rich_help_panel=RELEASE),
    ] = Path("models"),
    no_publish: Annotated[
        bool,
        typer.Option(
            "--no-publish",
            help="Train and score, but publish nothing; `training publish RUN` can do it later.",
            rich_help_panel=RELEASE,
        ),
    ] = False,
    even_if_worse: Annotated[
        bool,
        typer.Option(
            "--even-if-worse",
            help="Publish also what is worse than the model in production.",
            rich_help_panel=RELEASE,
        ),
    ] = False,
    foreign: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Frames that are none of the known weather: how many does the model reject? May be repeated.",
            rich_help_panel=RELEASE,
        ),
    ] = None,
) -> None:
    """Train a model, and publish it if it passes the release gate.

    Everything about it is in RUNS/NAME: recipe, manifest, metrics, checkpoints, weights, scores and report.
    TensorBoard reads it, too: tensorboard --logdir RUNS.

    Examples:
    training run --frames hse20142015/ --models models
    training run --frames labelled/ --recipe nakai2022 --set fit.epochs=5
    training run --frames a/ --frames b/ --set 'data.test_seasons=["b"]' --name january
    """
    from radar.errors import SnowmodeError
    from training.display import Display
    from training.recipe import load_recipe

    try:
        chosen = load_recipe(recipe, overrides)
        if dry_run:
            _show(chosen, frames, seed)
            return
        quiet_tensorflow()
        from training.fitting.interruption import listening

        with listening() as interruption, Display.of("steps") as display:
            among = _machines(strategy, workers, worker, wait_for_workers, name, runs, chosen.fit.epochs)
            if among is None:
                say("This run has learned all it was to; what is left is the work of the first worker")
                return
            say("Loading TensorFlow and frames")
            from training.fitting.devices import choose
            from training.run import run as train

            alone = len(among.hosts) == 0
            devices = choose(
                "none" if alone and strategy == "multiworker" else strategy,
                device=device,
                cpu_devices=cpu_devices,
                among=None if alone else among,
                wait=wait_for_workers,
            )
            interruption.listen_again()
            result = train(
                chosen,
                frames,
                models=None if no_publish else models,
                runs=runs,
                seed=seed,
                say=display.say,
                report=display.epoch,
                tick=display.step,
                loaded=display.advance,
                name=name,
                devices=devices,
                interruption=interruption,
                foreign=foreign or (),
                even_if_worse=even_if_worse,
            )
    except (SnowmodeError, OSError, ValueError) as error:
        fail(error)
    if result is None:
        return
    say(f"\n{result.report.sentence}")
    for caveat in result.report.caveats:
        say(f"  Note: {caveat}")
    say(f"Published: {result.published}" if result.published else result.outcome)
    say(f"Report:    {result.folder / 'report.html'}")


def _machines(
    strategy: str, workers: str, worker: int | None, wait: float, name: str, runs: Path, epochs: int
) -> Cluster | None:
    """Waits until the machines that train together are there.

    Returns:
        The machines, none of them if this one works alone; None if nothing is left to do for this one.
    """
    from training import run_folder
    from training.errors import TrainingError
    from training.fitting.cluster import Cluster, find, meet

    if strategy != "multiworker":
        if workers:
            raise TrainingError(f"--workers: expected --strategy multiworker beside it, received {strategy!r}")
        return Cluster((), 0)
    among = find(workers, worker)
    if not name:
        raise TrainingError("--strategy multiworker: expected --name, the same for all workers; received none")
    folder = runs / name
    # Started again after a failure at the very end, the first must not wait for those that have ended well.
    if run_folder.is_finished(folder) or run_folder.is_trained(folder, epochs):
        return None if among.number else Cluster((), 0)
    meet(among, limit=wait, say=say)
    return among


def _show(recipe: Recipe, frames: list[Path], seed: int) -> None:
    """Prints the resolved recipe and the sides of the split."""
    from training.data.run_data import describe, load_data, read_data_labels
    from training.display import Display
    from training.recipe import as_toml

    with Display.of("frames") as display:
        labels, modes = read_data_labels(frames, say)
        data = load_data(recipe, labels, modes, seed=seed, say=display.say, loaded=display.advance)
    print(as_toml(recipe))  # noqa: T201
    print("\n".join(describe(data)))  # noqa: T201
