"""Recipes: everything that decides what a training run makes, as TOML checked before work starts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.protocol.contract import PixelBox
from training.errors import RecipeError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
        split: ``event`` keeps whole events on one side; ``frame`` draws single frames, which flatters.
        validation_share: Share of the frames (about) that validates; outside 0.05 to 0.5 one side has too few of
            some mode.
    """

    per_mode: int = Field(default=0, ge=0)
    split: Literal["event", "frame"] = "event"
    validation_share: float = Field(default=0.2, ge=0.05, le=0.5)


class AugmentTable(_Table):
    """Changes made to training frames.

    Attributes:
        kind: ``none``; ``small`` draws a new change for each frame and epoch; ``nakai2022`` makes the original's 24
            fixed copies (12 rotations times mirror).
        rotation_degrees: Largest rotation to either side (``small``).
        shift: Largest shift, as a share of the side (``small``).
        erase: Share of frames that lose a rectangle, as by beam blockage (``small``).
    """

    kind: Literal["none", "small", "nakai2022"] = "none"
    rotation_degrees: float = Field(default=0.0, ge=0, le=45)
    shift: float = Field(default=0.0, ge=0, le=0.5)
    erase: float = Field(default=0.0, ge=0, le=1)


class FitTable(_Table):
    """How the weights are found.

    Attributes:
        epochs: At most so many passes.
        batch_size: Frames a step.
        learning_rate: Of Adam; with `patience` it decays along a half cosine.
        patience: Epochs without a better validation loss before the run stops and takes the best weights back;
            0 runs all epochs at a constant rate and keeps the last weights.
    """

    epochs: int = Field(ge=1, le=1000)
    batch_size: int = Field(ge=1, le=4096)
    learning_rate: float = Field(gt=0, lt=1)
    patience: int = Field(default=0, ge=0)


class Recipe(_Table):
    """One recipe; see the files in `training/recipes`."""

    name: str
    architecture: Literal["nakai2022", "radar"]
    input: InputTable
    data: DataTable = DataTable()
    augment: AugmentTable = AugmentTable()
    fit: FitTable


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


def _problem(details: ErrorDetails) -> str:
    key = ".".join(map(str, details["loc"]))
    received = f"(received {details['input']!r})"
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
        raise RecipeError(
            f"Recipe: expected one of {', '.join(recipe_names())}, or a TOML file, received {name!r}"
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
