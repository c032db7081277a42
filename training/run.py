"""`training run`: from labelled frames to a published model, top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from serving.protocol import contract
from serving.protocol.contract import InputEntry
from training import architectures, run_folder
from training.architectures import backbones
from training.data import manifest
from training.data.run_data import describe, load_data, read_data_labels
from training.data.sources import any_synthetic
from training.data.splits import TEST, TRAINING, VALIDATION
from training.errors import TrainingError
from training.finish import RunResult, finish
from training.fitting.devices import Devices
from training.fitting.fit import fit
from training.fitting.interruption import Interruption
from training.publishing import publish
from training.recipe import Recipe
from training.records import METRICS_FILE, write_environment

CACHE = ".frames"
"""Folder of decoded frames, inside the folder of runs."""


def run(
    recipe: Recipe,
    sources: Sequence[Path],
    *,
    models: Path | None,
    runs: Path,
    seed: int,
    say: Callable[[str], None],
    report: Callable[[int, int, dict[str, float]], None],
    tick: Callable[[int, int, int], None] = lambda *_: None,
    loaded: Callable[[int, int], None] = lambda *_: None,
    name: str = "",
    devices: Devices | None = None,
    interruption: Interruption | None = None,
    foreign: Sequence[Path] = (),
    even_if_worse: bool = False,
) -> RunResult | None:
    """Trains, validates, exports, checks and publishes one model.

    Started again with the name of a run that was interrupted, it goes on where that was.

    Args:
        recipe: What to make.
        sources: Labelled frames; see `training.data.sources`.
        models: Where to publish: ``<models>/snowmode/<version>``; None does everything but publish.
        runs: Where to keep records: ``<runs>/<name>``.
        seed: Of every random draw.
        say: Called with lines of progress.
        report: Called after each epoch; see `training.fitting.epochs.Records`.
        tick: Called after each step; see `training.fitting.epochs.Watch`.
        loaded: Called now and then with the frames decoded and their number.
        name: Of the run; recipe and time by default.
        devices: What to compute with; one device by default.
        interruption: Tells whether to stop.
        foreign: Folders of frames that are none of the known weather.
        even_if_worse: Publishes a model that is worse than the one in production, too.

    Returns:
        What the run made; None if another worker of it keeps the records, or if it was finished already.

    Raises:
        TrainingError: Unusable labels, folders that cannot be written to, a run of other settings under this name, or
            a model that fails the release gate; nothing is published then.
    """
    used, told = devices or Devices(), interruption or Interruption()
    now = datetime.now(UTC)

    # What can be known before there is any work.
    backbones.check_file(recipe.transfer.weights)
    folder = run_folder.folder_for(runs, name, recipe, now)
    if used.workers > 1 and not name:
        raise TrainingError("--strategy multiworker: expected --name, the same for all workers; received none")
    labels, modes = read_data_labels(sources, say)
    if models is not None:
        publish.check_writable(models / contract.MODEL_NAME, "--models")
    publish.check_writable(runs, "--runs")
    if run_folder.is_finished(folder):
        say(f"{folder} is finished and published; nothing is left to do. For another run give another --name")
        return None

    # Data.
    data = load_data(recipe, labels, modes, seed=seed, say=say, cache=runs / CACHE, loaded=loaded)
    training, validation = data.on(TRAINING), data.on(VALIDATION)
    for line in describe(data):
        say(line)

    # Records, from the first minute on.
    created, goes_on = now, False
    if used.is_chief:
        listing = manifest.text(data.frames.labels, data.sides.tolist(), folder)
        created, goes_on = run_folder.begin(folder, recipe, seed=seed, manifest=listing, now=now)
        write_environment(folder)

    # Weights.
    keras.utils.set_random_seed(seed)
    if recipe.fit.deterministic:
        tf.config.experimental.enable_op_determinism()
    build = partial(
        architectures.build,
        recipe.architecture,
        height=recipe.input.height,
        width=recipe.input.width,
        modes=len(modes),
    )
    with used.telling_of_lost_peers(), used.scope():
        network = build(transfer=recipe.transfer)
    say(f"{recipe.architecture}: {network.model.count_params():,} weights, on {used.description}")
    say(f"Records in {folder}")
    if goes_on:
        say("Goes on where this run was interrupted")
    with told.waiting():
        fitted = fit(
            network,
            recipe,
            (training.images, training.classes),
            (validation.images, validation.classes),
            no_echo=InputEntry(**recipe.input.model_dump()).no_echo,
            seed=seed,
            log=folder / METRICS_FILE,
            report=report,
            tick=tick,
            checkpoints=folder / run_folder.CHECKPOINTS,
            tensorboard=folder / "tensorboard",
            devices=used,
            stopping=told.told,
        )
    kept = f"weights of epoch {fitted.epoch} kept" if recipe.fit.patience else "weights of the last epoch kept"
    say(f"Lowest validation loss {fitted.loss:.4f} in epoch {fitted.epoch}; {kept}")
    if not used.is_chief:
        return None
    if used.strategy is not None:
        # Variables of several devices can only be read by all of them together; the rest is the work of one.
        single = build()
        single.model.set_weights(network.model.get_weights())
        network = single

    # Scores, report, release gate.
    return finish(
        network,
        recipe,
        validation,
        folder=folder,
        models=models,
        created=created,
        seed=seed,
        synthetic=any_synthetic(labels, sources),
        say=say,
        modes=modes,
        test=data.on(TEST) if recipe.data.test_seasons or TEST in data.sides else None,
        foreign=foreign,
        even_if_worse=even_if_worse,
    )
