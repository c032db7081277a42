"""What benchmarks work on: published models and folders of frames, made once and kept under build/bench."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radar.modes import SNOWFALL_MODES
from serving.protocol import contract
from serving.protocol.contract import HeatMapEntry, InputEntry, ModeEntry, ModelCard


def card_for(network: Any, architecture: str, size: int, *, temperature: float = 1.0) -> ModelCard:
    """Makes the card of a network that was not trained."""
    height, width = network.features.output.shape[1:3]
    return ModelCard(
        contract_version=contract.CONTRACT_VERSION,
        model=contract.MODEL_NAME,
        created=datetime.now(UTC),
        modes=tuple(ModeEntry(**dataclasses.asdict(mode)) for mode in SNOWFALL_MODES),
        input=InputEntry(height=size, width=size),
        heat_map=HeatMapEntry(height=height, width=width),
        feature_size=network.embed.output.shape[1],
        temperature=temperature,
        rejection_threshold=0.3,
        recipe=f"{architecture}, fresh weights",
    )


def publish_fresh(models: Path, architecture: str, size: int, *, seed: int = 1) -> tuple[Path, Any]:
    """Publishes a network with fresh weights; speed does not depend on what they are.

    Returns:
        The folder of the version, and the Keras model.
    """
    import keras

    from training import architectures
    from training.publishing import export, publish

    keras.utils.set_random_seed(seed)
    network = architectures.build(architecture, height=size, width=size, modes=len(SNOWFALL_MODES))
    card = card_for(network, architecture, size)
    base = models / contract.MODEL_NAME
    shutil.rmtree(base, ignore_errors=True)
    version = publish.publish(
        base, publish.version_of(card.created), lambda folder: export.write(folder, network, card)
    )
    return version, network.model


def frames_folder(build: Path, height: int, width: int, count: int, *, distinct: int = 500) -> Path:
    """Makes a folder of `count` frames; beyond `distinct` they are links to the same pictures."""
    from training.synth import make_winter

    source = build / f"frames-{width}x{height}"
    if not (source / "labels.csv").exists():
        make_winter(source, frames=distinct, seed=5, year=2015, size=(height, width), overwrite=True)
    folder = build / f"frames-{width}x{height}-{count}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        pictures = sorted(source.glob("*.png"))
        for n in range(count):
            (partial / f"pr2hse{n:05d}.png").hardlink_to(pictures[n % len(pictures)])
        partial.rename(folder)
    return folder
