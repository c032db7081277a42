"""Recipes: everything that decides what a training run makes, as TOML checked before work starts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.protocol.contract import PixelBox
from training.errors import RecipeError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


Architecture = Literal["nakai2022", "radar", "convbn", "resnet", "vgg16", "convnext_tiny", "mlp"]
BACKBONES = ("vgg16", "convnext_tiny")
"""Architectures with a backbone of `keras.applications`."""
SMALLEST_FOR_BACKBONES = 32


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoxTable(PixelBox):
    """A rectangle in pixels of the original picture."""

    # A model card may hold keys of a later release; in a recipe an unknown key is a slip of the pen.
    model_config = ConfigDict(extra="forbid")


class InputTable(_Table):
    """Size and preprocessing of the model's input, in pixels."""

    height: int = Field(ge=16, le=1024)
    width: int = Field(ge=16, le=1024)
    crop: BoxTable | None = None
    masks: tuple[BoxTable, ...] = ()


class DataTable(_Table):
    """Which labelled frames are used, and how they are split.

    Attributes:
        per_mode: At most so many frames a mode, drawn at random; 0 takes all.
        split: ``event`` keeps whole events on one side, ``season`` whole winters; ``frame`` draws single frames,
            which flatters; ``manifest`` does as the column `split` of a manifest says.
        validation_share: Share of the frames (about) that validates; outside 0.05 to 0.5 one side has too few of
            some mode.
        test_seasons: Winters that stay sealed until the model is finished: scored, never chosen by.
        guard_hours: Events of one mode closer than this stay on one side; where winters are cut, training frames this
            close to frames of another side are set aside.
    """

    per_mode: int = Field(default=0, ge=0)
    split: Literal["event", "season", "frame", "manifest"] = "event"
    validation_share: float = Field(default=0.2, ge=0.05, le=0.5)
    test_seasons: tuple[str, ...] = ()
    guard_hours: float = Field(default=6.0, ge=0, le=240)


class AugmentTable(_Table):
    """Changes made to training frames.

    Attributes:
        kind: ``none``; ``small`` draws a new change for each frame and epoch; ``nakai2022`` makes the original's 24
            fixed copies (12 rotations times mirror).
        rotation_degrees: Largest rotation to either side (``small``).
        shift: Largest shift, as a share of the side (``small``).
        erase: Share of frames that lose a rectangle, as by beam blockage (``small``).
        intensity_db: Largest change of all rain rates, decibels to either side, along the palette (``small``).
        mixup: Parameter alpha of the beta distribution by which two frames are mixed; 0 mixes none.
    """

    kind: Literal["none", "small", "nakai2022"] = "none"
    rotation_degrees: float = Field(default=0.0, ge=0, le=45)
    shift: float = Field(default=0.0, ge=0, le=0.5)
    erase: float = Field(default=0.0, ge=0, le=1)
    intensity_db: float = Field(default=0.0, ge=0, le=10)
    mixup: float = Field(default=0.0, ge=0, le=2)


class TransferTable(_Table):
    """A backbone that was trained on other pictures (`vgg16`, `convnext_tiny`).

    Attributes:
        weights: File of the weights of `keras.applications` without the top, ``.weights.h5`` or ``.h5``; empty starts
            from random ones. Nothing is ever downloaded.
        freeze_epochs: First epochs, in which the head alone learns, at `fit.learning_rate`.
        learning_rate: Of Adam in the epochs after them.
        unfreeze: What learns then: the ``last`` stage of the backbone, ``all`` of it, or ``none`` of it.
    """

    weights: str = ""
    freeze_epochs: int = Field(default=0, ge=0, le=1000)
    learning_rate: float = Field(default=1e-5, gt=0, lt=1)
    unfreeze: Literal["last", "all", "none"] = "all"


class FitTable(_Table):
    """How the weights are found.

    Attributes:
        epochs: At most so many passes.
        batch_size: Frames a step, over all devices.
        learning_rate: Of Adam.
        schedule: ``constant``, or ``cosine``: down to 2 % along a half cosine over all epochs.
        warmup_epochs: First epochs, in which the rate rises from 0.
        weight_decay: Of AdamW; 0 is plain Adam.
        patience: Epochs without a better validation loss before the run stops and takes the best weights back;
            0 runs all epochs and keeps the last weights.
        ema: Momentum of the moving average of the weights that is validated and kept; 0 keeps the weights themselves.
        label_smoothing: Share of the label that goes to all modes alike.
        class_weights: ``none``, or ``balanced``: frames of rare modes weigh more. It shifts the probabilities; the
            temperature makes up for a part.
        deterministic: Whether operations whose order of summing is left to chance are replaced. Slower, mostly on a
            GPU; a CPU gives the same weights for the same seed without.
    """

    epochs: int = Field(ge=1, le=1000)
    batch_size: int = Field(ge=1, le=4096)
    learning_rate: float = Field(gt=0, lt=1)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = Field(default=0.0, ge=0, le=100)
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, le=0.5)
    class_weights: Literal["none", "balanced"] = "none"
    deterministic: bool = False


