"""The subject: the network that is looked into, out of a run or a published model, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError

from radar.frames import FrameRule
from radar.verification.probabilities import softmax
from serving.protocol import contract
from serving.protocol.contract import CARD_FILE, ModeEntry, ModelCard
from training import architectures
from training.architectures import Network
from training.look.batches import in_batches
from training.look.errors import LookError
from training.recipe import Recipe
from training.records import PUBLISHED_FILE, RECIPE_FILE, WEIGHTS_FILE, load_weights, read_card, read_recipe

SAVED_MODEL_FILE = "saved_model.pb"
_TOLERANCE = 1e-3
"""Largest difference of logits between a rebuilt network and the SavedModel it was taken from."""


@dataclass(frozen=True)
class Subject:
    """A network with gradients, and what belongs to it.

    Attributes:
        name: Of the run or version.
        network: Trained.
        recipe: What it was made by.
        card: What it says of itself.
        source: Folder it came from.
    """

    name: str
    network: Network
    recipe: Recipe
    card: ModelCard
    source: Path

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the K modes, in the order of the logits."""
        return self.card.codes

    @property
    def modes(self) -> tuple[ModeEntry, ...]:
        """The K modes."""
        return self.card.modes

    @property
    def rule(self) -> FrameRule:
        """How a picture becomes its input."""
        return self.card.input.frame_rule()

    @property
    def synthetic(self) -> bool:
        """Whether a computer made the frames it was trained on."""
        return self.card.synthetic

    @property
    def seed(self) -> int:
        """Of its training."""
        return int(self.card.settings.get("seed", 1))

    @cached_property
    def digest(self) -> str:
        """Sha256 of the weights."""
        found = sha256()
        for weight in self.network.model.get_weights():
            found.update(np.ascontiguousarray(weight).tobytes())
        return found.hexdigest()

    @cached_property
    def _run(self) -> Any:
        def run(images: Any) -> tuple[Any, Any]:
            activations = self.network.features(tf.cast(images, tf.float32), training=False)
            return self.network.head(activations, training=False), self.network.embed(activations, training=False)

        return tf.function(run)

    def logits(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Gives the logits, shape (N, K), of frames (N, H, W, 3), pixels 0..255."""
        return self._answers(images)[0]

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Gives the calibrated probabilities, shape (N, K), of frames (N, H, W, 3), pixels 0..255."""
        return softmax(self.logits(images), self.card.temperature)

    def features(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Gives the penultimate layer, shape (N, d), of frames (N, H, W, 3), pixels 0..255."""
        return self._answers(images)[1]

    def _answers(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        # One dtype, one trace.
        pixels = images if images.dtype == np.float32 else images.astype(np.float32)
        return in_batches(self._run, pixels, size=min(128, len(pixels)))


def load(source: Path) -> Subject:
    """Loads a network out of the folder of a run, or of a published version.

    Of a run the weights file is read. A published version has signatures only, without gradients of the input; its
    network is rebuilt from the recipe in its card and takes the variables of the SavedModel over. That it is the same
    is not assumed: its logits are held against those of the signature.

    Args:
        source: ``RUNS/NAME``, or ``MODELS/snowmode/VERSION``.

    Raises:
        LookError: The folder is neither, or its weights cannot be had.
        TrainingError: A record of the run is damaged.
    """
    if (source / SAVED_MODEL_FILE).is_file():
        return _of_version(source)
    if (source / RECIPE_FILE).is_file():
        return _of_run(source)
    if not source.exists():
        raise LookError(f"{source}: expected a run, RUNS/NAME, or a published model; it does not exist")
    versions = sorted(path.parent.name for path in source.glob(f"**/{SAVED_MODEL_FILE}"))[:3]
    runs = sorted(path.parent.name for path in source.glob(f"*/{RECIPE_FILE}"))[:3]
    inside = f"; inside there are {', '.join([*runs, *versions])}" if runs or versions else ""
    raise LookError(
        f"{source}: expected a run ({RECIPE_FILE} inside) or a published version ({SAVED_MODEL_FILE} inside), "
        f"received a folder with neither{inside}"
    )


def fresh(subject: Subject) -> Network:
    """Builds the network as it was before training: the same recipe, and the same seed.

    Raises:
        TrainingError: The file of weights that its backbone started from is gone.
    """
    keras.utils.set_random_seed(subject.seed)
    return architectures.build(
        subject.recipe.architecture,
        height=subject.card.input.height,
        width=subject.card.input.width,
        modes=len(subject.modes),
        transfer=subject.recipe.transfer,
    )


def _of_run(folder: Path) -> Subject:
    recipe = read_recipe(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        version = _published_by(folder)
        if version is not None:
            found = _of_version(version)
            return Subject(folder.resolve().name, found.network, recipe, found.card, folder)
        raise LookError(
            f"{folder}: expected {WEIGHTS_FILE}, the weights of a finished run; there is none, and the model it "
            "published is not where it was. Continue the run with `training run --name`, or name the published "
            "version's folder instead"
        )
    card = read_card(folder)
    network = _build(recipe, card)
    load_weights(network.model, folder)
    return Subject(folder.resolve().name, network, recipe, card, folder)


def _published_by(folder: Path) -> Path | None:
    try:
        version = Path(json.loads((folder / PUBLISHED_FILE).read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if (version / SAVED_MODEL_FILE).is_file() else None


def _of_version(folder: Path) -> Subject:
    path = folder / "assets.extra" / CARD_FILE
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
        settings = {key: value for key, value in card.settings.items() if key in Recipe.model_fields}
        recipe = Recipe.model_validate(settings)
    except (OSError, ValidationError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            reason = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        raise LookError(
            f"{path}: expected the card of a model that `training run` published, with its recipe; {reason}. To look "
            "into another model, name the folder of its run"
        ) from error
    network = _build(recipe, card)
    try:
        saved = tf.saved_model.load(str(folder))
        theirs = list(saved.variables)
        answer = saved.signatures[contract.CLASSIFY]
    except Exception as error:  # TensorFlow has many kinds; none of them means anything else
        raise LookError(f"{folder}: cannot be loaded: {str(error)[:300]}") from error
    _take_over(network, theirs, folder)
    _prove(network, answer, card, folder)
    return Subject(folder.resolve().name, network, recipe, card, folder)


def _take_over(network: Network, theirs: Sequence[Any], folder: Path) -> None:
    """Copies variables; both sides list them in the order of the layers."""
    ours = network.model.variables
    shapes = [tuple(variable.shape) for variable in ours]
    if shapes != [tuple(variable.shape) for variable in theirs]:
        raise LookError(
            f"{folder}: expected the {len(ours)} variables of the network that its recipe describes, received "
            f"{len(theirs)} of other shapes; name the folder of its run instead"
        )
    for mine, other in zip(ours, theirs, strict=True):
        mine.assign(other.numpy())


def _prove(network: Network, answer: Any, card: ModelCard, folder: Path) -> None:
    shape = (4, card.input.height, card.input.width, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = answer(**{contract.IMAGES: tf.constant(images)})[contract.LOGITS].numpy()
    received = network.model(images.astype(np.float32), training=False).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    if not np.allclose(received, expected, rtol=0, atol=_TOLERANCE * scale):
        raise LookError(
            f"{folder}: the network rebuilt from its recipe does not answer as the model does (logits differ by up "
            f"to {np.abs(received - expected).max():.3g}); name the folder of its run instead"
        )


def _build(recipe: Recipe, card: ModelCard) -> Network:
    return architectures.build(
        recipe.architecture, height=card.input.height, width=card.input.width, modes=len(card.modes)
    )
