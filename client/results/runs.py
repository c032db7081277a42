"""Which run a result file is of: `NAME.csv.run.json` beside `NAME.csv`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import ValidationError

from client.errors import ConfigError
from radar import durable
from serving.protocol.contract import ModelCard


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What must be equal for a run to be continued by another.

    Attributes:
        folder: Absolute path of the frames.
        model: Name of the servable.
        version: Its version; probabilities of two versions never stand in one file.
        columns: Header of the CSV.
        rejection_threshold: Below this largest probability a frame is not accepted.
        time_rule: How names tell the time, or empty.
        shard: Which part of the folder, such as ``2/8``; empty for all of it.
        window: Part of JMA composites that was classified; empty where there are none.
        heat_maps: Heat maps written beside the rows, such as ``gradcam``; empty for none.
    """

    folder: str
    model: str
    version: int
    columns: tuple[str, ...]
    rejection_threshold: float
    time_rule: str = ""
    shard: str = ""
    window: str = ""
    heat_maps: str = ""

    def differences(self, other: RunIdentity) -> list[str]:
        """Says in what another run differs, a line each."""
        return [
            f"  {name}: {before!r} there, {value!r} now"
            for name, value in asdict(self).items()
            if (before := getattr(other, name)) != value
        ]


@dataclass(frozen=True, slots=True)
class Record:
    """What is noted of a run.

    Attributes:
        identity: Which run it is.
        card: What the model said of itself; None in records of old releases.
        command: The command line.
        cadence_minutes: Minutes between frames; None if nobody knows.
    """

    identity: RunIdentity
    card: ModelCard | None = None
    command: str = ""
    cadence_minutes: float | None = None


def record_file(results: Path) -> Path:
    """Gives the name of the record of a result file."""
    return results.with_name(results.name + ".run.json")


def write_record(path: Path, record: Record) -> None:
    """Writes a record, whole or not at all; raises OSError if it cannot."""
    card = None if record.card is None else record.card.model_dump(mode="json")
    about = {"cadence_minutes": record.cadence_minutes, "command": record.command, "card": card}
    content = {**asdict(record.identity), **about}
    durable.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(path: Path) -> Record:
    """Reads a record.

    Raises:
        ConfigError: It is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(RunIdentity)}
        identity = {name: value for name, value in content.items() if name in known}
        card = content.get("card")
        return Record(
            RunIdentity(**{**identity, "columns": tuple(identity["columns"])}),
            None if card is None else ModelCard.model_validate(card),
            str(content.get("command", "")),
            content.get("cadence_minutes"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigError(f"{path.name}, which says what run it is of, cannot be read") from error
