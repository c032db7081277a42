"""Plans: work of many trainings, kept step by step, goes on only as what it began as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from radar import durable
from training.data.labelled import Label
from training.errors import TrainingError
from training.recipe import Recipe

PLAN_FILE = "plan.json"


def plan(what: str, recipe: Recipe, labels: Sequence[Label], **settings: object) -> dict[str, Any]:
    """Makes a plan: what decides the outcome.

    Args:
        what: Kind of work.
        recipe: What is trained.
        labels: The frames, in order.
        settings: What else decides.
    """
    rows = "\n".join(
        f"{label.season}/{label.path.name},{label.mode},{label.event},{label.sha256}" for label in labels
    )
    frames = {"number": len(labels), "sha256": sha256(rows.encode()).hexdigest()}
    return {"what": what, **settings, "recipe": recipe.model_dump(mode="json"), "frames": frames}


def keep(folder: Path, wanted: dict[str, Any]) -> None:
    """Writes a plan into a folder, or makes sure that the folder is of the same.

    Raises:
        TrainingError: It is of another plan, and which key differs.
        OSError: It cannot be written.
    """
    path = folder / PLAN_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        durable.write_text(path, json.dumps(wanted, indent=1, ensure_ascii=False) + "\n")
        return
    try:
        earlier = _flat(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{path}: expected the plan of earlier work; cannot be read: {error}") from error
    now = _flat(json.loads(json.dumps(wanted)))
    for key in sorted(earlier.keys() | now.keys()):
        if earlier.get(key) != now.get(key):
            raise TrainingError(
                f"{folder}: work with other settings is kept there: {key} was {earlier.get(key)!r}, received "
                f"{now.get(key)!r}; give it another --name"
            )


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found