class ReleaseTable(_Table):
    """What is decided about the finished model.

    Attributes:
        accept: Share of the validation events that the rejection threshold lets pass.
    """

    accept: float = Field(default=0.95, gt=0, le=1)


class Recipe(_Table):
    """One recipe; see the files in `training/recipes`."""

    name: str
    architecture: Architecture
    input: InputTable
    data: DataTable = DataTable()
    augment: AugmentTable = AugmentTable()
    transfer: TransferTable = TransferTable()
    fit: FitTable
    release: ReleaseTable = ReleaseTable()

    @model_validator(mode="after")
    def _transfer_needs_a_backbone(self) -> Recipe:
        if self.transfer != TransferTable() and self.architecture not in BACKBONES:
            raise ValueError(
                f"[transfer] belongs to {' and '.join(BACKBONES)}; {self.architecture!r} has no backbone"
            )
        if self.architecture in BACKBONES and min(self.input.height, self.input.width) < SMALLEST_FOR_BACKBONES:
            raise ValueError(
                f"{self.architecture} needs input.height and input.width of at least {SMALLEST_FOR_BACKBONES}, "
                f"received {self.input.height} and {self.input.width}"
            )
        if self.transfer.freeze_epochs >= self.fit.epochs and self.transfer.unfreeze != "none":
            raise ValueError(
                f"transfer.freeze_epochs = {self.transfer.freeze_epochs} leaves none of fit.epochs = "
                f"{self.fit.epochs} to learn in; raise fit.epochs, or set transfer.unfreeze = 'none'"
            )
        return self


def recipe_names() -> list[str]:
    """Lists the recipes that come with the package."""
    files = resources.files("training.recipes").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """Loads a recipe and applies overrides.

    Args:
        name: Name of a recipe of the package, or path of a TOML file.
        overrides: Such as ``"fit.epochs=5"``; the value is read as TOML, or as plain text if it is none.

    Raises:
        RecipeError: Unknown recipe, unknown key or impossible value.
    """
    table = _read(name)
    for override in overrides or []:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise RecipeError(f"--set: expected key=value such as fit.epochs=5, received {override!r}")
        _put(table, key.strip().split("."), _value(text.strip()), override)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        problems = [f"  {_problem(details)}" for details in error.errors(include_url=False)]
        raise RecipeError(f"Recipe {name!r} cannot be used:\n" + "\n".join(problems)) from error


def as_toml(recipe: Recipe) -> str:
    """Writes a recipe with every key it has, so that `load_recipe` reads it back as it is."""
    content = recipe.model_dump(mode="json")
    lines = [f"{name} = {_toml(value)}" for name, value in content.items() if not isinstance(value, dict)]
    for name, table in content.items():
        if isinstance(table, dict):
            # A crop that is not there has no line: TOML knows no null.
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {_toml(value)}" for key, value in table.items() if value is not None),
            ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _problem(details: ErrorDetails) -> str:
    key = ".".join(map(str, details["loc"]))
    received = f"(received {details['input']!r})"
    if details["type"] == "value_error":  # what several keys have to do with each other
        return str(details["ctx"]["error"])
    if details["type"] != "extra_forbidden":
        return f"{key}: {details['msg']} {received}"
    named = ".".join(part for part in details["loc"] if isinstance(part, str))
    close = get_close_matches(named, list(_keys(Recipe)), n=1)
    return f"{key}: unknown key {received}" + (f"; did you mean {close[0]}?" if close else "")


def _keys(table: type[BaseModel], above: str = "") -> Iterator[str]:
    """Lists every key a table may hold, as `--set` would write it."""
    for name, field in table.model_fields.items():
        yield above + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind, f"{above}{name}.")


def _read(name: str) -> dict[str, Any]:
    try:
        if name in recipe_names():
            text = resources.files("training.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        else:
            text = Path(name).read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        close = get_close_matches(name, recipe_names(), n=1)
        raise RecipeError(
            f"Recipe: expected one of {', '.join(recipe_names())}, or a TOML file, received {name!r}"
            + (f"; did you mean {close[0]}?" if close else "")
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"Recipe {name!r} is no valid TOML: {error}") from error


def _put(table: dict[str, Any], path: list[str], value: Any, override: str) -> None:
    *folders, last = path
    for folder in folders:
        table = table.setdefault(folder, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {override}: {folder!r} holds a value, not a table")
    table[last] = value


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
