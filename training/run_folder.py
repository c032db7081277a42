"""The folder of a run: begun by the first start, taken up again by the next with the same name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radar import durable
from radar.seasons import format_utc
from training.data.manifest import MANIFEST_FILE
from training.errors import TrainingError
from training.fitting.checkpoints import Checkpoints
from training.recipe import Recipe, as_toml
from training.records import PUBLISHED_FILE, RECIPE_FILE

STARTED_FILE = "started.json"
CHECKPOINTS = "checkpoints"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def folder_for(runs: Path, name: str, recipe: Recipe, now: datetime) -> Path:
    """Gives the folder of a run: RUNS/NAME, or RUNS/RECIPE-TIME without a name.

    Raises:
        TrainingError: The name is none for a folder.
    """
    if name and not _NAME.fullmatch(name):
        raise TrainingError(
            f"--name: expected letters, digits, '.', '_' and '-', beginning with a letter or digit, received {name!r}"
        )
    own = re.sub(r"[^A-Za-z0-9._-]+", "-", recipe.name).strip("-.") or "run"
    return runs / (name or f"{own}-{now:%Y%m%dT%H%M%S}")


def is_finished(folder: Path) -> bool:
    """Tells whether the run of a folder came to its end and was published."""
    return (folder / PUBLISHED_FILE).is_file()


def is_trained(folder: Path, epochs: int) -> bool:
    """Tells whether a run has learned all it was to; scores, export and publishing are the work of one machine.

    Raises:
        TrainingError: Its checkpoint cannot be read.
    """
    progress = Checkpoints(folder / CHECKPOINTS).progress()
    return progress.stopped or progress.epoch >= epochs


def begin(folder: Path, recipe: Recipe, *, seed: int, manifest: str, now: datetime) -> tuple[datetime, bool]:
    """Writes the first records of a run, or makes sure that it is the same run that goes on.

    Args:
        folder: Of the run.
        recipe: Resolved.
        seed: Of every random draw.
        manifest: Text of its manifest.
        now: When it begins, if it does.

    Returns:
        When the run began, UTC; and whether it goes on.

    Raises:
        TrainingError: Another recipe, seed or other frames; says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / STARTED_FILE).is_file():
        return _same(folder, recipe, seed, manifest), True
    began = now.astimezone(UTC).replace(microsecond=0)
    durable.write_text(folder / RECIPE_FILE, recipe.model_dump_json(indent=1) + "\n")
    durable.write_text(folder / "recipe.toml", as_toml(recipe))
    durable.write_text(folder / MANIFEST_FILE, manifest)
    # Last: a folder without it has not begun.
    durable.write_text(folder / STARTED_FILE, json.dumps({"created": format_utc(began), "seed": seed}) + "\n")
    return began, False


def _same(folder: Path, recipe: Recipe, seed: int, manifest: str) -> datetime:
    try:
        started = json.loads((folder / STARTED_FILE).read_text(encoding="utf-8"))
        began, earlier_seed = datetime.fromisoformat(started["created"]), started["seed"]
        earlier = json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8"))
        listed = (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{folder}: expected a run to go on with; its records cannot be read: {error}") from error
    changed = list(_differences(earlier, recipe.model_dump(mode="json")))
    if seed != earlier_seed:
        changed.append(f"--seed was {earlier_seed}, is {seed}")
    if listed != manifest:
        changed.append(_difference_of_frames(listed, manifest))
    if changed:
        raise TrainingError(
            f"{folder} holds a run of other settings, which cannot go on with these:\n  "
            + "\n  ".join(changed)
            + "\nGive another --name, or the settings of before"
        )
    return began


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{above}{key}.")
        elif old != new:
            yield f"{above}{key} was {json.dumps(old, ensure_ascii=False)}, is {json.dumps(new, ensure_ascii=False)}"


def _difference_of_frames(before: str, after: str) -> str:
    old, new = ({row["path"]: row for row in csv.DictReader(io.StringIO(text))} for text in (before, after))
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    other = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    parts = [
        f"{len(paths):,} frames {what} ({paths[0]})"
        for what, paths in (("are gone", gone), ("are new", come), ("have another label, split or content", other))
        if paths
    ]
    return "the frames differ: " + ("; ".join(parts) or "their order")
